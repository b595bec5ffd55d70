-- flags: no-writes
-- How many jobs of a task are in each state.
-- Arguments: task
-- Returns: waiting, delayed, active, completed, failed, cancelled, expired
function commands.counts()
  return overview.counts(argv[A.task])
end
