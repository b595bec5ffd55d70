-- New jobs: decides whether a job is stored, and stores it. A batch collects the writes: places first, records last, so that an
-- error leaves an entry that names no job (which a claim drops), and never a job without a place.
local REPLACES = 64 -- the flag of a job that may replace one that has failed, expired or been cancelled
local RANKED = 32
local CALL = 60000 -- how long a call may be repeated, in milliseconds

function intake.batch()
  return { new = {}, blobs = {}, waits = {}, prios = {}, delays = {}, lanes = {}, items = {} }
end

-- the task of a record in the form of a dispatch: without layout and creation time
function intake.task_of(rest)
  return sub(rest, 8, 7 + byte(rest, 7))
end

-- a record in the form in which its dispatch sent it: without a deadline
local function as_sent(text)
  local at = record.ttl_at(text)
  return sub(at and record.with_deadline(text, at, ZERO6) or text, 8)
end

-- The answer for a job whose id is known: `1` it is our own, stored by a try whose answer was lost; `0` a duplicate; or `T` and
-- the task that the id belongs to. Nothing if the job should be stored. `before` is the existing record with its id.
function intake.judge(id, rest, before, again)
  if not before then return nil end
  local ended = byte(rest) % 128 >= REPLACES and call('HGET', K.done, id)
  if again and as_sent(before) == rest and ((u48_at(before, R.created) or 0) > now - CALL or not ended) then return '1' end
  if record.is_readable(before) and record.task_of(before) ~= intake.task_of(rest) then return 'T', record.task_of(before) end
  if not ended or not match(ended, '^[FSXE]') or record.is_newer(before) then return '0' end
  return nil
end

-- Removes a job that has ended without completing. Returns the creation time of the new one, so that its tokens lie above the old
-- one's, and whether it cannot go to the list.
local function replace(id, task, before)
  local created = math.max(now, (u48_at(before, R.created) or 0) + 1)
  local ended = call('HGET', K.done, id)
  ends.forget({ id })
  call('ZREM', ends.index_of(sub(ended, 1, 1), task, id), id)
  if not tokens.is_own(id) then
    call('HSET', K.life, id, history.of_leaving(created * tokens.SHARE, 0, 0, false))
  end
  -- its tombstone is still in the list
  return pack('>I6', created), call('SISMEMBER', K.tombstones .. task, id) == 1
end

-- when a job becomes ready, in the form of its dispatch: `+` and milliseconds from now, or `@` and milliseconds of the epoch; 0:
-- now
function intake.time_of(at)
  if not at or at == '' then return 0 end
  local time = tonumber(sub(at, 2))
  return byte(at) == 43 and now + time or time
end

-- Takes a job into a batch: into its line, among the delayed ones if its time is to come, or into no place if it is behind another
-- one. `number` is its own if it comes into the line.
function intake.add(batch, id, rest, payload, time, number, before, is_behind)
  local task, created, is_ranked = intake.task_of(rest), now6, false
  if before then
    created, is_ranked = replace(id, task, before)
    if is_ranked then rest = pack('B', byte(rest) + RANKED) .. sub(rest, 2) end
  end
  local blobs, new = batch.blobs, batch.new
  if payload then
    blobs[#blobs + 1] = id
    blobs[#blobs + 1] = payload
  end
  local text = '\1' .. created .. rest
  local ttl_at, key, rule, costs = record.parts_of(text)
  if ttl_at then text = expiry.start(task, id, text, ttl_at, time) end
  -- most cost one start
  if costs or before then cost.note(id, costs or 1) end
  local at = #new
  new[at + 1], new[at + 2] = id, text
  events.add('e', task, id, events.due(time))
  if is_behind then return end
  local priority, lane, is_ordered = record.priority_of(text), nil, false
  if key and time <= now then lane, is_ordered = lanes.new_lane_of(task, key, rule) end
  if lane then
    local list = list_in(list_in(rule and batch.items or batch.lanes, task), lane)
    local last = #list
    list.rule = rule
    list[last + 1], list[last + 2] = lanes.score_at_end(number, priority, is_ordered), id
  elseif time > now then
    local list = list_in(batch.delays, task)
    list[#list + 1] = time
    list[#list + 1] = id
  elseif priority == 0 and not is_ranked then
    local list = list_in(batch.waits, task)
    list[#list + 1] = pack('>I6', number) .. id
  else
    local list = list_in(batch.prios, task)
    list[#list + 1] = number - priority * line.BAND
    list[#list + 1] = id
  end
end

function intake.write(batch)
  expiry.write()
  for task, list in pairs(batch.waits) do line.enter(task, list) end
  for task, list in pairs(batch.prios) do line.enter(task, nil, nil, list) end
  for task, lists in pairs(batch.lanes) do lanes.enter_all(task, lists) end
  for task, lists in pairs(batch.items) do
    for key, list in pairs(lists) do lanes.enter(task, key, list, false, list.rule) end
  end
  for task, list in pairs(batch.delays) do due.enter(task, list) end
  if #batch.blobs > 0 then call('HSET', K.blobs, unpack(batch.blobs)) end
  if #batch.new > 0 then call('HSET', K.jobs, unpack(batch.new)) end
end

-- A job in a lane has this record now, perhaps with another key or rule, or none: it keeps its place. Returns its record.
local function change_lane(task, id, text, from)
  local key, rule = lanes.key_of(task, text)
  if key == from and not rule then return text end
  -- a failed call may have left it in no lane
  local score = tonumber(call('ZSCORE', lanes.name_of(task, from), id) or '')
    or line.arrivals(1) + 1 - record.priority_of(text) * line.BAND
  if key then
    lanes.enter(task, key, { score, id }, false, rule, gather.arrival(task, from, id))
    if key == from then return text end
  else
    line.enter(task, nil, nil, { score, id })
    text = record.unlisted(text)
    call('HDEL', K.laned .. task, id)
  end
  call('ZREM', lanes.name_of(task, from), id)
  if gather.is_lane(from) then gather.leave(task, from, { id }) end
  lanes.changed(task, from)
  return text
end

-- A job that no worker has claimed gets what a new one has. It keeps its id, when it was created, and in line its place, which goes
-- by its priority; its deadline to start runs from when it is ready.
function intake.replace(id, before, rest, payload, ready, is_in_line)
  local task = record.task_of(before)
  local ranked = byte(before, R.flags) % 64 >= RANKED and RANKED or 0
  local priority = is_in_line and sub(before, R.priority, R.priority + 1) or sub(rest, 2, 3)
  local text = sub(before, 1, R.flags - 1) .. pack('B', byte(rest) + ranked) .. priority .. sub(rest, 4)
  local ttl_at = record.ttl_at(text)
  if ttl_at then text = expiry.start(task, id, text, ttl_at, ready) end
  local lane = is_in_line and call('HGET', K.laned .. task, id)
  if lane then text = change_lane(task, id, text, lane) end
  if ttl_at then expiry.write() elseif record.ttl_at(before) then expiry.leave(task, { id }) end
  if payload then call('HSET', K.blobs, id, payload) end
  call('HSET', K.jobs, id, text)
  if is_in_line and record.cost_of(text) ~= record.cost_of(before) then
    cost.note(id, record.cost_of(text))
    local now_in = call('HGET', K.laned .. task, id)
    if now_in then lanes.changed(task, now_in) end
    gate.line_changed(task)
  end
  if not payload and record.has_payload_aside(before) then call('HDEL', K.blobs, id) end
end
