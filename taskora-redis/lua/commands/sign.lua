-- flags: allow-oom
-- A process gives a sign of life, or (with an empty description) signs off.
-- Arguments: name of the process; its description, see lib/processes.lua
-- Returns: level of the namespace, who raised it
function commands.sign()
  if argv[A.about] == '' then
    call('HDEL', K.procs, argv[A.process])
  else
    processes.sign(argv[A.process], argv[A.about])
  end
  local level = processes.level()
  return { level[1], level[2] }
end
