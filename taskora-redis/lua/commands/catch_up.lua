-- flags: allow-oom
-- Does a page of deferred work.
-- Arguments: none
-- Returns: 1 if there is more
-- Events: wakes a worker per task; pushes ends to waiters, and tells the workers of active nodes
function commands.catch_up()
  return deferred.work_off(400) and 1 or 0
end
