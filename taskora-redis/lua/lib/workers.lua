-- The workers that say what they do. Each entry: the last sign of life (6), after how long a silence the worker is gone, in milliseconds (6),
-- whether it is to claim nothing (1: 0 or 1), the length of the JSON about it (4), that JSON, and the ids of its jobs as JSON.
local LOOKS = 4 -- each sign of life looks at this many other workers
local LONGEST = 604800000 -- no silence may be longer, in milliseconds

local function is_live(entry)
  local heard, silence = u48_at(entry, 1), u48_at(entry, 7)
  return heard and silence and heard < now + LONGEST and heard + math.min(silence, LONGEST) > now
end

-- the entry of a live worker; of another one nothing, and whether there is an entry
local function entry_of(worker)
  local entry = worker ~= '' and call('HGET', K.workers, worker)
  if entry and is_live(entry) then return entry, true end
  return nil, entry ~= false
end

-- A sign of life; `about` is what follows in the entry, without the mark. Returns whether the worker is to claim nothing. Removes some of the
-- workers that are gone.
function workers.sign(worker, about)
  if worker == '' then return false end
  local entry, is_known = entry_of(worker)
  if not entry then
    if is_known then events.add('g', '', worker) end
    events.add('u', '', worker)
  end
  local mark = entry and byte(entry, 13) == 1 and '\1' or '\0'
  call('HSET', K.workers, worker, now6 .. sub(about, 1, 6) .. mark .. sub(about, 7))
  local some, gone = call('HRANDFIELD', K.workers, LOOKS, 'WITHVALUES'), {}
  for i = 1, #some, 2 do
    if not is_live(some[i + 1]) then
      gone[#gone + 1] = some[i]
      events.add('g', '', some[i])
    end
  end
  if #gone > 0 then call('HDEL', K.workers, unpack(gone)) end
  return mark == '\1'
end

function workers.sign_off(worker)
  if call('HDEL', K.workers, worker) == 1 then events.add('y', '', worker) end
end

-- says whether it is to claim nothing; returns whether there is such a worker
function workers.quiet(worker, mark)
  local entry = entry_of(worker)
  if not entry then return false end
  if byte(entry, 13) ~= byte(mark) then call('HSET', K.workers, worker, sub(entry, 1, 12) .. mark .. sub(entry, 14)) end
  return true
end

-- a page of the live workers, as pairs of id and entry; without `jobs`, an entry ends before the ids of the jobs
function workers.page(cursor, count, jobs)
  local page, live = call('HSCAN', K.workers, cursor, 'COUNT', count), {}
  for i = 1, #page[2], 2 do
    local entry = page[2][i + 1]
    if is_live(entry) then
      if not jobs then entry = sub(entry, 1, 17 + (u32_at(entry, 14) or 0)) end
      live[#live + 1], live[#live + 2] = page[2][i], entry
    end
  end
  return page[1], live
end
