-- Schedules. `sched` has what each one is: layout (1, 1), origin (1: `A` the API, `C` code), fingerprint of what code declares (8),
-- fingerprint of the definition (8), definition. `schedrun` has its state: layout (1, 1), flags (1: 1 it has a next tick, 2 a last
-- one, 4 it is paused), when it was declared last, since when its ticks count, next tick, last tick, when it was paused (6 each),
-- jobs made, ticks skipped, ticks missed (6 each), length of the last job's id (1), the id, the reason of the pause. `schednext` has
-- when to look at each one: at its next tick, or to see whether code still declares it. `due` has the earliest of these times as
-- that of the task `@`.
schedules.SELF = '@'
local HEAD, STATE = 18, 51
local SIGN, KEPT, HELD = 180000, 604800000, 1000 -- as `adapter/schedules.rs` says
local LATER = 5000 -- when a schedule of a later version is looked at again
local PAGE = 100
local BYTES = 1048576 -- the most bytes of schedules that one call hands out, unless a single one is larger
local LATEST = 281474976710655

-- Reads the state into an entry. If it cannot be read, counts are lost, and the next tick is when the schedule is looked at.
local function read_state(entry, text)
  if text and byte(text) == 1 and #text >= STATE and #text >= STATE + byte(text, STATE) then
    local flags, id_length = byte(text, 2), byte(text, STATE)
    entry.signed, entry.since, entry.at, entry.last, entry.paused, entry.ran, entry.skipped, entry.missed =
      read('>I6I6I6I6I6I6I6I6', text, 3)
    if flags % 2 < 1 then entry.at = nil end
    if flags % 4 < 2 then entry.last = nil end
    if flags % 8 < 4 then entry.paused = nil end
    entry.last_job = sub(text, STATE + 1, STATE + id_length)
    entry.reason = sub(text, STATE + 1 + id_length)
    return
  end
  entry.is_newer = (byte(text or '') or 0) > 1
  entry.is_lost, entry.signed, entry.ran, entry.skipped, entry.missed = true, 0, 0, 0, 0
  entry.last_job, entry.reason = '', ''
  entry.at = entry.look and entry.look >= 0 and entry.look < LATEST and floor(entry.look) or nil
  entry.since = entry.at or now
end

local function pack_state(entry)
  local flags = (entry.at and 1 or 0) + (entry.last and 2 or 0) + (entry.paused and 4 or 0)
  local function count(number) return math.min(number, LATEST) end
  return pack('>BBI6I6I6I6I6I6I6I6B', 1, flags, entry.signed, entry.since, entry.at or 0, entry.last or 0, entry.paused or 0,
    count(entry.ran), count(entry.skipped), count(entry.missed), #entry.last_job) .. entry.last_job .. entry.reason
end

-- What is known of these schedules, in order; false for one that is not known. One of a later version has only `is_newer`.
function schedules.of(names)
  local texts, states, entries, at = fields_of(K.sched, names), fields_of(K.schedrun, names), {}, 0
  pages(names, function(...)
    for _, look in ipairs(call('ZMSCORE', K.schednext, ...)) do
      at = at + 1
      local text, layout = texts[at], byte(texts[at] or '')
      local entry = false
      if layout and layout > 1 then
        entry = { is_newer = true }
      elseif layout == 1 and #text >= HEAD and match(sub(text, 2, 2), '[AC]') then
        entry = { name = names[at], text = text, is_code = byte(text, 2) == 67, look = tonumber(look or '') }
        read_state(entry, states[at])
      end
      entries[at] = entry
    end
  end)
  return entries
end

function schedules.is_declared(entry)
  return not entry.is_code or now - entry.signed < SIGN
end

-- what a change must have been computed from: fingerprint of the definition, whether there is a next tick (1), the next tick (6)
function schedules.version(entry)
  if not entry then return '' end
  return sub(entry.text, 11, HEAD) .. (entry.at and '\1' .. pack('>I6', entry.at) or '\0' .. ZERO6)
end

-- when to look at it
local function look_of(entry)
  if entry.at and schedules.is_declared(entry) then return entry.at end
  return entry.is_code and entry.signed + KEPT or nil
end

local function look_at(entry, look)
  if look == entry.look then return end
  if look then call('ZADD', K.schednext, digits(look), entry.name) else call('ZREM', K.schednext, entry.name) end
  entry.look = look
end

-- Writes the state of a schedule and, if it has changed, what it is (`text`). An earlier look is written first, a later one last: an
-- error in between leaves a schedule that is looked at too early, never too late.
function schedules.write(entry, text)
  local look = look_of(entry)
  if look and (not entry.look or look < entry.look) then look_at(entry, look) end
  call('HSET', K.schedrun, entry.name, pack_state(entry))
  if text then call('HSET', K.sched, entry.name, text) end
  look_at(entry, look)
end

function schedules.forget(name)
  call('HDEL', K.sched, name)
  call('HDEL', K.schedrun, name)
  call('ZREM', K.schednext, name)
end

-- Brings `due` up to date, and wakes a worker if a schedule is looked at earlier than one was told.
function schedules.announce()
  local first = due.plan(schedules.SELF)
  if first then due.announce(schedules.SELF, first) end
end

-- adds to an answer: name, what it is, its state, whether it is declared (1 or 0)
function schedules.show(answer, entry)
  local at = #answer
  answer[at + 1], answer[at + 2], answer[at + 3] = entry.name, entry.text, pack_state(entry)
  answer[at + 4] = schedules.is_declared(entry) and '1' or '0'
end

-- Hands out those that are due, into an answer: a page of them, and not many bytes. Forgets those that nobody declares any more.
-- Returns how many were handed out.
function schedules.hand_out(answer)
  local names = call('ZRANGEBYSCORE', K.schednext, '-inf', now, 'LIMIT', 0, PAGE)
  local count, size = 0, 0
  for i, entry in ipairs(schedules.of(names)) do
    if not entry then
      schedules.forget(names[i])
    elseif entry.is_newer then
      call('ZADD', K.schednext, digits(now + LATER), names[i])
    elseif schedules.is_declared(entry) and entry.at and entry.at <= now then
      size = size + #entry.text
      if count > 0 and size > BYTES then break end
      count = count + 1
      schedules.show(answer, entry)
      -- what follows from this look must outlive it
      if entry.is_lost then call('HSET', K.schedrun, entry.name, pack_state(entry)) end
      look_at(entry, now + HELD)
    elseif not schedules.is_declared(entry) and entry.signed + KEPT <= now then
      schedules.forget(entry.name)
    else
      look_at(entry, look_of(entry))
    end
  end
  return count
end

-- whether a run of a schedule has not ended, and whether it waits behind another one, or another one behind it
local function look_at_run(id)
  if id == '' or call('HEXISTS', K.jobs, id) == 0 or workflow.end_of(id) then return false, false end
  return true, (keyed.front_of(id, call('HGET', K.keyed, id)) or keyed.follower(id)) ~= nil
end

-- A run has ended while it waited behind another one. If it was the schedule's last one, that one is now: the next run must not pass
-- it. A repair may have put a run into its line that has not ended.
function schedules.step_back(name, id, front)
  local entry = schedules.of({ name })[1]
  if not entry or entry.is_newer or entry.last_job ~= id or look_at_run(id) then return end
  entry.last_job = front
  call('HSET', K.schedrun, name, pack_state(entry))
end

-- Stores jobs of the arguments as runs of a schedule: id, record without layout and creation time, payload (empty if it is in the
-- record), due time (empty: now). A known id is left alone. `overlap` says what becomes of a run while the one before it has not
-- ended: A it is stored, Q it waits behind that one unless one waits already, S it is skipped; the first `caught_up` runs wait unless
-- it is A. Returns how many were stored and skipped.
function schedules.store(entry, first, count, overlap, caught_up)
  local batch, stored, skipped, seen = intake.batch(), 0, 0, {}
  local before, runs, waits = entry.last_job, false, false
  if overlap ~= 'A' then runs, waits = look_at_run(before) end
  for i = 1, count do
    local at = first + 5 * i - 5
    local id, rest, payload, time = argv[at], argv[at + 1], argv[at + 2], intake.time_of(argv[at + 3])
    local known = call('HGET', K.jobs, id)
    -- a call that failed may have stored it
    local is_known = not seen[id] and intake.judge(id, rest, known, false)
    if runs and i > caught_up and (overlap == 'S' or waits) and not is_known then
      skipped = skipped + 1
    else
      if seen[id] then
        -- twice in one call
      elseif is_known then
        if overlap ~= 'A' then runs, waits = look_at_run(id) end
      else
        local is_behind = runs and keyed.put_run_behind(intake.task_of(rest), id, before, entry.name)
        stored, runs, waits = stored + 1, overlap ~= 'A', is_behind
        if is_behind then time = 0 end
        intake.add(batch, id, rest, payload ~= '' and payload or nil, time, time <= now and line.arrivals(1) + 1, known, is_behind)
      end
      before, seen[id] = id, true
      entry.last = u48_at(argv[at + 4], 1) or entry.last
    end
  end
  intake.write(batch)
  entry.last_job = before
  return stored, skipped
end

-- What is wrong with an entry of one of the keys: ? it cannot be read, R its state cannot be read, s it is not looked at in time, S
-- it is about no schedule, or about one that is not looked at.
function schedules.wrong(role, entry)
  if not entry then return role == 'sched' and '?' or 'S' end
  if entry.is_newer then return nil end
  local look = look_of(entry)
  if role == 'schednext' then return not look and 'S' or nil end
  if role ~= 'sched' then return nil end
  if entry.is_lost and not entry.look then return 'R' end
  return look and (not entry.look or entry.look > math.max(look, now + HELD)) and 's' or nil
end

-- repairs what `wrong` says
function schedules.repair(role, name)
  local entry = schedules.of({ name })[1]
  local wrong = schedules.wrong(role, entry)
  if wrong == 's' then
    call('ZADD', K.schednext, digits(now), name)
  elseif wrong == 'S' and entry then
    call('ZREM', K.schednext, name)
  elseif wrong == '?' or wrong == 'S' then
    schedules.forget(name)
  else
    return false
  end
  schedules.announce()
  return true
end
