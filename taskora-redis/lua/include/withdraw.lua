-- The tombstones at the head of a line go, 500 at most; a claim takes the rest. What is in the line is looked at, and not
-- only counted, for a mark of somebody who is not there must not cost another one his place.
local function clear_head(task)
  local wait, stale = K.wait .. task, K.stale .. task
  local ids, count = call('LRANGE', wait, 0, 499), 0
  if #ids == 0 then
    call('UNLINK', stale)
  else
    for i, entry in ipairs(ids) do ids[i] = sub(entry, 7) end
    for i, is_marked in ipairs(call('SMISMEMBER', stale, unpack(ids))) do
      if is_marked == 0 then break end
      count = i
    end
  end
  if count > 0 then
    call('LPOP', wait, count)
    call('SREM', stale, unpack(ids, 1, count))
  end
  still_ready(task)
end

-- Takes a job that is to be cancelled out of its line, or flags it if it is active. Answers whether it can end now.
local function withdraw(task, id, record, life, reason)
  local place = place_of(task, id, record, life)
  if place == 'active' then
    call('HSETNX', K.cancel, id, reason)
    redis.pcall('PUBLISH', K.cancels, id)
    return false
  end
  if place == 'delayed' then
    call('ZREM', K.delayed .. task, id)
    plan(task)
  elseif priority_of(record) ~= 0 then
    call('ZREM', K.prio .. task, id)
    still_ready(task)
  else
    -- to find its place in the list would cost as much as the list is long: it stays behind as a tombstone
    local stale = K.stale .. task
    call('SADD', stale, id)
    if call('LLEN', K.wait .. task) <= call('SCARD', stale) then clear_head(task) end
    if byte(id) == 42 and call('SISMEMBER', stale, id) == 1 then
      -- its workflow must not be removed before the tombstone is
      local key = K.wf .. node_of(id)
      local tasks = call('HGET', key, 't') or '\n'
      if not find(tasks, '\n' .. task .. '\n', 1, true) then call('HSET', key, 't', tasks .. task .. '\n') end
    end
  end
  return true
end
