-- Entries in the middle of a list: a number (6) that only grows along the list, and an id. Nothing can be taken from there
-- without reading the whole list, so that a wrong entry becomes a filler, which goes when its turn comes.

-- the place of an entry, if it is there; the numbers tell where to look
local function find_entry(key, entry)
  local low, high, wanted = 0, call('LLEN', key), struct.unpack('>I6', entry)
  if high > 1000 then
    while low < high do
      local middle = math.floor((low + high) / 2)
      local found = call('LINDEX', key, middle)
      if #found >= 6 and struct.unpack('>I6', found) < wanted then low = middle + 1 else high = middle end
    end
  end
  for i, found in ipairs(call('LRANGE', key, low, low + 999)) do
    if found == entry then return low + i - 1 end
  end
end

local function fill_in(place, task, entry)
  local key = place == 'wait' and K.wait .. task or K.completed .. task
  local at = #entry >= 6 and find_entry(key, entry)
  if not at then return false end
  local number = sub(entry, 1, 6)
  call('LSET', key, at, number .. '!' .. number)
  if place == 'wait' then
    call('SADD', K.stale .. task, '!' .. number)
    clear_head(task)
  end
  return true
end
