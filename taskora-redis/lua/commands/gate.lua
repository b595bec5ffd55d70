-- flags: no-writes
-- What is known about the gate of a task.
-- Arguments: task
-- Returns: the declared limit, the limit that was set, the same of the rate, when the rate lets the next job start (empty: now), since when
--   it is paused (6) and why (each empty if there is none), and how many of its jobs run
function commands.gate()
  return gate.look(argv[A.task])
end
