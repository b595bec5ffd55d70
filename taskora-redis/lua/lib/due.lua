-- Delayed jobs: one sorted set per task; and what time opens: `opens` has each task whose gate its rate keeps closed, and, with a NUL
-- behind its name, the earliest time in `opening:<task>`, see lib/lanes.lua. `due` has each task's earliest time of all. `timer` has the
-- worker that was told that time, so that one worker wakes up for it, not all.
local PAGE = 4
local TIMERS = 16 -- the most tasks whose timer a worker takes in one call

-- The caller's tasks with delayed jobs, each with its earliest time: only the first few, which is enough to tell a worker, or
-- more if all of those are due. If the caller asks for schedules, `S.ticks` is when to look at the first one.
function due.first()
  local dues, is_partial = caller.first_of(K.due, TIMERS)
  local last = dues[TIMERS]
  if last and last[2] <= now then dues, is_partial = caller.first_of(K.due) end
  S.ticks = false
  for i = 1, #dues do
    if dues[i][1] == schedules.SELF then
      S.ticks = table.remove(dues, i)[2]
      break
    end
  end
  if is_partial and not S.ticks and caller.has(schedules.SELF) then
    S.ticks = tonumber(call('ZSCORE', K.due, schedules.SELF) or '') or false
  end
  return dues
end

-- what has the times of a task
function due.index_of(task)
  return task == schedules.SELF and K.schednext or K.delayed .. task
end

-- the earliest time of a task as text, if any; the commands that know that time opens nothing set `S.has_opens` to false
function due.earliest(task)
  local first = call('ZRANGE', due.index_of(task), 0, 0, 'WITHSCORES')[2]
  for _, opens in ipairs(S.has_opens ~= false and call('ZMSCORE', K.opens, task, task .. '\0') or {}) do
    if opens and (not first or tonumber(opens) < tonumber(first)) then first = opens end
  end
  return first
end

-- updates `due` after jobs have left; returns the earliest time, if any
function due.plan(task)
  local first = due.earliest(task)
  if first then
    call('ZADD', K.due, first, task)
    return tonumber(first)
  end
  call('ZREM', K.due, task)
  call('HDEL', K.timer, task)
  -- a wake-up for this time is now without work
  if not call('ZSCORE', K.ready, task) then call('DEL', K.wake .. task) end
end

-- the time and the worker of a timer; nothing if there is none, or none that can be read
local function read_timer(value)
  local at, worker = match(value or '', '^(%d+) (.*)$')
  return tonumber(at), worker
end

-- Timers are only a hint: a key with the wrong type is moved out of the way, and blocks no claim.
local function read_told(key, answer)
  if type(answer) ~= 'table' or not answer.err then return answer end
  call('RENAME', key, K.aside .. sub(key, #K.aside - 5))
  return nil
end

-- Delays jobs: times and ids, alternating. Wakes a worker if no worker was told a time as early.
function due.enter(task, list)
  S.is_touched = true
  local earliest = list[1]
  for i = 3, #list, 2 do
    if list[i] < earliest then earliest = list[i] end
  end
  for i = 1, #list, 2 do list[i] = format('%.0f', list[i]) end
  pages(list, function(...) call('ZADD', K.delayed .. task, ...) end)
  if call('ZADD', K.due, 'LT', format('%.0f', earliest), task) == 1 then call('SADD', K.tasks, task) end
  due.announce(task, earliest)
end

function due.announce(task, earliest)
  local told = read_timer(call('HGET', K.timer, task))
  if not told or told > earliest then line.wake(task) end
end

-- The gate of a task opens at a time, or with a NUL as `mark` the first of its lanes. Wakes a worker if no worker was told a time as early.
function due.open_at(task, at, mark)
  local text = format('%.0f', at)
  -- too early is put right by whoever looks, too late is not
  local is_earlier = call('ZADD', K.due, 'LT', 'CH', text, task) == 1
  if call('ZADD', K.opens, 'CH', text, task .. (mark or '')) == 0 and not is_earlier then return end
  S.is_touched, S.has_opens = true, true
  -- as in `due.enter`: what is in `due` is known
  call('SADD', K.tasks, task)
  due.announce(task, due.plan(task))
end

-- No time opens the gate of a task any more, or one of its lanes.
function due.no_opening(task, mark)
  if call('ZREM', K.opens, task .. (mark or '')) == 0 then return end
  S.is_touched = true
  due.plan(task)
end

local function comes_first(time, task, best)
  if time ~= best.time then return time < best.time end
  return is_before(task, best.task)
end

-- Opens the gates of these tasks whose time has come, and makes their due jobs ready, at most `budget`: in the order of their times, then of their
-- tasks, then of their ids. `dues` are tasks with their earliest times, in the order of the sorted set. Returns whether more may be due, and how many
-- were.
function due.promote(dues, budget)
  local sources, opened, taken, times = {}, 0, {}, {}

  local function fill(source)
    local list = call('ZRANGEBYSCORE', K.delayed .. source.task, '-inf', now, 'WITHSCORES', 'LIMIT', source.seen, source.size)
    source.seen, source.size = source.seen + #list / 2, math.min(source.size * 4, 256)
    source.list, source.at = list, 1
    source.time = tonumber(list[2] or '')
  end

  local function open()
    opened = opened + 1
    local source = { task = dues[opened][1], order = opened, seen = 0, size = PAGE, ids = {} }
    fill(source)
    if source.time then sources[#sources + 1] = source else due.plan(source.task) end
  end

  for i = 1, S.has_opens ~= false and #dues or 0 do
    if dues[i][2] > now then break end
    gate.open_due(dues[i][1])
    lanes.open_due(dues[i][1])
  end
  while #taken < budget do
    local best
    for _, source in ipairs(sources) do
      if source.time and (not best or comes_first(source.time, source.task, best)) then best = source end
    end
    local nearest = dues[opened + 1]
    if nearest and nearest[2] <= now and (not best or comes_first(nearest[2], nearest[1], best)) then
      open()
    elseif not best then
      break
    else
      local id = best.list[best.at]
      taken[#taken + 1], times[id] = id, best.time
      best.ids[#best.ids + 1] = id
      best.at = best.at + 2
      best.time = tonumber(best.list[best.at + 1] or '')
      if not best.time and #best.list > 0 then fill(best) end
    end
  end
  if #taken == 0 then return false, 0 end

  local stored, more, known = workflow.stored_of(taken), false, {}
  for i, id in ipairs(taken) do known[id] = stored[i] end
  local number = line.arrivals(#taken)
  local numbers = {}
  for i, id in ipairs(taken) do numbers[id] = number + i end
  for _, source in ipairs(sources) do
    if #source.ids > 0 then
      local back, ranked = {}, {}
      for _, id in ipairs(source.ids) do
        local text = known[id]
        if text and byte(id) == 42 then text = workflow.record_in(text) or '' end
        local key, rule, is_ordered
        if text then key, rule, is_ordered = lanes.key_by_history(source.task, id, text) end
        if not text then
          -- it names no job
        elseif key then
          -- the holder of an ordered key comes back to the front
          local is_back = call('HEXISTS', K.held, id) == 1
          local score = is_back and lanes.score_of(source.task, key, id, text, false) or lanes.score_at_end(numbers[id], record.priority_of(text), is_ordered)
          lanes.enter(source.task, key, { score, id }, is_back, rule, times[id])
        elseif not record.is_readable(text) or record.is_listed(text) then
          -- the claim handles records that cannot be read
          back[#back + 1] = pack('>I6', numbers[id]) .. id
        else
          ranked[#ranked + 1] = numbers[id] - record.priority_of(text) * line.BAND
          ranked[#ranked + 1] = id
        end
      end
      if #back + #ranked > 0 then line.enter(source.task, back, nil, ranked) end
      pages(source.ids, function(...) call('ZREM', K.delayed .. source.task, ...) end)
      due.plan(source.task)
    end
    if source.time then more = true end
  end
  if call('EXISTS', K.keyed) == 1 then keyed.release(taken, 'd') end
  local nearest = dues[opened + 1]
  return more or (nearest and nearest[2] <= now) or false, #taken
end

-- The same for the earliest deadline of a workflow, whichever tasks it has.
function due.take_deadline(at, worker, has_room)
  local told, holder = read_timer(read_told(K.wftimer, try('GET', K.wftimer)) or '')
  if told and holder ~= worker and told <= at and told + 1000 >= now then return -1 end
  if has_room then
    if told ~= at or holder ~= worker then call('SET', K.wftimer, format('%.0f %s', at, worker)) end
    return math.max(at - now, 0)
  end
  if told then call('DEL', K.wftimer) end
  return -1
end

-- A worker with room is told the earliest time that no other worker was told; a worker without room passes its own on.
function due.take_timer(dues, worker, has_room)
  local next_due, tasks, count = -1, {}, math.min(#dues, TIMERS)
  if count == 0 then return -1 end
  for i = 1, count do tasks[i] = dues[i][1] end
  local timers = read_told(K.timer, try('HMGET', K.timer, unpack(tasks))) or {}
  for i = 1, count do
    local task, at = tasks[i], dues[i][2]
    local told, holder = read_timer(timers[i])
    -- a timer that is a second late belongs to a worker that is gone
    if not told or holder == worker or told > at or told + 1000 < now then
      if has_room then
        if told ~= at or holder ~= worker then
          call('HSET', K.timer, task, format('%.0f %s', at, worker))
          -- a wake-up for this time has been received
          if not call('ZSCORE', K.ready, task) then call('DEL', K.wake .. task) end
        end
        local wait = math.max(at - now, 0)
        if next_due < 0 or wait < next_due then next_due = wait end
      else
        if told then call('HDEL', K.timer, task) end
        line.wake(task)
      end
    end
  end
  return next_due
end
