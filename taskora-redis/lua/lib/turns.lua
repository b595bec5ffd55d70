-- How a claim takes jobs from lanes: the lane whose turn it is gives its first job, and has its next turn after all others. A lane of
-- items gives a batch, and no other one to the same claim. What a claim takes is only noted here; `turns.leave` writes it.
local SKIPPED = 64 -- the most lanes without room that one claim parks
local LATER = line.BAND - 1048576 -- turns of lanes that this claim has served are above all others until they get their numbers

-- the next jobs of a lane, and whether they expire
local function read_on(source, lane)
  local task = source.owner.task
  local list = call('ZRANGE', lane.name, digits(lane.read), digits(lane.read + lane.size - 1), 'WITHSCORES')
  lane.is_read = #list < 2 * lane.size
  lane.read, lane.size = lane.read + #list / 2, math.min(lane.size * 4, 64)
  lane.list, lane.at, lane.deadlines = list, 1, nil
  local has_cost = source.rate or lane.counter
  if #list == 0 or not source.expires and not has_cost then return end
  local ids = {}
  for i = 1, #list, 2 do ids[#ids + 1] = list[i] end
  if source.expires then lane.deadlines = call('ZMSCORE', source.expires, unpack(ids)) end
  if has_cost then cost.load(ids, lane.is_batch) end
end

-- the score of the next job that waits in a lane
local function next_in(source, lane)
  if lane.at > #lane.list and not lane.is_read then read_on(source, lane) end
  local score = lane.list[lane.at + 1]
  return score and score ~= 'inf' and tonumber(score) or nil
end

-- Whether a batch of these items may be taken; then the lane has their `rule`, and how many more of them this batch takes (`left`).
local function batch_room(source, lane)
  if not lane.room then
    local rule
    lane.room, rule = gather.room(source.owner.task, lane.key)
    lane.rule, lane.left = lane.room > 0 and rule, lane.room > 0 and rule.size or 0
  end
  local holder = lane.rule and lane.rule.serial and source.serial[sub(lane.key, 2)]
  return holder and holder ~= lane and 0 or lane.left
end

-- How many more jobs of a lane's key this claim may take (`room`), and the starts that its rate has `left`; lines that share a gate share
-- this.
local function room_of(source, lane)
  local rooms = source.rooms
  local its = rooms[lane.key]
  if not its then
    local room, left, _, counter = lanes.key_room(source.owner.task, lane.key)
    its = { room = room, left = left, counter = counter }
    rooms[lane.key] = its
  end
  lane.counter = its.counter
  return its
end

-- the score of the next job in a lane, if it may go
local function turn_of(source, lane)
  if lane.is_batch then return batch_room(source, lane) > 0 and next_in(source, lane) end
  if source.is_fair then return next_in(source, lane) end
  local its = room_of(source, lane)
  local score = its.room > 0 and its.left > 0 and next_in(source, lane)
  if score and its.counter and rate.cost(its.counter.rate, lane.list[lane.at]) > its.left then return nil end
  return score
end

-- the lane whose turn it is: of those that were read, and of those that have gone and come again
local function next_lane(source)
  if source.page_at > #source.page and not source.is_read then
    source.page = call('ZRANGE', source.key, digits(source.read), digits(source.read + source.size - 1), 'WITHSCORES')
    source.is_read = #source.page < 2 * source.size
    source.read, source.size, source.page_at = source.read + source.size, math.min(source.size * 4, 64), 1
  end
  local place, again = tonumber(source.page[source.page_at + 1] or ''), source.again[source.again_at]
  if place and not (again and again.place < place) then
    local key = source.page[source.page_at]
    source.page_at = source.page_at + 2
    local lane = {
      key = key, name = lanes.name_of(source.owner.task, key), turn = place % line.BAND, read = 0, size = 2, list = {}, at = 1,
      is_read = false, taken = {}, is_served = false, is_batch = gather.is_lane(key),
    }
    source.lanes[#source.lanes + 1] = lane
    return lane
  end
  source.again_at = source.again_at + 1
  return again
end

-- Finds the source's next job, as `advance` does for lines. A batch that has begun goes on.
function turns.advance(source)
  local begun = source.lane
  if source.goes_on and not next_in(source, begun) then source.goes_on = false end
  while true do
    local lane = source.goes_on and begun or next_lane(source)
    source.lane = lane
    if not lane then
      source.score = nil
      return
    end
    local score = turn_of(source, lane)
    if score then
      source.id, source.score = lane.list[lane.at], score
      source.deadline = lane.deadlines and lane.deadlines[(lane.at + 1) / 2]
      return
    end
    source.skipped, lane.is_skipped = source.skipped + 1, true
    if source.skipped > SKIPPED then
      source.gave_up, source.score = true, nil
      return
    end
  end
end

-- Takes an item of a batch that has begun (it has a `number`). One that is too late to start is not part of it.
local function take_item(source, lane, is_late)
  if not is_late then
    lane.left = lane.left - 1
    if lane.rule.serial then source.serial[sub(lane.key, 2)] = lane end
  end
  source.goes_on = lane.left > 0
end

-- Takes that job. One that is too late to start is no turn.
function turns.take(source, is_late)
  local lane, id = source.lane, source.id
  lane.taken[#lane.taken + 1] = id
  lane.at = lane.at + 2
  if lane.number then return take_item(source, lane, is_late) end
  if not is_late then
    lane.is_served = true
    if not lane.is_batch and not source.is_fair then
      local its = room_of(source, lane)
      its.room, its.left = its.room - 1, its.left - (its.counter and rate.cost(its.counter.rate, id) or 0)
    end
    source.served = source.served + 1
    lane.turn = LATER + source.served
  end
  lane.first = next_in(source, lane)
  local first = turn_of(source, lane)
  if not first then return end
  lane.place = lane.is_batch and first or lanes.place_of(lane.turn, first)
  local again, at = source.again, #source.again + 1
  while at > source.again_at and again[at - 1].place > lane.place do at = at - 1 end
  table.insert(again, at, lane)
end

-- The job that was found may not go any more, because a line that shares the gate has given the last one.
function turns.look_again(source)
  if source.score and not turn_of(source, source.lane) then
    source.lane.is_skipped = true
    turns.advance(source)
  end
end

function turns.source(owner, expires)
  local own, is_fair = gate.of(owner.task), false
  if own then
    own.rooms = own.rooms or {}
    is_fair = own.per_key and gate.is_fair(own)
  end
  local source = {
    owner = owner, is_lanes = true, is_fair = is_fair, key = K.turns .. owner.task, expires = expires, rooms = own and own.rooms or {},
    read = 0, size = 4, page = {}, page_at = 1, is_read = false, again = {}, again_at = 1, lanes = {}, served = 0, skipped = 0, taken = 0,
    serial = {}, goes_on = false, rate = own and own.rate,
  }
  turns.advance(source)
  return source
end

-- Removes what was taken from a lane of items. Those that were leased hold their key if the batch is serial. Returns the score of the
-- first item if more of them may go.
local function leave_items(task, lane, leased)
  local held, fields, own = {}, {}, gather.lane_of(sub(lane.key, 2))
  for _, id in ipairs(lane.rule and lane.rule.serial and lane.taken or {}) do
    if leased[id] then
      held[#held + 1], held[#held + 2] = '+inf', id
      fields[#fields + 1], fields[#fields + 2] = id, own
    end
  end
  pages(fields, function(...) call('HSET', K.held, ...) end)
  pages(lane.taken, function(...) call('ZREM', lane.name, ...) end)
  pages(held, function(...) call('ZADD', lanes.name_of(task, own), ...) end)
  pages(lane.taken, function(...) call('HDEL', K.laned .. task, ...) end)
  gather.leave(task, lane.key, lane.taken)
  return lanes.judge(task, lane.key)
end

-- the same for a lane of jobs; `held` has them already
local function leave_lane(task, lane, leased)
  local held, gone, started = {}, {}, {}
  for _, id in ipairs(lane.taken) do
    if leased[id] then
      held[#held + 1], held[#held + 2] = '+inf', id
      started[#started + 1] = id
    else
      gone[#gone + 1] = id
    end
  end
  pages(held, function(...) call('ZADD', lane.name, ...) end)
  lanes.start(task, lane.key, started)
  pages(gone, function(...) call('ZREM', lane.name, ...) end)
end

-- Removes what was taken from lanes of jobs. Those that were leased hold their keys.
local function leave_jobs(source, left, leased)
  local task = source.owner.task
  local holders, fields, taken = gathered('holders'), {}, {}
  for _, lane in ipairs(left) do
    for _, id in ipairs(lane.taken) do
      taken[#taken + 1] = id
      if leased[id] then
        fields[#fields + 1], fields[#fields + 2] = id, lane.key
        holders[id] = true
      end
    end
  end
  pages(fields, function(...) call('HSET', K.held, ...) end)
  for _, lane in ipairs(left) do
    if source.is_fair and #lane.taken == 1 and leased[lane.taken[1]] then
      call('ZADD', lane.name, '+inf', lane.taken[1])
    else
      leave_lane(task, lane, leased)
    end
  end
  pages(taken, function(...) call('HDEL', K.laned .. task, ...) end)
end

-- Removes what was taken from its lanes. The jobs that were leased (`leased`, by id) hold their keys. `has_written`: the claim has changed
-- lanes since they were read. Returns the score of the first item of which another batch may go.
function turns.leave(source, leased, has_written)
  local task, left, numbers, rest = source.owner.task, {}, {}, nil
  for _, lane in ipairs(source.lanes) do
    if lane.is_batch then
      local first = (#lane.taken > 0 or batch_room(source, lane) == 0) and leave_items(task, lane, leased)
      if first and not (rest and rest < first) then rest = first end
    elseif #lane.taken > 0 then
      left[#left + 1] = lane
    end
    if lane.is_served then numbers[#numbers + 1] = lane end
  end
  leave_jobs(source, left, leased)
  -- in the order in which they were served last
  table.sort(numbers, function(a, b) return a.turn < b.turn end)
  local number = #numbers > 0 and line.arrivals(#numbers)
  for i, lane in ipairs(numbers) do lane.next_turn = number + i end
  local going, gone = {}, {}
  for _, lane in ipairs(source.lanes) do
    if not lane.is_batch then
      local first = lane.is_served and not has_written and turn_of(source, lane)
      -- what was read says where it belongs
      if first then
        going[#going + 1], going[#going + 2] = format('%.0f', lanes.place_of(lane.next_turn, first)), lane.key
      elseif lane.is_served and not has_written and not lane.first then
        gone[#gone + 1] = lane.key
      elseif #lane.taken > 0 or lane.is_skipped then
        lanes.judge(task, lane.key, nil, lane.next_turn)
      end
    end
  end
  lanes.write_turns(task, going, gone)
  return rest
end
