-- Single jobs that come to a line or leave it.
local function to_back(task, id, priority)
  local seq = BASE + call('INCR', K.seq)
  if priority == 0 then
    call('RPUSH', K.wait .. task, struct.pack('>I6', seq) .. id)
  else
    call('ZADD', K.prio .. task, seq - priority * BAND, id)
  end
  call('SADD', K.ready, task)
end

local function to_front(task, id, priority)
  local seq = BASE - call('INCR', K.front)
  if priority == 0 then
    call('LPUSH', K.wait .. task, struct.pack('>I6', seq) .. id)
  else
    call('ZADD', K.prio .. task, seq - priority * BAND, id)
  end
  call('SADD', K.ready, task)
end

-- after jobs have left a line: true if some are left
local function still_ready(task)
  if call('EXISTS', K.wait .. task, K.prio .. task) > 0 then return true end
  call('SREM', K.ready, task)
  call('DEL', K.wake .. task)
  return false
end
