-- Delayed jobs: one sorted set per task, and `due`, which knows each task's earliest time.
-- `timer` knows which worker has been told that time: one wakes up for it, not all.

-- keeps `due` in step with a task's delayed jobs; answers the earliest time, if any
local function plan(task)
  local first = call('ZRANGE', K.delayed .. task, 0, 0, 'WITHSCORES')
  if first[2] then
    call('ZADD', K.due, first[2], task)
    return tonumber(first[2])
  end
  call('ZREM', K.due, task)
  call('HDEL', K.timer, task)
  -- a wake-up that stood for this time is for nothing now
  if call('SISMEMBER', K.ready, task) == 0 then call('DEL', K.wake .. task) end
end

-- wakes a worker if nobody has been told of the earliest time
local function announce(task, earliest)
  local timer = call('HGET', K.timer, task)
  if not timer or tonumber(match(timer, '^%d+')) > earliest then wake(task) end
end
