-- When time opens lanes: of keys that their rates, an upstream or a pause that ends by itself keep closed, and of items that gather.

-- when time lets the next job of a key start, if it does not now
function lanes.opens(task, key)
  local own = gate.of(task)
  local its = own and gate.key(own, key)
  if not its then return nil end
  local at, counter = its.closed_until, its.counter
  local left = counter and rate.room(counter)
  if counter and left < counter.rate.most then
    local wants = lanes.wanted(task, key, counter)
    if left < wants then at = math.max(at, rate.opens(counter, wants)) end
  end
  return at > now and at or nil
end

-- the key of a lane
local function key_of(lane)
  return gather.is_lane(lane) and sub(lane, 2) or lane
end

-- What `opening` has of a lane that `why` keeps waiting, if anything: also of a key that is closed or paused for a time, so that what says so
-- goes in time; of items that gather (`g`), when they go.
function lanes.opening_of(task, key, why, goes_at)
  if why == 'g' then return goes_at end
  local ends, earliest = nil, nil
  if why == 'p' then ends = select(2, gate.pause_of_key(task, key_of(key))) end
  if gather.is_lane(key) then return ends end
  if why == 'r' then return lanes.opens(task, key) end
  local closed_until, pause_ends = gate.times_of(task, key)
  for _, at in ipairs({ closed_until, pause_ends, ends }) do
    if at > now and at < (earliest or math.huge) then earliest = at end
  end
  return earliest
end

-- when time opens the first lane of a line, if it opens one
local function first_opening(task)
  return tonumber(call('ZRANGE', K.opening .. task, 0, 0, 'WITHSCORES')[2] or '')
end

-- Notes when time opens the first lane of a line.
function lanes.plan(task)
  local first = first_opening(task)
  if first then due.open_at(task, first, '\0') else due.no_opening(task, '\0') end
end

-- whether that is noted wrongly
function lanes.is_planned_wrongly(task)
  return tonumber(call('ZSCORE', K.opens, task .. '\0') or '') ~= first_opening(task)
end

-- Time opens this lane, or does not (any more), as `why` keeps it waiting.
function lanes.note_opening(task, key, why, goes_at)
  local at = (why == 'r' or why == 'g' or S.has_opens ~= false) and lanes.opening_of(task, key, why, goes_at)
  if at then
    call('ZADD', K.opening .. task, format('%.0f', at), key)
    lanes.plan(task)
  elseif S.has_opens ~= false and call('ZREM', K.opening .. task, key) == 1 then
    lanes.plan(task)
  end
end

-- No job of this key starts before a time. Returns whether the key has a gate.
function lanes.close(task, key, at)
  local own = gate.of(task)
  if not own or not own.per_key then return false end
  if at > gate.key(own, key).closed_until then gate.set(task, '', { ['u' .. key] = pack('>I6', at) }) end
  return true
end

-- Opens the lanes of a line whose time has come, at most a page.
function lanes.open_due(task)
  local opened = call('ZRANGEBYSCORE', K.opening .. task, '-inf', now, 'LIMIT', 0, lanes.PAGE)
  for _, key in ipairs(opened) do
    local one = key_of(key)
    -- the task may have become an alias since
    local closed_until, pause_ends, name = gate.times_of(task, one)
    if closed_until > 0 and closed_until <= now then gate.set(task, '', { ['u' .. one] = '' }) end
    if pause_ends > 0 and pause_ends <= now then
      call('HDEL', K.gate .. name, 'p' .. one, 'x' .. one)
      S.gates = nil
      lanes.freed(task, one)
      gather.freed(task, gather.lane_of(one))
    end
    lanes.changed(task, key)
    -- it may be garbage, of a lane that is not parked
    if (tonumber(call('ZSCORE', K.opening .. task, key) or '') or math.huge) <= now then call('ZREM', K.opening .. task, key) end
  end
  if #opened > 0 or call('ZSCORE', K.opens, task .. '\0') then lanes.plan(task) end
end

-- The limit of all keys has changed: looks at a page of the parked lanes of a line, from a place on, and puts off the rest.
function lanes.reopen(task, from)
  local list = call('ZRANGEBYSCORE', K.parked .. task, from, '+inf', 'WITHSCORES', 'LIMIT', 0, lanes.PAGE + 1)
  for i = 1, math.min(#list, 2 * lanes.PAGE), 2 do lanes.changed(task, list[i]) end
  if #list > 2 * lanes.PAGE then
    S.is_touched = true
    -- a place may be negative
    call('RPUSH', K.deferred, 'Gp:' .. format('%.0f', lanes.finite(list[2 * lanes.PAGE + 2]) + lanes.LIMIT) .. ' ' .. task)
  end
end

-- such an entry of `deferred`
function lanes.go_on(task, from)
  lanes.reopen(task, format('%.0f', from - lanes.LIMIT))
end
