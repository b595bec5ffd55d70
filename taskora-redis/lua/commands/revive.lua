-- Makes jobs that have ended without completing wait again.
-- Arguments: repeat (1 if the outcome of a first try is unknown); for each job (at most 100): id, when it ended and how long it is
--   delayed first, both in milliseconds
-- Returns: for each: `1` it waits again, or what keeps it from that, see lib/act.lua
-- Events: wakes a worker per task

-- Nothing of the first life may count in the second one; the end goes last, so that after an error the job has still ended.
local function revive(task, id, text, done, delay)
  -- its tokens lie above those of its first life
  local since = math.max(now, (u48_at(done, 16) or 0) + 1)
  local ended = timeline.end_of(done)
  timeline.add(id, ended .. timeline.step('V', 0, ZERO6, pack('>I6', since)), 2, ended)
  call('HSET', K.life, id, history.of_leaving(since * tokens.SHARE, 0, 0, false))
  timeline.write()
  local before = text
  local ttl_at = record.ttl_at(text)
  if ttl_at then text = expiry.start(task, id, text, ttl_at, now + delay) end
  -- its tombstone is still in the list
  if call('SISMEMBER', K.tombstones .. task, id) == 1 then text = record.unlisted(text) end
  if text ~= before then call('HSET', K.jobs, id, text) end
  expiry.write()
  if call('HGET', K.progress, id) then call('HSET', K.progress, id, '') end
  if delay > 0 then due.enter(task, { now + delay, id }) else line.to_back(task, id, text, false) end
  call('ZREM', ends.index_of(sub(done, 1, 1), task, id), id)
  call('HDEL', K.done, id)
  events.add('v', task, id, events.due(now + delay))
end

function commands.revive()
  local answers = {}
  for i = A.jobs, #argv, 3 do
    local id, ended_at, delay = argv[i], tonumber(argv[i + 1]), tonumber(argv[i + 2])
    local answer, task, text, done = act.on(id)
    if done and match(done, '^[FSXE]') and u48_at(done, 16) == ended_at then
      revive(task, id, text, done, delay)
      answer = '1'
    elseif task and argv[A.again] == '1' then
      -- a first try has done it
      answer = '1'
    end
    answers[#answers + 1] = answer
  end
  return answers
end
