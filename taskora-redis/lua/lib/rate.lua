-- Rates: how many jobs of a task, or of one of its keys, start in a time. They are stored as `<max> <per>` for a window, or as
-- `<max> <per> <burst>` for a bucket; `per` is in milliseconds. `rate:<name>` counts the starts: a window has the time of each (6), the
-- last `max` of them; a bucket has the time at which it is full again, in microseconds (8). What is counted has a `name` and a `rate`.
-- A start counts as many times as its job costs, but never more often than `most`, which is all that the rate ever gives at once.
local LONGEST = 31536000000 -- of `per`, and of the time in which a bucket becomes full
local LARGEST = 1000 -- the most starts that a window counts

-- a rate; nothing if the text is none
function rate.read(text)
  local max, per, rest = match(text or '', '^(%d+) (%d+)(.*)$')
  max, per = whole(max, U32), whole(per, LONGEST + 1)
  if not max or not per or max == 0 or per == 0 then return nil end
  if rest == '' then return max <= LARGEST and { max = max, per = per, most = max } or nil end
  local burst = whole(match(rest, '^ (%d+)$'), U32)
  local interval = math.ceil(per * 1000 / max)
  if not burst or burst == 0 or burst * interval > LONGEST * 1000 then return nil end
  return { interval = interval, size = burst * interval, most = burst }
end

-- the rate that counts among the settings of a gate
function rate.of(settings)
  return rate.read(settings.ro) or rate.read(settings.rd)
end

-- Whether two rates count starts in the same way: starts before a change to such a one are remembered.
function rate.is_alike(one, other)
  if not one or not other then return one == other end
  return one.size ~= nil and other.size ~= nil or one.per == other.per
end

-- the time of a window's start; nothing if there is none, or none that can be read
local function start_at(key, index)
  local entry = call('LINDEX', key, digits(index))
  return entry and #entry == 6 and read('>I6', entry) or nil
end

-- when a bucket is full as its last start says, and as it can be: its size and the clock may have been others
local function full_at(own)
  local entry, size = call('LINDEX', K.rate .. own.name, '-1'), own.rate.size
  local stored = entry and #entry == 8 and read('>I8', entry) or 0
  return stored, math.min(math.max(stored, now * 1000), now * 1000 + size)
end

-- how many starts are left now
function rate.room(own)
  local key, max, per, size = K.rate .. own.name, own.rate.max, own.rate.per, own.rate.size
  if size then
    local _, full = full_at(own)
    return floor((now * 1000 + size - full) / own.rate.interval)
  end
  local count = call('LLEN', key)
  -- the window no longer counts those before `first`
  local first, beyond = 0, count
  while first < beyond do
    local middle = floor((first + beyond) / 2)
    local at = start_at(key, middle)
    if not at or at + per <= now then first = middle + 1 else beyond = middle end
  end
  return math.max(max - (count - first), 0)
end

-- what a job costs at this rate
function rate.cost(its, id)
  return math.min(cost.of(id), its.most)
end

-- when so many starts are left, if they are not now
function rate.opens(own, wants)
  local max, per, size = own.rate.max, own.rate.per, own.rate.size
  if size then
    local _, full = full_at(own)
    return math.ceil((full - (size - wants * own.rate.interval)) / 1000)
  end
  local key = K.rate .. own.name
  local at = start_at(key, math.max(call('LLEN', key) - max + wants - 1, 0))
  -- garbage, or a clock that was set back, closes it for `per` and no longer
  return at and at + per > now and at <= now and at + per or now + per
end

-- No start lies in the future, and no bucket is emptier than empty, also after the clock was set back or the rate has changed.
function rate.set_right(own)
  local key = K.rate .. own.name
  if own.rate.size then
    local stored, full = full_at(own)
    if stored > full then call('LSET', key, '-1', pack('>I8', full)) end
    return
  end
  local index = -1
  while index >= -LARGEST and (start_at(key, index) or 0) > now do
    call('LSET', key, digits(index), now6)
    index = index - 1
  end
end

-- so many starts, as they count
function rate.add(own, count)
  local key, keep, life = K.rate .. own.name, own.rate.max, own.rate.per
  if own.rate.size then
    local _, full = full_at(own)
    full = full + count * own.rate.interval
    call('RPUSH', key, pack('>I8', full))
    keep, life = 1, math.ceil(full / 1000 - now)
  else
    rate.set_right(own)
    local starts = {}
    for i = 1, count do starts[i] = now6 end
    pages(starts, function(...) call('RPUSH', key, ...) end)
  end
  call('LTRIM', key, format('%.0f', -keep), '-1')
  call('PEXPIRE', key, digits(life))
end

-- forgets the starts that have been counted
function rate.forget(name)
  call('DEL', K.rate .. name)
end

-- the starts that were counted under one name are now those of another
function rate.move(from, to)
  if call('EXISTS', K.rate .. from) == 1 then call('RENAME', K.rate .. from, K.rate .. to) end
end

-- Starts are counted by the second of these from now on, not by the first; either may be nothing.
function rate.change(from, to)
  if from and to and from.name == to.name then return end
  if from and to and rate.is_alike(from.rate, to.rate) then return rate.move(from.name, to.name) end
  if from then rate.forget(from.name) end
  if to then rate.forget(to.name) end
end
