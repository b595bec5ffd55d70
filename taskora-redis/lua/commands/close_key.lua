-- flags: allow-oom
-- No job starts for a time that is limited by the key which a leased job holds. A key that is closed for longer already stays so.
-- Arguments: task; `<id>:<token>`; id; milliseconds
-- Returns: 1, or 0 if the lease is not valid, or its job holds no key
-- Events: wakes a worker for the time at which the key opens, if no worker was told one as early
function commands.close_key()
  local task, key = argv[A.task], call('HGET', K.held, argv[A.id])
  if not key or gather.is_lane(key) or not call('ZSCORE', K.active .. task, argv[A.lease]) then return 0 end
  return lanes.close(task, key, now + tonumber(argv[A.millis])) and 1 or 0
end
