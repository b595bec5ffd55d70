-- A settlement that is more than the completion of a plain job. Its lease was valid.
local postponed = {} -- tasks with retries that wait for their time

-- answers the job's new state; `life`: what it has behind it; `reason`: why it is to be cancelled
local function settle(task, member, entry, life, reason)
  local length = byte(entry, 16)
  local id, kind, attempt, started = sub(member, 1, length), sub(entry, 1, 1), sub(entry, 2, 5), sub(entry, 10, 15)
  local _, stalls, last_error = life_of(life)
  if reason then
    finish(task, id, 'X', attempt, u32(stalls), started, reason)
    return 'X'
  elseif kind == 'C' or kind == 'F' then
    finish(task, id, kind, attempt, u32(stalls), started, sub(entry, 19))
    return kind
  end
  local record = record_of(id)
  if not record then return '-' end
  local token, number = tonumber(sub(member, length + 2)), struct.unpack('>I4', attempt)
  if kind == 'R' then
    live_on(id, token, number, stalls, sub(entry, 25))
    local delay = struct.unpack('>I6', entry, 19)
    if delay > 0 then
      call('ZADD', K.delayed .. task, now + delay, id)
      postponed[task] = true
      return 'R'
    end
    to_back(task, id, priority_of(record))
  else
    live_on(id, token, number - 1, stalls, last_error)
    to_front(task, id, priority_of(record))
  end
  TOUCHED[task] = true
  return 'W'
end

-- after all settlements: tells of retries, writes ends
local function write_settled(any_side, keep_completed, keep_failed)
  for task in pairs(postponed) do
    announce(task, plan(task))
    TOUCHED[task] = true
  end
  write_ends(any_side, keep_completed, keep_failed)
end

-- removes workflows beyond those to keep, if some have ended
local function retire_ended(keep)
  local beyond = flows_ended and call('ZCARD', K.wfdone) - keep or 0
  if beyond > 0 then retire(call('ZRANGE', K.wfdone, 0, math.min(beyond, 64) - 1)) end
end
