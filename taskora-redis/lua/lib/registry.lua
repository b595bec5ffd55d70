-- The tasks that sweeps have named: when (6), and what is kept of their finished jobs: age (6) and number (4) of completed ones, and of
-- the others, behind a byte for the layout; then, if a history is kept, when a sweep has looked how many jobs there are (6). So a sweep knows
-- which tasks nobody serves, and what to keep of them.
local NOTED = 60000 -- how often a task is noted, in milliseconds
local SERVED = 180000 -- how long a task counts as served
local KEPT = 86400000 -- how long a task is remembered that nobody serves, and of which there is nothing
local WEEK = 604800000 -- how long finished jobs are kept at least of a task that no sweep has named
local MANY = 10000 -- and how many of them
local LOOKS = 8 -- how many tasks, and entries, one sweep looks at
local LAYOUT = '\1'

-- what is kept of a task, in the form of an entry
local function pack_kept(age, keep)
  return pack('>I6I4I6I4', age.C, math.min(keep.C, U32 - 1), age.F, math.min(keep.F, U32 - 1))
end

-- when a sweep named the task, and what is kept of it; nothing if the entry cannot be read
local function parse(entry)
  if not entry or sub(entry, 1, 1) ~= LAYOUT or #entry < 27 then return nil end
  local seen, age_c, keep_c, age_f, keep_f = read('>I6I6I4I6I4', entry, 2)
  return seen, { C = age_c, F = age_f }, { C = keep_c, F = keep_f }
end

-- This sweep serves these tasks. If its worker `looks`, returns those that no sweep has looked at in this minute.
function registry.sign(names, age, keep, looks)
  local kept, set, unseen = pack_kept(age, keep), {}, {}
  for i, entry in ipairs(fields_of(K.registry, names)) do
    local seen = parse(entry)
    local looked = seen and sub(entry, 28, 33) or ''
    local is_due = looks and names[i] ~= schedules.SELF and floor((u48_at(looked, 1) or 0) / NOTED) ~= floor(now / NOTED)
    if is_due then looked, unseen[#unseen + 1] = now6, names[i] end
    if is_due or not seen or seen + NOTED <= now or sub(entry, 8, 27) ~= kept then
      set[#set + 1], set[#set + 2] = names[i], LAYOUT .. now6 .. kept .. looked
    end
  end
  pages(set, function(...) call('HSET', K.registry, ...) end)
  return unseen
end

-- whether a sweep has named the task lately
function registry.is_served(task)
  local seen = parse(call('HGET', K.registry, task))
  return seen ~= nil and seen + SERVED > now
end

-- Some of the tasks that nobody serves, each with what is kept of it: that of its last sweep, or else this one's, and a week at least.
function registry.strangers(age, keep)
  local names, strangers = {}, {}
  for _, task in ipairs(call('SRANDMEMBER', K.tasks, LOOKS)) do
    if not caller.has(task) then names[#names + 1] = task end
  end
  table.sort(names, is_before)
  for i, entry in ipairs(fields_of(K.registry, names)) do
    local seen, its_age, its_keep = parse(entry)
    if not seen then
      its_age = { C = math.max(age.C, WEEK), F = math.max(age.F, WEEK) }
      its_keep = { C = math.max(keep.C, MANY), F = math.max(keep.F, MANY) }
    end
    if not seen or seen + SERVED <= now then
      strangers[#strangers + 1] = { task = names[i], age = its_age, keep = its_keep, is_known = seen ~= nil }
    end
  end
  return strangers
end

-- Forgets some of what was not served for long, or cannot be read; and strangers of which there is nothing.
function registry.tidy(strangers)
  local some, gone = call('HRANDFIELD', K.registry, LOOKS, 'WITHVALUES'), {}
  for i = 1, #some, 2 do
    local seen = parse(some[i + 1])
    if not seen or seen + KEPT <= now and not line.has_any(some[i]) then gone[#gone + 1] = some[i] end
  end
  if #gone > 0 then call('HDEL', K.registry, unpack(gone)) end
  for _, stranger in ipairs(strangers) do
    local task = stranger.task
    if not stranger.is_known and not line.has_any(task) and not call('ZSCORE', K.due, task) then call('SREM', K.tasks, task) end
  end
end
