-- Entries in the middle of a list: a number (6) that only grows along the list, and an id. Removing one would mean reading the
-- whole list, so a wrong entry becomes a filler, which goes when its turn comes.

local NEAR = 10000 -- how far from an end of its list an entry is removed

-- the index of an entry, if it is there; the numbers say where to look
function entries.find(key, entry)
  local low, high, wanted = 0, call('LLEN', key), u48_at(entry, 1) or 0
  if high > 1000 then
    while low < high do
      local middle = math.floor((low + high) / 2)
      local found = call('LINDEX', key, middle)
      if (u48_at(found, 1) or 0) < wanted then low = middle + 1 else high = middle end
    end
  end
  for i, found in ipairs(call('LRANGE', key, low, low + 999)) do
    if found == entry then return low + i - 1 end
  end
  -- a damaged entry may be out of order, and mislead a search for another one
  for _, rank in ipairs({ '1', '-1' }) do
    local at = call('LPOS', key, entry, 'RANK', rank, 'MAXLEN', '100000')
    if at then return at end
  end
end

local function fill(key, at, number)
  call('LSET', key, at, number .. '!' .. number)
end

function entries.fill_in(place, task, entry)
  local key = K[place] .. task
  local at = #entry >= 6 and entries.find(key, entry)
  if not at then return false end
  local number = sub(entry, 1, 6)
  fill(key, at, number)
  if place == 'wait' then
    call('SADD', K.tombstones .. task, '!' .. number)
    line.clear_head(task)
  end
  return true
end

-- Removes an entry, or fills it in if it is far from both ends.
function entries.remove(key, entry)
  local at = entries.find(key, entry)
  if not at then return end
  if at < NEAR then
    call('LREM', key, '1', entry)
  elseif call('LLEN', key) - at <= NEAR then
    call('LREM', key, '-1', entry)
  else
    fill(key, at, sub(entry, 1, 6))
  end
end

-- Removes an entry that names no job from a list, if it is near one of the ends; a claim reaches one in the middle.
function entries.remove_near(key, entry)
  for _, from in ipairs({ 0, -1000 }) do
    for i, found in ipairs(call('LRANGE', key, from, from + 999)) do
      if found == entry then
        call('LREM', key, from == 0 and 1 or -1, entry)
        return true
      end
    end
  end
  return false
end
