-- flags: allow-oom
-- A worker that starts says which limits the contracts of its tasks declare. A task without a limit loses the declared one.
-- Arguments: the level that gates need; for each task (at most 100): its name; its aliases, one a line; its limit (empty: none)
-- Returns: when the namespace was created, then for each task: what was declared before (empty: nothing); or nothing at all if the
--   level of the namespace is too low
-- Events: wakes a worker for each task whose gate opens
function commands.declare_limits()
  local level = processes.level()
  local answer, has_limit = { level[3] }, false
  for i = A.limits, #argv, 3 do has_limit = has_limit or argv[i + 2] ~= '' end
  if has_limit and level[1] < tonumber(argv[A.level]) then return false end
  for i = A.limits, #argv, 3 do
    local task, aliases, max = argv[i], argv[i + 1], argv[i + 2]
    local keys = { K.gate .. task }
    for alias in string.gmatch(aliases, '[^\n]+') do keys[#keys + 1] = K.gate .. alias end
    if max ~= '' or call('EXISTS', unpack(keys)) > 0 then
      answer[#answer + 1] = gate.set(task, aliases, 'd', max)
    else
      answer[#answer + 1] = ''
    end
  end
  return answer
end
