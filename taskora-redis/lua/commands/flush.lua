-- flags: allow-oom
-- What gathers under a key goes now.
-- Arguments: task; its aliases, one a line; key
-- Returns: 1, or 0 if nothing gathers
-- Events: wakes a worker
function commands.flush()
  local any = 0
  for task in string.gmatch(argv[A.task] .. '\n' .. argv[A.aliases], '[^\n]+') do
    if gather.flush(task, argv[A.key]) then any = 1 end
  end
  return any
end
