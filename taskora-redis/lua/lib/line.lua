-- The waiting line of a task: a list for priority 0, a sorted set for the others, both ordered by sequence number.
-- Numbers of arrivals grow from `BASE`, those of returned jobs fall from it, so that these go first. `ready` has the tasks with
-- jobs in line; a score is never above that of the first job, so that a claim reads few lines.
line.BASE = 2199023255552 -- 2^41
line.BAND = 4398046511104 -- 2^42: one priority's share of the scores; 1,000 of them are exact in a double
local REACH = 1024 -- the most tombstones behind which a job is looked for

-- leaves a marker that wakes one worker; false if there already is one
function line.wake(task)
  local key = K.wake .. task
  return call('EXISTS', key) == 0 and call('LPUSH', key, '1')
end

-- whether a value is valid for one of the two counters
function line.is_counter(text)
  return whole(text, line.BASE) ~= nil
end

-- the numbers before the next `count` arrivals, and after the next `count` returns
function line.arrivals(count)
  return line.BASE + call('INCRBY', K.seq, digits(count)) - count
end

function line.returns(count)
  return line.BASE - call('INCRBY', K.front, digits(count)) + count
end

-- Puts jobs in line; this is the only way into it. `back` and `front` are entries of the list, `ranked` scores and ids of the
-- sorted set, alternating; each may be nothing. Wakes a worker.
function line.enter(task, back, front, ranked)
  local length, bound
  if back and #back > 0 then
    pages(back, function(...) length = call('RPUSH', K.wait .. task, ...) end)
  end
  local woke = line.wake(task)
  -- if the line had jobs, and a worker was told, the task is already in `ready`
  if length and (woke or length == #back) then bound = read('>I6', back[1]) end
  if front and #front > 0 then
    pages(front, function(...) call('LPUSH', K.wait .. task, ...) end)
    bound = read('>I6', front[#front])
  end
  if ranked and #ranked > 0 then
    pages(ranked, function(...) call('ZADD', K.prio .. task, ...) end)
    for i = 1, #ranked, 2 do
      if not bound or ranked[i] < bound then bound = ranked[i] end
    end
  end
  if bound and call('ZADD', K.ready, 'LT', format('%.0f', bound), task) == 1 then
    call('SADD', K.tasks, task)
    if call('SISMEMBER', K.closed, task) == 1 then
      -- nobody may claim from it, so nobody is woken
      call('ZREM', K.ready, task)
      if woke then call('DEL', K.wake .. task) end
      if not length or length == #back or front or ranked then gate.line_changed(task) end
    end
  end
end

-- A job is in line whose score is not below this one. Wakes a worker, unless nobody may claim it.
function line.announce(task, score)
  local woke = line.wake(task)
  if call('ZADD', K.ready, 'LT', format('%.0f', score), task) == 1 and call('SISMEMBER', K.closed, task) == 1 then
    call('ZREM', K.ready, task)
    if woke then call('DEL', K.wake .. task) end
    gate.line_changed(task)
  end
end

-- Puts one job at the end of its line; `is_new`: it has not been claimed before.
function line.to_back(task, id, text, is_new)
  local key, rule = lanes.key_of(task, text, not is_new)
  if key then return lanes.enter(task, key, { lanes.score_of(task, key, id, text, false), id }, true, rule) end
  local number = line.arrivals(1) + 1
  if record.is_listed(text) then return line.enter(task, { pack('>I6', number) .. id }) end
  line.enter(task, nil, nil, { number - record.priority_of(text) * line.BAND, id })
end

function line.to_front(task, id, text, is_new)
  local key, rule = lanes.key_of(task, text, not is_new)
  if key then return lanes.enter(task, key, { lanes.score_of(task, key, id, text, true), id }, true, rule) end
  local number = line.returns(1) - 1
  if record.is_listed(text) then return line.enter(task, nil, { pack('>I6', number) .. id }) end
  line.enter(task, nil, nil, { number - record.priority_of(text) * line.BAND, id })
end

-- The first job of priority 0 in a line, with its number; nothing if there is none within reach.
function line.head(task)
  local from, has_tombstones = 0, call('EXISTS', K.tombstones .. task) == 1
  while from < REACH do
    local entries = call('LRANGE', K.wait .. task, digits(from), digits(has_tombstones and from + 63 or from))
    local ids, marks = {}, {}
    for i, entry in ipairs(entries) do ids[i] = sub(entry, 7) end
    if has_tombstones and #ids > 0 then marks = call('SMISMEMBER', K.tombstones .. task, unpack(ids)) end
    for i, id in ipairs(ids) do
      if marks[i] ~= 1 then return id, u48_at(entries[i], 1) or 0 end
    end
    from = #ids < 64 and REACH or from + 64
  end
end

-- The next job in a line, with its score; nothing if there is none, or none within reach, of which a claim knows more.
function line.first(task)
  local score, first
  local page = call('ZRANGE', K.prio .. task, 0, 0, 'WITHSCORES')
  if page[1] then first, score = page[1], tonumber(page[2]) end
  local head, number = line.head(task)
  if head and not (score and score <= number) then first, score = head, number end
  local own, id = lanes.first(task)
  if own and not (score and score <= own) then first, score = id, own end
  return score, first
end

-- whether there is any job of a task, finished or not
function line.has_any(task)
  return call('EXISTS', K.wait .. task, K.prio .. task, K.laned .. task, K.delayed .. task, K.behind .. task, K.active .. task,
    K.tombstones .. task, K.completed .. task, K.failed .. task, K.cancelled .. task, K.expired .. task, K.owncompleted .. task,
    K.ownfailed .. task, K.owncancelled .. task, K.ownexpired .. task) > 0
end

-- after jobs have left a line: true if some are left
function line.still_ready(task)
  if call('EXISTS', K.wait .. task, K.prio .. task, K.turns .. task) > 0 then return true end
  line.close(task)
  return false
end

-- The last lane that could go may have been parked. A wake-up may be for a delayed job, or for a time that opens something.
function line.leave_ready(task)
  if call('EXISTS', K.wait .. task, K.prio .. task, K.turns .. task) > 0 or call('ZREM', K.ready, task) == 0 then return end
  if not call('ZSCORE', K.due, task) then call('DEL', K.wake .. task) end
end

-- this line is empty now
function line.close(task)
  call('ZREM', K.ready, task)
  call('DEL', K.wake .. task)
end

-- Removes the tombstones at the head of a line, 500 at most; a claim removes the rest. It reads the line and does not rely on the
-- counts: a mark without an entry must not cost another job its place.
function line.clear_head(task)
  local wait, tombstones = K.wait .. task, K.tombstones .. task
  local ids, count = call('LRANGE', wait, 0, 499), 0
  if #ids == 0 then
    call('UNLINK', tombstones)
  else
    for i, entry in ipairs(ids) do ids[i] = sub(entry, 7) end
    for i, is_marked in ipairs(call('SMISMEMBER', tombstones, unpack(ids))) do
      if is_marked == 0 then break end
      count = i
    end
  end
  if count > 0 then
    call('LTRIM', wait, count, -1)
    call('SREM', tombstones, unpack(ids, 1, count))
  end
  line.still_ready(task)
end

-- A job has left the list, or waits elsewhere. Finding it there would cost more the longer the list is, so its entry stays as a tombstone.
function line.bury(task, id)
  local tombstones = K.tombstones .. task
  call('SADD', tombstones, id)
  if call('LLEN', K.wait .. task) <= call('SCARD', tombstones) then
    -- the running claim knows how far it has read
    if S.is_claiming then gathered('heads')[task] = true else line.clear_head(task) end
  end
end

-- Removes ended jobs from the places where they waited; `leaving` has place, task and id of each, one after the other.
function line.leave(leaving)
  local changed = {}
  for i = 1, #leaving, 3 do
    local place, task, id = leaving[i], leaving[i + 1], leaving[i + 2]
    changed[task] = true
    call('ZREM', K.ttls .. task, id)
    local key = (place == 'prio' or place == 'wait') and call('HGET', K.laned .. task, id)
    if key then
      lanes.remove(task, key, { id })
    elseif place == 'delayed' then
      call('ZREM', K.delayed .. task, id)
      due.plan(task)
      -- an ordered key is held meanwhile
      if call('EXISTS', K.held) == 1 then lanes.let_go(task, { id }) end
    elseif place == 'behind' then
      call('ZREM', K.behind .. task, id)
    elseif place == 'prio' then
      call('ZREM', K.prio .. task, id)
      line.still_ready(task)
    else
      line.bury(task, id)
      if byte(id) == 42 and call('SISMEMBER', K.tombstones .. task, id) == 1 then
        -- its workflow must not be removed before the tombstone is
        local key = K.wf .. workflow.node_of(id)
        local tasks = call('HGET', key, 't') or '\n'
        if not find(tasks, '\n' .. task .. '\n', 1, true) then call('HSET', key, 't', tasks .. task .. '\n') end
      end
    end
  end
  for task in pairs(changed) do gate.line_changed(task) end
end
