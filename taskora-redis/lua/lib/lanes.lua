-- Lanes: the waiting lines of the keys of a task with limits by key. `lane:<task>\0<key>` has the ids of the jobs that wait, by score
-- as in `prio` (in an ordered lane as if their priority was 0), and at +inf those that hold the key. `laned:<task>` has the key of
-- each job that waits in a lane, `held` that of each job that holds one. `turns:<task>` has the keys of the lanes that may go,
-- `parked:<task>` those of the lanes whose key has no room. Both are in the order of the priorities of the first jobs, then of the
-- lanes' turns: when the lane was last served, or the number of the job that opened it. So parking does not change a turn. Of parked
-- lanes that only the rate of their key keeps waiting, `opening:<task>` has the time at which it lets the next job start. Items that are
-- claimed in batches wait in lanes, too, whose names lib/gather.lua has.
lanes.PAGE = 64 -- the most lanes that one call looks at
lanes.LIMIT = 4503599627370496 -- 2^52: no score is beyond it

local function lane_of(task, key)
  return K.lane .. task .. '\0' .. key
end
lanes.name_of = lane_of

-- The name of the lane in which the job with this record waits: the key by which limits count it, or that of its items (`is_back`: it
-- has been claimed before) and its rule to gather. Nothing if its task has no limits by key and it does not gather. Also whether the lane is
-- ordered.
function lanes.key_of(task, text, is_back)
  local _, key, rule = record.parts_of(text)
  if not key then return nil end
  if rule then return gather.lane_of(key, is_back), rule end
  local lane, is_ordered = lanes.new_lane_of(task, key)
  return lane, nil, is_ordered
end

-- the same for a new job with this key and this rule, if it has one; also whether the lane is ordered
function lanes.new_lane_of(task, key, rule)
  if rule then return gather.lane_of(key), false end
  local own = gate.of(task)
  if not own or not own.per_key then return nil end
  return key, own.per_key.is_ordered
end

-- the same for a job whose history says whether it has been claimed before
function lanes.key_by_history(task, id, text)
  local key, rule, is_ordered = lanes.key_of(task, text)
  if rule and history.was_claimed(call('HGET', K.life, id), text) then key = gather.lane_of(record.key_of(text), true) end
  return key, rule, is_ordered
end

-- how many jobs hold a key; lines that share a gate share its keys
function lanes.holders(lines, key)
  local count = 0
  for _, task in ipairs(lines) do count = count + call('ZCOUNT', lane_of(task, key), '+inf', '+inf') end
  return count
end

-- How many more jobs of this key may run, and how many starts its rate has left; if there are none, why: `p` it is paused, `k` its limit,
-- `r` time alone. Then what counts its starts, if there is a rate.
function lanes.key_room(task, key)
  local own = gate.of(task)
  local its = own and gate.key(own, key)
  if not its then return math.huge, math.huge end
  if its.is_paused then return 0, math.huge, 'p' end
  local room = its.limit and math.max(its.limit - lanes.holders(own.lines, key), 0) or math.huge
  if room == 0 then return 0, math.huge, 'k' end
  if its.closed_until > now then return room, 0, 'r' end
  if its.counter then return room, rate.room(its.counter), 'r', its.counter end
  return room, math.huge, 'k'
end

-- what the next job in a lane costs at the rate of its key; 1 if there is none
function lanes.wanted(task, key, counter)
  local page = call('ZRANGE', lane_of(task, key), 0, 0, 'WITHSCORES')
  return page[1] and page[2] ~= 'inf' and rate.cost(counter.rate, page[1]) or 1
end

-- how many more jobs of this key may be claimed at most; if the next one may not, 0, and why
function lanes.room(task, key)
  if gather.is_lane(key) then return gather.room(task, key) end
  local room, left, why, counter = lanes.key_room(task, key)
  if counter and room > 0 and left > 0 and left < counter.rate.most and lanes.wanted(task, key, counter) > left then return 0, why end
  return math.min(room, left), why
end

-- why no job of this key may be claimed, as `lanes.room` says it, but `k` with the key, also for a serial batch; nothing if one may
function lanes.why(task, key)
  local room, why = lanes.room(task, key)
  if room > 0 then return nil end
  if why == 's' then return 'k' .. sub(key, 2) end
  return why == 'k' and 'k' .. key or why
end

-- a score that taskora may have written; only others are infinite
function lanes.finite(score)
  return math.min(math.max(tonumber(score), -lanes.LIMIT), lanes.LIMIT)
end

-- the score of the first job that waits in a lane
function lanes.first_of(task, key)
  local score = call('ZRANGE', lane_of(task, key), 0, 0, 'WITHSCORES')[2]
  return score and score ~= 'inf' and lanes.finite(score) or nil
end

-- the next job of the lanes of a line, with its score; nothing if none of the first ones may go
function lanes.first(task)
  for _, key in ipairs(call('ZRANGE', K.turns .. task, 0, lanes.PAGE - 1)) do
    local page = call('ZRANGE', lane_of(task, key), 0, 0, 'WITHSCORES')
    if page[1] and page[2] ~= 'inf' and lanes.room(task, key) > 0 then return lanes.finite(page[2]), page[1] end
  end
  return nil
end

-- whether a job is in a lane, as one that waits or as one that holds the key
function lanes.is_in(task, key, id, waits)
  local score = call('ZSCORE', lane_of(task, key), id)
  if not score or (score ~= 'inf') ~= waits then return false end
  return not waits or not gather.is_lane(key) or gather.has(task, key, id)
end

-- of these members of a lane (or, if `waits`, of the items that came into it), those that are in it by mistake
function lanes.strays(task, key, ids, waits)
  local waiting, holding, strays = fields_of(K.laned .. task, ids), fields_of(K.held, ids), {}
  for i, id in ipairs(ids) do
    local is_item = waiting[i] == key and gather.is_lane(key)
    local is_in = waits and is_item or not waits and (waiting[i] == key or holding[i] == key)
    if not is_in then strays[#strays + 1] = id end
  end
  return strays
end

-- Whether a lane is missing where it belongs, or left where it does not. One without room may be among those that take turns until a
-- claim meets it.
function lanes.is_wrong(task, key)
  local may_go, is_parked = call('ZSCORE', K.turns .. task, key), call('ZSCORE', K.parked .. task, key)
  local opens = tonumber(call('ZSCORE', K.opening .. task, key) or '')
  -- what time has opened, a worker will open
  local is_late = opens and opens <= now or false
  local first = lanes.first_of(task, key)
  if gather.is_lane(key) and gather.is_wrong(task, key, first ~= nil) then return true end
  if not first then
    return may_go or is_parked or not is_late and opens ~= lanes.opening_of(task, key)
  end
  if may_go or not is_parked then return not may_go or is_parked or opens ~= nil end
  if is_late then return false end
  local room, why, at = lanes.room(task, key)
  -- more of them may be looked at soon
  if room > 0 then return call('EXISTS', K.deferred) == 0 end
  return opens ~= lanes.opening_of(task, key, why, at)
end

-- the place of a lane among those that take turns
function lanes.place_of(turn, first)
  return turn + floor(first / line.BAND) * line.BAND
end

-- Puts a lane whose first job has this score among those that may go, or parks it. `was`: `t` it was one of those, `p` it was parked. Lanes
-- that were not parked and may go are added to `going`, for `lanes.write_turns`. Returns the score if the lane may go, else nothing, and whether
-- that has changed.
local function put(task, key, first, turn, was, going)
  -- the oldest items go first
  if gather.is_lane(key) then turn = first % line.BAND end
  local place = format('%.0f', lanes.place_of(turn, first))
  local room, why, at = lanes.room(task, key)
  if room > 0 then
    if was == 'p' then
      call('ZADD', K.turns .. task, place, key)
      call('ZREM', K.parked .. task, key)
      lanes.note_opening(task, key)
    else
      going[#going + 1], going[#going + 2] = place, key
    end
    return first, was ~= 't'
  end
  call('ZADD', K.parked .. task, place, key)
  if was == 't' then call('ZREM', K.turns .. task, key) end
  local counter = why == 'r' and gate.key(gate.of(task), key).counter
  if counter then rate.set_right(counter) end
  lanes.note_opening(task, key, why, at)
  return nil, was == 't'
end

-- These lanes (places and keys, alternating) take turns, those (`gone`) do not: all of their jobs are gone.
function lanes.write_turns(task, going, gone)
  pages(going, function(...) call('ZADD', K.turns .. task, ...) end)
  pages(gone, function(...) call('ZREM', K.turns .. task, ...) end)
end

-- Puts a lane among those that may go, or parks it, or forgets it, after its jobs, its holders or its limit have changed. `opened` is
-- the turn of a new lane, `served` the next one of a lane that was served. Returns the score of its first job if it may go,
-- else nothing, and whether that has changed.
function lanes.judge(task, key, opened, served)
  local first, turns, parked, going = lanes.first_of(task, key), K.turns .. task, K.parked .. task, {}
  if not first then
    local is_gone = call('ZREM', turns, key) == 1
    call('ZREM', parked, key)
    lanes.note_opening(task, key)
    if gather.is_lane(key) then gather.forget(task, key) end
    return nil, is_gone
  end
  local known, was = call('ZSCORE', turns, key), 't'
  if not known then
    known = call('ZSCORE', parked, key)
    was = known and 'p'
  end
  local turn = served or known and lanes.finite(known) % line.BAND or opened or first % line.BAND
  local may_go, has_changed = put(task, key, first, turn, was, going)
  lanes.write_turns(task, going, {})
  return may_go, has_changed
end

-- A lane may have changed: if it may go, a worker is woken for it.
local function wake(task, key, opened)
  local first, has_gone = lanes.judge(task, key, opened)
  if first then
    line.announce(task, first)
  elseif has_gone then
    line.leave_ready(task)
    gate.line_changed(task)
  end
end
lanes.changed = wake

-- There may be room for a key. Lines that share a gate share its keys, but not what gathers.
function lanes.freed(task, key)
  if gather.is_lane(key) then return wake(task, key) end
  local own = gate.of(task)
  for _, one in ipairs(own and own.lines or { task }) do wake(one, key) end
end

-- There may be room for these keys: only lanes that are parked wait for it.
local function freed_all(task, keys)
  if #keys == 0 then return end
  local own = gate.of(task)
  for _, one in ipairs(own and own.lines or { task }) do
    for i, place in ipairs(scores_of(K.parked .. one, keys)) do
      if place then wake(one, keys[i]) end
    end
  end
end

-- Puts jobs in lanes, which is the only way into them: `lists` has, by key, scores and ids, alternating, in the order in which the jobs
-- come. No worker is woken, nor is it noted whether the lanes may go. Returns the keys, and the lowest score and the turn of each if its
-- lane is new.
local function add(task, lists)
  local keys, firsts, opened, fields = {}, {}, {}, {}
  for key, list in pairs(lists) do
    local first = list[1]
    keys[#keys + 1], opened[#keys + 1] = key, lanes.finite(first) % line.BAND
    for i = 1, #list, 2 do
      fields[#fields + 1], fields[#fields + 2] = list[i + 1], key
      if list[i] < first then first = list[i] end
      list[i] = format('%.0f', list[i])
    end
    firsts[#keys] = first
  end
  pages(fields, function(...) call('HSET', K.laned .. task, ...) end)
  for key, list in pairs(lists) do
    pages(list, function(...) call('ZADD', lane_of(task, key), ...) end)
  end
  call('SADD', K.tasks, task)
  return keys, firsts, opened
end

-- Puts jobs in a lane. `had`: they may have held the key until now. Items that gather have a `rule`, and `at` is when they came, now by
-- default. Their key is freed by the call that ends their leases.
function lanes.enter(task, key, list, had, rule, at)
  local ids = {}
  for i = 2, #list, 2 do ids[#ids + 1] = list[i] end
  local _, _, opened = add(task, { [key] = list })
  if rule then
    gather.note(task, key, ids, rule, at or now)
    return wake(task, key)
  end
  if had then pages(ids, function(...) call('HDEL', K.held, ...) end) end
  wake(task, key, opened[1])
  if had then lanes.freed(task, key) end
end

-- Puts jobs that do not gather, and that hold no key, in the lanes of several keys. Of a lane that takes turns, only a higher priority
-- changes the place.
function lanes.enter_all(task, lists)
  local keys, firsts, opened = add(task, lists)
  local places, missing, best = scores_of(K.turns .. task, keys), {}, nil
  local function goes(first)
    if first and not (best and best < first) then best = first end
  end
  for i, place in ipairs(places) do
    if place and floor(lanes.finite(place) / line.BAND) <= floor(firsts[i] / line.BAND) then goes(firsts[i]) else missing[#missing + 1] = i end
  end
  local others, going, own = {}, {}, gate.of(task)
  for i, at in ipairs(missing) do others[i] = keys[at] end
  local parked, is_fair = scores_of(K.parked .. task, others), #missing > 1 and own and gate.is_fair(own)
  for i, at in ipairs(missing) do
    if places[at] or parked[i] then
      wake(task, keys[at])
    elseif is_fair then
      going[#going + 1], going[#going + 2] = format('%.0f', lanes.place_of(opened[at], firsts[at])), keys[at]
      goes(firsts[at])
    else
      goes((put(task, keys[at], firsts[at], opened[at], nil, going)))
    end
  end
  lanes.write_turns(task, going, {})
  if best then line.announce(task, best) end
end

-- The score in its lane of a job that comes back: behind the others, or with `is_front` before them; `number` is its own if it has
-- one. The jobs of an ordered lane go in the order in which they came, and the one that holds the key goes first.
function lanes.score_of(task, key, id, text, is_front, number)
  if gather.is_lane(key) or not gate.of(task).per_key.is_ordered then
    number = number or is_front and line.returns(1) - 1 or line.arrivals(1) + 1
    return number - record.priority_of(text) * line.BAND
  end
  if not is_front and call('HEXISTS', K.held, id) == 0 then return line.arrivals(1) + 1 end
  local first = lanes.first_of(task, key)
  return (number or line.returns(1) - 1) + math.min(first and floor(first / line.BAND) or 0, 0) * line.BAND
end

-- the score of a job with this number that joins the end of its lane
function lanes.score_at_end(number, priority, is_ordered)
  return is_ordered and number or number - priority * line.BAND
end

-- A job of a lane has another priority, and goes behind the others of that one, unless the lane is ordered. `lanes.changed` must follow.
function lanes.reorder(task, key, id, priority)
  local own = gate.of(task)
  if not gather.is_lane(key) and own and own.per_key and own.per_key.is_ordered then return end
  call('ZADD', lane_of(task, key), 'XX', format('%.0f', line.arrivals(1) + 1 - priority * line.BAND), id)
end

-- Takes jobs out of a lane: ended ones, or such that are elsewhere.
function lanes.remove(task, key, ids)
  pages(ids, function(...)
    call('ZREM', lane_of(task, key), ...)
    call('HDEL', K.laned .. task, ...)
  end)
  if gather.is_lane(key) then gather.leave(task, key, ids) end
  local first, is_opened = lanes.judge(task, key)
  -- its time has come, and nobody has looked since
  if first and is_opened then line.announce(task, first) end
  -- the next lane's first job may have any score
  call('ZADD', K.ready, 'XX', '-inf', task)
  line.leave_ready(task)
  gate.line_changed(task)
end

-- A job runs that limits by key count.
function lanes.hold(task, key, id)
  call('ZADD', lane_of(task, key), '+inf', id)
  call('HSET', K.held, id, key)
end

-- These jobs of a key start.
function lanes.start(task, key, ids)
  local own = gate.of(task)
  if own and gate.is_fair(own) then return end
  local counter = own and gate.key(own, key).counter
  if not counter or #ids == 0 then return end
  local count = 0
  for _, id in ipairs(ids) do count = count + rate.cost(counter.rate, id) end
  rate.add(counter, count)
end

-- These jobs of a task no longer run, or no longer wait for their next attempt. Those that hold a key let go of it, unless they wait
-- for their next attempt and the lane is ordered. A job that is in line again has let go already.
function lanes.let_go(task, ids)
  local items, gone, keys, is_freed, own = {}, {}, {}, {}, gate.of(task)
  local is_ordered = own and own.per_key and own.per_key.is_ordered
  for i, key in ipairs(fields_of(K.held, ids)) do
    local is_item = key and gather.is_lane(key)
    if key and (is_item or not (is_ordered and call('ZSCORE', K.delayed .. task, ids[i]))) then
      call('ZREM', lane_of(task, key), ids[i])
      gone[#gone + 1] = ids[i]
      if is_item then
        items[key] = true
      elseif not is_freed[key] then
        is_freed[key] = true
        keys[#keys + 1] = key
      end
    end
  end
  freed_all(task, keys)
  for key in pairs(items) do gather.freed(task, key) end
  -- last, so that a call that repeats a failed one frees them, too
  pages(gone, function(...) call('HDEL', K.held, ...) end)
end

-- a job that does not hold its key lets go
function lanes.drop(task, id)
  local key = call('HGET', K.held, id)
  if not key then return end
  local lane = lane_of(task, key)
  if call('ZSCORE', lane, id) == 'inf' then call('ZREM', lane, id) end
  call('HDEL', K.held, id)
  if gather.is_lane(key) then gather.freed(task, key) else lanes.freed(task, key) end
end

-- the same for leases, by task; `held` exists
function lanes.let_leases_go(leaving)
  for task, members in pairs(leaving) do
    local ids = {}
    for i, member in ipairs(members) do ids[i] = match(member, '^(.*):%d+$') or member end
    lanes.let_go(task, ids)
  end
end

-- A worker has found the key of a job that it has claimed. Returns whether the job may go; if not, it must wait in its lane.
function lanes.take(task, key, id)
  if lanes.first_of(task, key) then return false end
  local room, left, _, counter = lanes.key_room(task, key)
  if room <= 0 or left < (counter and rate.cost(counter.rate, id) or 1) then return false end
  lanes.hold(task, key, id)
  lanes.start(task, key, { id })
  return true
end
