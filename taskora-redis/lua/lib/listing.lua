-- Pages of the entries of an index behind a place. A place is a number and an entry: it is found again whatever came and went since,
-- also if its own entry is gone. An entry is `number`, `entry` (what the place names) and `id`. Each function returns up to `count`
-- entries in order, whether these are all that are left, and what it says below.
local WINDOWS = 8 -- how many pages of entries that are none are read in search of one
local RUN = 1000 -- the most entries of one time in a list that are put in order; a server writes fewer in a millisecond
local SMALL = 500 -- as many jobs in lanes are read at once, so that they come by id
local STEP = 50 -- how many are looked at otherwise

-- the place before all entries
function listing.start()
  return { number = -math.huge, entry = '' }
end

-- a number as text, from which the same number is read
function listing.text_of(number)
  return format('%.17g', number)
end

local function comes_before(a, b)
  if a.number ~= b.number then return a.number < b.number end
  return is_before(a.entry, b.entry)
end

local function comes_after(a, b)
  return comes_before(b, a)
end

-- The first entries of two pages in one order, and whether these are all. Behind the last entry of a page that is not all there may be more.
local function merged(a, has_all_a, b, has_all_b, count, is_first)
  local all, i, j = {}, 1, 1
  while #all < count do
    if not a[i] and not has_all_a or not b[j] and not has_all_b then return all, false end
    if not a[i] and not b[j] then return all, true end
    if not b[j] or a[i] and is_first(a[i], b[j]) then
      all[#all + 1], i = a[i], i + 1
    else
      all[#all + 1], j = b[j], j + 1
    end
  end
  return all, not a[i] and not b[j] and has_all_a and has_all_b
end

-- how many members of a sorted set come before a place; with `is_through`, the one that it names counts
local function rank_of(key, place, is_through)
  local bound = listing.text_of(place.number)
  local low, high = call('ZCOUNT', key, '-inf', '(' .. bound), call('ZCOUNT', key, '-inf', bound)
  while low < high do
    local middle = floor((low + high) / 2)
    local found = call('ZRANGE', key, middle, middle)[1]
    if is_before(found, place.entry) or is_through and found == place.entry then low = middle + 1 else high = middle end
  end
  return low
end

-- of a sorted set, by score; with `is_newest`, the last ones first
function listing.ranked(key, place, count, is_newest)
  local from, before, page = 0, 0, {}
  if is_newest then
    before = place and rank_of(key, place, false) or call('ZCARD', key)
    from = math.max(before - count, 0)
    if before > 0 then page = call('ZRANGE', key, from, before - 1, 'WITHSCORES') end
  else
    from = place and rank_of(key, place, true) or 0
    page = call('ZRANGE', key, from, from + count - 1, 'WITHSCORES')
  end
  local found = {}
  for i = 1, #page, 2 do
    local at = is_newest and (#page - i + 1) / 2 or (i + 1) / 2
    found[at] = { number = tonumber(page[i + 1]), entry = page[i], id = page[i] }
  end
  if is_newest then return found, from == 0 end
  return found, #found < count
end

-- an entry of a list; nothing for one that taskora has not written, whose number is not below this one
local function entry_in(text, below)
  local number = #text > 6 and read('>I6', text)
  return number and number < below and { number = number, entry = sub(text, 7), id = sub(text, 7), is_listed = true } or nil
end

-- The index of the first entry of a list whose number is not below this one. Numbers grow along the list.
local function index_of(key, number, below)
  local low, high = 0, call('LLEN', key)
  while low < high do
    local middle = floor((low + high) / 2)
    local found, at = entry_in(call('LINDEX', key, middle), below), middle
    if not found then
      for i, text in ipairs(call('LRANGE', key, middle, math.min(middle + 99, high - 1))) do
        found, at = entry_in(text, below), middle + i - 1
        if found then break end
      end
    end
    if found and found.number < number then low = at + 1 else high = middle end
  end
  return low
end

-- of a line, by number
local function listed(key, place, count)
  local from = place and index_of(key, place.number + 1, line.BAND) or 0
  for _ = 1, WINDOWS do
    local page, found = call('LRANGE', key, from, from + count), {}
    local is_all = #page <= count
    for i = 1, math.min(#page, count) do
      local entry = entry_in(page[i], line.BAND)
      if entry and not (place and not comes_before(place, entry)) then found[#found + 1] = entry end
    end
    if #found > 0 or is_all then return found, is_all end
    from = from + count
  end
  return {}, true
end

-- Of a list of completed jobs, the last ones first. Those of one time are put in order here, because the list has them as they came.
local function timed(key, place, count)
  local below = now + 86400000
  local high = place and index_of(key, place.number + 1, below) or call('LLEN', key)
  for _ = 1, WINDOWS do
    if high == 0 then break end
    local from = math.max(high - count, 0)
    local page, found = call('LRANGE', key, from, high - 1), {}
    local first = entry_in(page[1] or '', below)
    if first and from > 0 then
      local run = math.max(index_of(key, first.number, below), from - RUN)
      if run < from then
        for _, text in ipairs(call('LRANGE', key, run, from - 1)) do page[#page + 1] = text end
        from = run
      end
    end
    for _, text in ipairs(page) do
      local entry = entry_in(text, below)
      if entry and not (place and not comes_before(entry, place)) then found[#found + 1] = entry end
    end
    if #found > 0 then
      table.sort(found, comes_after)
      local is_all = from == 0 and #found <= count
      for i = #found, count + 1, -1 do found[i] = nil end
      return found, is_all
    end
    high = from
  end
  return {}, true
end

-- Of the jobs in lanes: a few by id; many in no order, and then the third value says that the place is behind all of these.
local function laned(key, place, count, room)
  local cursor, after = place and math.max(place.number, 0) or 0, place and place.entry or ''
  if cursor ~= floor(cursor) or cursor >= line.BAND then return {}, true end
  local found = {}
  if cursor == 0 and call('HLEN', key) <= SMALL then
    for _, id in ipairs(call('HKEYS', key)) do
      if is_before(after, id) then found[#found + 1] = { number = 0, entry = id, id = id } end
    end
    table.sort(found, comes_before)
    local is_all = #found <= count
    for i = #found, count + 1, -1 do found[i] = nil end
    return found, is_all
  end
  -- those up to `after` were seen while they were few
  local page = call('HSCAN', key, digits(cursor), 'COUNT', math.min(count, room, STEP))
  for i = 1, #page[2], 2 do
    if is_before(after, page[2][i]) then found[#found + 1] = { number = tonumber(page[1]), entry = after, id = page[2][i] } end
  end
  return found, page[1] == '0', { number = tonumber(page[1]), entry = after }
end

-- The indexes of a state are read in parts, one after the other: for jobs that wait the line, the lanes, and those that wait for another
-- job to end. `room` is how many more jobs are asked for.
function listing.page(task, state, part, place, count, room)
  if part > (state == 'waiting' and 2 or 0) then return {}, true end
  if state == 'waiting' then
    if part == 1 then return laned(K.laned .. task, place, count, room) end
    if part == 2 then return listing.ranked(K.behind .. task, place, count) end
    local plain, is_all = listed(K.wait .. task, place, count)
    local others, are_all = listing.ranked(K.prio .. task, place, count)
    return merged(plain, is_all, others, are_all, count, comes_before)
  end
  if state == 'delayed' or state == 'retrying' then return listing.ranked(K.delayed .. task, place, count) end
  if state == 'active' then
    local found, is_all = listing.ranked(K.active .. task, place, count)
    for _, entry in ipairs(found) do entry.id = match(entry.entry, '^(.*):%d+$') end
    return found, is_all
  end
  local own = state == 'completed' and timed or listing.ranked
  local generated, is_all = own(K[state] .. task, place, count, true)
  local named, are_all = own(K['own' .. state] .. task, place, count, true)
  return merged(generated, is_all, named, are_all, count, comes_after)
end

-- the part behind this one that has something; nothing if there is none
function listing.part_after(task, state, part)
  if state ~= 'waiting' then return nil end
  if part < 1 and call('EXISTS', K.laned .. task) == 1 then return 1 end
  return part < 2 and call('EXISTS', K.behind .. task) == 1 and 2 or nil
end
