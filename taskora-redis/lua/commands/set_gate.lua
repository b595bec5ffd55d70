-- flags: allow-oom
-- Changes the gate of a task.
-- Arguments: the level that this needs; task; its aliases, one a line; what: `o` sets a limit, or resets it; `ro` the same for
--   the rate; `k` and a key the same for the limit of that key, `q` and a key for its rate; `p` pauses the task, unless it is
--   paused; `-` resumes it; `p` and `-` with a key the same for the key; the limit or the rate (empty: none), or the reason; how many
--   milliseconds a pause lasts (0: until it is resumed); who pauses (empty: unknown)
-- Returns: 1, or 0 if it was paused already or was not paused; or nothing if the level of the namespace is too low
-- Events: wakes a worker if the gate opens, or to tell it when a pause ends
function commands.set_gate()
  local task, aliases, what, value = argv[A.task], argv[A.aliases], argv[A.what], argv[A.value]
  local begins, resumes = byte(what) == 112, byte(what) == 45
  if processes.level()[1] < tonumber(argv[A.level]) and (begins or not resumes and value ~= '') then return false end
  if begins then
    local more = pauses.new(tonumber(argv[A.lasting]), argv[A.by])
    if gate.set(task, aliases, { [what] = now6 .. value, ['x' .. sub(what, 2)] = more })[what] ~= '' then return 0 end
    if what == 'p' then events.add('o', task, '', nil, value) end
    return 1
  end
  if resumes then
    local field = 'p' .. sub(what, 2)
    if gate.set(task, aliases, { [field] = '' })[field] == '' then return 0 end
    if field == 'p' then events.add('n', task, '') end
    return 1
  end
  gate.set(task, aliases, { [what] = value })
  return 1
end
