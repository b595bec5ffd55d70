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
    local wait, stale = K.wait .. task, K.stale .. task
    call('SADD', stale, id)
    if call('LLEN', wait) <= call('SCARD', stale) then
      call('UNLINK', wait, stale)
      still_ready(task)
    elseif byte(id) == 42 then
      -- its workflow must not be removed before the tombstone is
      local key = K.wf .. node_of(id)
      local tasks = call('HGET', key, 't') or '\n'
      if not find(tasks, '\n' .. task .. '\n', 1, true) then call('HSET', key, 't', tasks .. task .. '\n') end
    end
  end
  return true
end
