-- Items that gather under a key, to be claimed in batches. They wait in lanes, as jobs with limits by key do, see lib/lanes.lua. The name of
-- such a lane is the key behind the byte 255, or behind the byte 254 for items that came back; no key has these bytes. A lane that
-- gathers is parked, and in `opening` by when it goes. `came:<task>\0<lane>` has its items by when they came, `rules:<task>` the rule of
-- the item that came last by lane, and by `!` and lane until when (6) everything that came goes now. An item of a serial batch holds the
-- lane of new items while it runs. A rule is the delay (6), the longest wait (6), the size (2) and flags (1: serial, 2: there is a
-- longest wait).
local NEW, RETURNED = '\255', '\254'
local LATEST = 281474976710655 -- no time is later: it has six bytes

function gather.is_lane(name)
  return (byte(name) or 0) >= 254
end

-- the lane of an item of this key: that of new ones, or with `is_back` that of those that came back
function gather.lane_of(key, is_back)
  return (is_back and RETURNED or NEW) .. key
end

-- both
function gather.lanes_of(key)
  return { NEW .. key, RETURNED .. key }
end

local function came_of(task, lane)
  return K.came .. task .. '\0' .. lane
end

local function read_rule(text)
  if not text or #text ~= 15 then return nil end
  local delay, wait, size, flags = read('>I6I6I2B', text)
  return { delay = delay, wait = floor(flags / 2) % 2 == 1 and wait or nil, size = math.max(size, 1), serial = flags % 2 == 1 }
end

-- The rule of a lane, and until when it is flushed. If the rule is lost, its first item has one.
local function look(task, lane)
  local stored = call('HMGET', K.rules .. task, lane, '!' .. lane)
  local rule = read_rule(stored[1])
  if not rule then
    local first = call('ZRANGE', lanes.name_of(task, lane), 0, 0)[1]
    local _, text = claim.stored(first)
    rule = read_rule(text and record.rule_of(text)) or { delay = 0, size = 1, serial = false }
  end
  return rule, u48_at(stored[2] or '', 1)
end

-- a time among those at which items came; 0 if there is none
local function time_in(page)
  return math.min(math.max(tonumber(page[2] or 0), 0), LATEST)
end

-- When the new items of a lane go, and when the first and the last one came. Without items, that is long ago.
local function opens_at(task, lane, rule, flushed)
  local came = came_of(task, lane)
  local first = time_in(call('ZRANGE', came, 0, 0, 'WITHSCORES'))
  -- none has come in the future; the clock may have been set back
  local last = time_in(call('ZREVRANGEBYSCORE', came, now, '-inf', 'WITHSCORES', 'LIMIT', 0, 1))
  if flushed and first <= flushed or call('ZCARD', came) >= rule.size then return last, first, last end
  local at = last + rule.delay
  if rule.wait then at = math.min(at, first + rule.wait) end
  return math.min(at, LATEST), first, last
end

-- How many batches of a lane may be claimed, as `lanes.room` says it: if none may, also why (`p` its key is paused, `s` a serial batch
-- runs, `g` it gathers), and when it goes if it gathers. If one may, its rule.
function gather.room(task, lane)
  local key = sub(lane, 2)
  if gate.pause_of_key(task, key) then return 0, 'p' end
  local rule, flushed = look(task, lane)
  if rule.serial and lanes.holders({ task }, NEW .. key) > 0 then return 0, 's' end
  local opens = byte(lane) == 255 and opens_at(task, lane, rule, flushed) or 0
  if opens > now then return 0, 'g', opens end
  return math.huge, rule
end

-- No serial batch may run that held this lane of new items.
function gather.freed(task, lane)
  for _, one in ipairs(gather.lanes_of(sub(lane, 2))) do lanes.freed(task, one) end
end

-- Notes that items of this rule have come into a lane.
function gather.note(task, lane, ids, rule, at)
  local list = {}
  for i, id in ipairs(ids) do list[2 * i - 1], list[2 * i] = digits(at), id end
  pages(list, function(...) call('ZADD', came_of(task, lane), ...) end)
  call('HSET', K.rules .. task, lane, rule)
end

-- when an item of a lane came; now for a lane of another kind
function gather.arrival(task, lane, id)
  return gather.is_lane(lane) and tonumber(call('ZSCORE', came_of(task, lane), id) or '') or now
end

-- whether an item is noted in a lane
function gather.has(task, lane, id)
  return call('ZSCORE', came_of(task, lane), id) and true or false
end

-- These are no longer items of a lane.
function gather.leave(task, lane, ids)
  pages(ids, function(...) call('ZREM', came_of(task, lane), ...) end)
end

-- Forgets the rule of a lane without items.
function gather.forget(task, lane)
  call('HDEL', K.rules .. task, lane, '!' .. lane)
end

-- Whether the rule of a lane is missing, or left although no item waits.
function gather.is_wrong(task, lane, has_items)
  local stored = call('HMGET', K.rules .. task, lane, '!' .. lane)
  if not has_items then return (stored[1] or stored[2]) and true or false end
  return read_rule(stored[1]) == nil
end

-- Gives a lane the rule of its first item if it has none.
function gather.mend(task, lane)
  local first = call('ZRANGE', lanes.name_of(task, lane), 0, 0)[1]
  local _, text = claim.stored(first)
  local rule = text and record.rule_of(text)
  if rule and gather.is_wrong(task, lane, true) then call('HSET', K.rules .. task, lane, rule) end
end

-- What gathers under a key of a line goes now. Returns whether there is something.
function gather.flush(task, key)
  local lane = NEW .. key
  if not lanes.first_of(task, lane) then return false end
  call('HSET', K.rules .. task, '!' .. lane, now6)
  lanes.freed(task, lane)
  return true
end

-- How many new items of a key there are in a line, when the first and the last one came, and when they go; nothing if there is none.
function gather.summary(task, key)
  local lane = NEW .. key
  local count = call('ZCARD', came_of(task, lane))
  if count == 0 then return nil end
  local opens, first, last = opens_at(task, lane, look(task, lane))
  return { count, digits(first), digits(last), digits(opens) }
end
