-- What workers have counted, in slots of a minute, ten minutes and an hour: the history of a task. Slots are in blocks, so that a task has few fields:
-- `history:<task>` has blocks by the letter of their length and their number. A block is a byte for the layout, then for each of its slots the place in
-- the block (1), the length (2), and numbers: a field (1) and a value, seven bits at a time, the lowest first, with the highest bit set in all bytes but the
-- last. Fields: 1 completed, 2 failed, 3 retried, 4 waiting plus one if a sweep has looked, 5 delayed, 6 active; 16 to 39 waits, 40 to 63 runs by their
-- length; 255 an error: its fingerprint (6) comes before the value. `patterns:<task>` has the texts of errors by their fingerprint: a byte for the layout,
-- when one was last noted (6), the length (2) of the pattern, the pattern, an example.
local LEVELS = {
  { letter = 'm', slot = 60000, per = 10, kept = 18 },
  { letter = 't', slot = 600000, per = 12, kept = 36 },
  { letter = 'h', slot = 3600000, per = 24, kept = 30 },
}
local LIFE = 2678400000 -- how long the keys live after the last report: 31 days, in milliseconds
local ERRORS = 20 -- how many errors are told apart in a slot
local TEXTS = 128 -- how many errors of a task have texts
local NOTED = 3600000 -- how often it is noted that an error still comes
local FIELDS = 500 -- a hash with more is damaged, and not looked at as a whole
local LAYOUT, ERROR, DEPTH, MOST = '\1', 255, { [4] = true, [5] = true, [6] = true }, 281474976710656

local function level_of(letter)
  for _, level in ipairs(LEVELS) do
    if level.letter == letter then return level end
  end
end

-- adds a count; a further error takes the place of the rarest one, and its count
local function count_error(slot, name, count)
  local errors = slot.errors
  if not errors[name] then
    local known, rarest = 0, nil
    for other, times in pairs(errors) do
      known = known + 1
      if not rarest or times < errors[rarest] or times == errors[rarest] and is_before(other, rarest) then rarest = other end
    end
    if known >= ERRORS then
      count = count + errors[rarest]
      errors[rarest] = nil
    end
  end
  errors[name] = math.min((errors[name] or 0) + count, MOST)
end

-- adds the numbers of a text to those of a slot
local function add(slot, text)
  local at, numbers = 1, slot.numbers
  while true do
    local field, name = byte(text, at), nil
    if not field then return slot end
    at = at + 1
    if field == ERROR then
      name = sub(text, at, at + 5)
      at = at + 6
    end
    local value, scale, part = 0, 1, nil
    repeat
      part = byte(text, at)
      -- the rest cannot be read
      if not part or scale > MOST then return slot end
      at = at + 1
      value = value + part % 128 * scale
      scale = scale * 128
    until part < 128
    if name then
      count_error(slot, name, value)
    elseif DEPTH[field] then
      numbers[field] = math.max(numbers[field] or 0, value)
    else
      numbers[field] = math.min((numbers[field] or 0) + value, MOST)
    end
  end
end

local function varint(value)
  local text = ''
  while value >= 128 do
    text = text .. string.char(value % 128 + 128)
    value = floor(value / 128)
  end
  return text .. string.char(value)
end

local function pack_slot(slot)
  local parts, fields, names = {}, {}, {}
  for field in pairs(slot.numbers) do fields[#fields + 1] = field end
  table.sort(fields)
  for i, field in ipairs(fields) do parts[i] = string.char(field) .. varint(slot.numbers[field]) end
  for name in pairs(slot.errors) do names[#names + 1] = name end
  table.sort(names, is_before)
  for _, name in ipairs(names) do parts[#parts + 1] = '\255' .. name .. varint(slot.errors[name]) end
  return concat(parts)
end

-- the block with these texts added to one of its slots; nothing if it is of another layout
local function with(block, place, texts)
  if block and sub(block, 1, 1) ~= LAYOUT then return nil end
  block = block or LAYOUT
  local slot, at, before, after = { numbers = {}, errors = {} }, 2, nil, ''
  repeat
    local found, high, low = byte(block, at, at + 2)
    local stop = low and at + 3 + high * 256 + low
    -- what cannot be read goes
    if not stop or stop > #block + 1 then
      before = sub(block, 1, at - 1)
    elseif found == place then
      add(slot, sub(block, at + 3, stop - 1))
      before, after = sub(block, 1, at - 1), sub(block, stop)
    end
    at = stop
  until before
  for _, text in ipairs(texts) do add(slot, text) end
  local own = pack_slot(slot)
  return before .. string.char(place) .. pack('>I2', #own) .. own .. after
end

local function block_of(level, slot)
  return floor(slot / level.per)
end

-- removes blocks that are too old
local function tidy(key)
  local names, old = call('HLEN', key) <= FIELDS and call('HKEYS', key) or call('HRANDFIELD', key, FIELDS), {}
  for _, name in ipairs(names) do
    local letter, number = match(name, '^(%l)(%d+)$')
    local level = level_of(letter)
    if level and tonumber(number) < block_of(level, floor(now / level.slot)) - level.kept then old[#old + 1] = name end
  end
  if #old > 0 then call('HDEL', key, unpack(old)) end
end

local function fields_now()
  local fields = {}
  for i, level in ipairs(LEVELS) do fields[i] = level.letter .. digits(block_of(level, floor(now / level.slot))) end
  return fields
end

-- What the arguments from this place on tell: for each task its name, numbers as in a slot, how many texts follow, and fingerprints and texts of errors,
-- alternating. Returns what `sums.write` takes.
function sums.given(at)
  local changes, texts = {}, {}
  while argv[at + 2] do
    local task, count = argv[at], tonumber(argv[at + 2])
    table.insert(list_in(changes, task), argv[at + 1])
    local list = list_in(texts, task)
    for i = at + 3, at + 2 + 2 * count do list[#list + 1] = argv[i] end
    at = at + 3 + 2 * count
  end
  return changes, texts
end

-- How many jobs of a task have not ended, as the text of a slot.
function sums.depth(task)
  local waiting, delayed, active = overview.depth(task)
  return '\4' .. varint(waiting + 1) .. '\5' .. varint(delayed) .. '\6' .. varint(active)
end

-- This many jobs of a task have failed, as the text of a slot.
function sums.failed(jobs)
  return '\2' .. varint(jobs)
end

-- Adds texts to the slots of now: `changes` has a list of them for each task. `texts` has, for each task, fingerprints and what to keep of them.
function sums.write(changes, texts)
  local names, fields, blocks, notes = {}, fields_now(), {}, {}
  for task in pairs(changes) do names[#names + 1] = task end
  table.sort(names, is_before)
  -- reads all of it first: a key of the wrong type must not leave half of a report behind
  for _, task in ipairs(names) do
    blocks[task] = call('HMGET', K.history .. task, unpack(fields))
    local list = texts[task]
    if list and #list > 0 then
      local prints = {}
      for i = 1, #list, 2 do prints[#prints + 1] = list[i] end
      notes[task] = call('HMGET', K.patterns .. task, unpack(prints))
    end
  end
  for _, task in ipairs(names) do
    local key, set = K.history .. task, {}
    for i, level in ipairs(LEVELS) do
      local block = with(blocks[task][i], floor(now / level.slot) % level.per, changes[task])
      if block then set[#set + 1], set[#set + 2] = fields[i], block end
    end
    if #set > 0 then call('HSET', key, unpack(set)) end
    -- the first report in a block
    if not blocks[task][1] then
      tidy(key)
      call('PEXPIRE', key, digits(LIFE))
    end
    if notes[task] then sums.note(task, texts[task], notes[task]) end
  end
end

-- Keeps the texts of errors, and forgets those that have not come for long, or the oldest of some others if there are too many.
function sums.note(task, list, known)
  local key, set, comes = K.patterns .. task, {}, {}
  for i = 1, #list, 2 do
    comes[list[i]] = true
    local text = known[(i + 1) / 2]
    local noted = text and sub(text, 1, 1) == LAYOUT and u48_at(text, 2)
    -- one of another layout stays
    if not text or noted and noted + NOTED <= now then set[#set + 1], set[#set + 2] = list[i], LAYOUT .. now6 .. list[i + 1] end
  end
  if #set == 0 then return end
  call('HSET', key, unpack(set))
  call('PEXPIRE', key, digits(LIFE))
  local more = call('HLEN', key) - TEXTS
  local some, ages, gone = call('HRANDFIELD', key, 2 * ERRORS, 'WITHVALUES'), {}, {}
  for i = 1, #some, 2 do
    if not comes[some[i]] and sub(some[i + 1], 1, 1) == LAYOUT then ages[#ages + 1] = { u48_at(some[i + 1], 2) or 0, some[i] } end
  end
  table.sort(ages, function(a, b)
    if a[1] ~= b[1] then return a[1] < b[1] end
    return is_before(a[2], b[2])
  end)
  for i, one in ipairs(ages) do
    if i <= more or one[1] + LIFE <= now then gone[#gone + 1] = one[2] end
  end
  if #gone > 0 then call('HDEL', key, unpack(gone)) end
end

-- The number of the first block of the last so many slots, the blocks from it on (empty if there is none), and the texts of errors.
function sums.read(task, letter, slots)
  local level = level_of(letter)
  local last = floor(now / level.slot)
  local first, fields = block_of(level, math.max(last - slots + 1, 0)), {}
  for number = first, math.min(block_of(level, last), first + level.kept + 1) do fields[#fields + 1] = letter .. digits(number) end
  local blocks = call('HMGET', K.history .. task, unpack(fields))
  for i = 1, #fields do blocks[i] = blocks[i] or '' end
  local texts = call('HLEN', K.patterns .. task) <= FIELDS and call('HGETALL', K.patterns .. task) or {}
  return first, blocks, texts
end
