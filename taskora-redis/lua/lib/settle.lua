-- Settles attempts. A settlement is `<id>:<token>`, and an entry: the start of an end (kind, attempt (4), stalls (4), claimed at
-- (6)), id length, position of the task's name (2), for a retry or a release its delay (6), then result or error. Kinds: C
-- complete, F fail, R retry, X cancel, L release.

-- Whether each lease is valid, in order; a lease that occurs twice is valid only once.
local function valid_leases(members, tasks)
  local count = #members
  -- a rank costs less to write than a score
  if count == 1 then return { call('ZRANK', K.active .. tasks[1], members[1]) } end
  local places, seen, valid = {}, {}, {}
  for i = 1, count do
    local task, member = tasks[i], members[i]
    local list = places[task]
    if not list then
      list = {}
      places[task] = list
    end
    list[#list + 1] = i
    if seen[member] then members[i] = '' end
    seen[member] = true
  end
  for task, list in pairs(places) do
    local some, at = {}, 0
    for i, place in ipairs(list) do some[i] = members[place] end
    pages(some, function(...)
      for _, score in ipairs(call('ZMSCORE', K.active .. task, ...)) do
        at = at + 1
        valid[list[at]] = score
      end
    end)
  end
  return valid
end

-- Settles anything other than a plain completion. Returns the job's new state.
local function settle_one(task, member, entry, past, reason)
  local length = byte(entry, 16)
  local id, kind, attempt, started = sub(member, 1, length), sub(entry, 1, 1), sub(entry, 2, 5), sub(entry, 10, 15)
  local _, stalls, last_error, last = history.of(past)
  if S.careful then
    -- do not repeat what a failed call has already done
    local known = workflow.end_of(id)
    if known then return sub(known, 1, 1) end
    if past and last >= tonumber(sub(member, length + 2)) then return 'W' end
  end
  if reason then
    ends.add(task, id, 'X', 'X' .. attempt .. u32(stalls) .. started .. now6 .. reason)
    return 'X'
  elseif kind == 'C' or kind == 'F' then
    ends.add(task, id, kind, kind .. attempt .. u32(stalls) .. started .. now6 .. sub(entry, 19))
    return kind
  end
  local stored, text = claim.stored(id)
  local token, number, state = tonumber(sub(member, length + 2)), read('>I4', attempt), 'W'
  local delay, message, past_attempts = 0, last_error, number - 1
  if kind ~= 'X' then delay = u48_at(entry, 19) or 0 end
  if kind == 'R' then message, past_attempts = sub(entry, 25), number end
  if not stored then return '-' end
  local deadline = text and expiry.of(id, text)
  if deadline and kind == 'R' and now + delay >= deadline then
    -- its next attempt would be too late
    ends.add(task, id, 'F', 'F' .. attempt .. u32(stalls) .. started .. now6 .. message)
    return 'F'
  end
  if deadline then expiry.add(task, id, deadline) end
  -- a job of a later version waits for a worker of that version
  if not text and delay == 0 then delay = 5000 end
  if kind == 'R' then
    events.add('r', task, id, attempt .. pack('>I6', now + delay), message)
  else
    events.add('l', task, id, events.due(now + delay))
  end
  if delay > 0 then
    local delays = gathered('delays')
    local list = delays[task] or {}
    delays[task] = list
    list[#list + 1] = now + delay
    list[#list + 1] = id
    state = past_attempts > 0 and 'R' or 'D'
  elseif kind == 'R' then
    line.to_back(task, id, text)
  else
    line.to_front(task, id, text)
  end
  if S.is_awaited then waiters.add_news(task, id, string.lower(state)) end
  -- one that waits for a worker of a later version comes and goes
  if text then timeline.add(id, timeline.step(kind == 'R' and 'R' or 'L', number, started, now6, kind == 'R' and message), 1) end
  local pasts = gathered('pasts')
  pasts[#pasts + 1] = id
  pasts[#pasts + 1] = history.of_leaving(token, past_attempts, stalls, message)
  return state
end

-- writes what `settle_one` has collected: places first, so that a job has a place before its lease counts as settled
local function write_returns()
  expiry.write()
  for task, list in pairs(S.delays or {}) do due.enter(task, list) end
  if S.pasts then pages(S.pasts, function(...) call('HSET', K.life, ...) end) end
  timeline.write()
end

-- Settles the settlements in the arguments from `first` on. `is_plain`: no job has a history, is cancelled or awaited. Returns
-- the new states, and the leases to remove at the end of the call, by task.
function settle.all(first, names, is_plain, keep_completed, keep_failed)
  local count = (#argv - first + 1) / 2
  local members, tasks, states, leaving = { '' }, { '' }, { '' }, {}
  for i = 1, count do
    local high, low = byte(argv[first + 2 * i - 1], 17, 18)
    members[i], tasks[i] = argv[first + 2 * i - 2], argv[names + high * 256 + low]
  end
  local valid = valid_leases(members, tasks)
  local lives, reasons, awaited = false, false, false
  if not is_plain then
    local ids = {}
    for i = 1, count do ids[i] = sub(argv[first + 2 * i - 2], 1, (byte(argv[first + 2 * i - 1], 16))) end
    if call('EXISTS', K.life) == 1 then lives = fields_of(K.life, ids) end
    if call('EXISTS', K.cancel) == 1 then reasons = fields_of(K.cancel, ids) end
    awaited = call('EXISTS', K.waiters) == 1
    S.is_awaited = awaited
  end
  local any_end, any_side = false, awaited or false
  for i = 1, count do
    local state = '-'
    if valid[i] then
      local member, task, entry = members[i], tasks[i], argv[first + 2 * i - 1]
      local past, reason = lives and lives[i], reasons and reasons[i]
      if byte(entry) == 67 and not past and not reason and not S.careful then
        state = 'C'
        ends.add(task, sub(member, 1, (byte(entry, 16))), 'C', sub(entry, 1, 15) .. now6 .. sub(entry, 19))
        any_end = true
      else
        state = settle_one(task, member, entry, past, reason)
        if past or reason then any_side = true end
        any_end, S.is_touched = true, true
      end
      local list = leaving[task]
      if list then list[#list + 1] = member else leaving[task] = { member } end
    end
    states[i] = state
  end
  write_returns()
  if any_end then ends.write(any_side, keep_completed, keep_failed) end
  return concat(states), leaving
end
