-- flags: allow-oom
-- For tests: advances the namespace's time, and wakes workers with timers.
-- Arguments: milliseconds
function commands.shift()
  call('INCRBY', K.clock, argv[A.by])
  for _, task in ipairs(call('ZRANGE', K.due, 0, 63)) do line.wake(task) end
  return 1
end
