-- flags: allow-oom
-- A worker that starts says which limits and rates the contracts of its tasks declare. A task without one loses the declared one.
-- Arguments: the level that this needs; for each task (at most 100): its name; its aliases, one a line; its limit; its rate; what
--   holds for each key, as in field `k` of `gate:` (empty: none)
-- Returns: when the namespace was created, then for each task: the limit, the rate and what held for each key that were declared
--   before (empty: none); or nothing at all if the level of the namespace is too low
-- Events: wakes a worker for each task whose gate opens
function commands.declare_limits()
  local level = processes.level()
  local answer, has_limit = { level[3] }, false
  for i = A.limits, #argv, 5 do has_limit = has_limit or argv[i + 2] .. argv[i + 3] .. argv[i + 4] ~= '' end
  if has_limit and level[1] < tonumber(argv[A.level]) then return false end
  for i = A.limits, #argv, 5 do
    local task, aliases, declared = argv[i], argv[i + 1], { d = argv[i + 2], rd = argv[i + 3], k = argv[i + 4] }
    local keys = { K.gate .. task }
    for alias in string.gmatch(aliases, '[^\n]+') do keys[#keys + 1] = K.gate .. alias end
    local before = { d = '', rd = '', k = '' }
    if declared.d .. declared.rd .. declared.k ~= '' or call('EXISTS', unpack(keys)) > 0 then before = gate.set(task, aliases, declared) end
    answer[#answer + 1], answer[#answer + 2], answer[#answer + 3] = before.d, before.rd, before.k
  end
  return answer
end
