-- flags: no-writes
-- What is known about the gate of a task, or of one of its keys.
-- Arguments: task; key (empty: none)
-- Returns: the declared limit, the limit that was set, the same of the rate, when the rate lets the next job start (empty: now), since when
--   it is paused (6) and why (each empty if there is none), how many of its jobs run, or hold the key, what is declared for each key, and `x` of
--   the pause
function commands.gate()
  return gate.look(argv[A.task], argv[A.key])
end
