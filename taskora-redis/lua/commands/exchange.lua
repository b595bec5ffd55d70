-- flags: allow-oom
-- Settles attempts, then claims jobs, in one step.
-- Arguments: worker; slot; number of the call; completed jobs to keep, failed ones, workflows; claim limit (-1: no claim); room
--   (the limit or more); own tasks; number of names, the names of the tasks to settle, then for each settlement its lease and its
--   entry, see lib/settle.lua
-- Returns: one character per settlement (the new state: C, F, X, R retrying, D delayed, W waiting; - refused), more (0 or 1),
--   milliseconds to the next due job (-1: none), now, one character per job (1 flagged as cancelled, 2 it holds its key, 3 both;
--   empty: none of it), for each job token (8) and attempt (4) (empty: the token that follows and attempt 1), the token of first
--   claims, milliseconds until this worker is to ask for due schedules (-1: it is not), for each job the number of its batch (2; 0: it
--   is in none; empty: there are none), then for each job: id, record (for a node:
--   its `n`, then its workflow's head, and the end of the node before it if it may need that, or nothing)
-- Events: pushes ends to waiters; wakes a worker per task with jobs left
function commands.exchange()
  S.tasks = argv[A.tasks]
  local names = tonumber(argv[A.names])
  local first = A.names + 1 + names
  -- the last answer in this slot, after the number of its call and a colon
  local slot = K.call .. argv[A.worker] .. ':' .. argv[A.slot]
  local last = match(call('GETRANGE', slot, '0', '20'), '^(%d+):')
  if last and tonumber(last) >= tonumber(argv[A.number]) then
    local saved = tonumber(last) == tonumber(argv[A.number]) and sub(call('GET', slot), #last + 2)
    return replay.answer(saved, (#argv - first + 1) / 2, argv[A.limit] ~= '-1')
  end

  -- a plain job that has completed leaves an end and an entry in the index, a node its end; all others are rare
  local side = call('EXISTS', K.life, K.cancel, K.waiters, K.deferred, K.due, K.damaged, K.wfdue, K.keyed, K.closed, K.held, K.opens, K.ears)
  local has_due, has_closed, has_held, has_opens, deadline = false, false, false, false, nil
  if side > 0 then
    -- often the only one
    has_closed = call('EXISTS', K.closed) == 1
    if has_closed then side = side - 1 end
  end
  if side > 0 then
    -- and so is this one
    has_due = call('EXISTS', K.due) == 1
    if has_due then side = side - 1 end
  end
  if side > 0 and has_due then
    -- what time opens is due, too
    has_opens = call('EXISTS', K.opens) == 1
    if has_opens then side = side - 1 end
  end
  if side > 0 then
    S.careful = call('EXISTS', K.damaged) == 1
    deadline = tonumber(call('ZRANGE', K.wfdue, 0, 0, 'WITHSCORES')[2] or '')
    if deadline then side = side - 1 end
    S.is_keyed = call('EXISTS', K.keyed) == 1
    if S.is_keyed then side = side - 1 end
    has_held = call('EXISTS', K.held) == 1
    if has_held then side = side - 1 end
  end
  if side > 0 and not has_opens then
    has_opens = call('EXISTS', K.opens) == 1
    if has_opens then side = side - 1 end
  end
  if side == 0 then
    S.heard = false
  elseif events.has_ears() then
    side = side - 1
  end
  local is_plain = side == 0
  S.has_opens = has_opens
  local states, leaving = '', nil
  if #argv >= first then
    states, leaving = settle.all(first, A.names, is_plain, tonumber(argv[A.keep_completed]), tonumber(argv[A.keep_failed]))
    S.left = leaving
    if has_held then lanes.let_leases_go(leaving) end
    if has_closed then gate.reopen(leaving) end
    if S.is_touched then
      is_plain = false
      has_due = call('EXISTS', K.due) == 1
    end
  end
  local more = 0
  if not is_plain and call('EXISTS', K.deferred) == 1 and deferred.work_off(256) then more = 1 end
  if S.any_done then retire.beyond(tonumber(argv[A.keep_workflows])) end

  local limit = tonumber(argv[A.limit])
  local ids, texts, heads, befores, lives, leases, unfinished = {}, {}, {}, {}, '', {}, false
  local next_due, next_tick = -1, -1
  if limit >= 0 then
    local dues, promoted, is_left = {}, 0, false
    if deadline and deadline <= now then
      if workflow.expire_late() then more = 1 end
      ends.write(true)
      is_plain, has_due = false, call('EXISTS', K.due) == 1
    end
    if has_due then
      dues = due.first()
      if #dues > 0 and dues[1][2] <= now then is_left, promoted = due.promote(dues, 128) end
    end
    ids, texts, heads, befores, lives, leases, unfinished = claim.run(limit, argv[A.limit], is_plain)
    -- a gate that its rate has closed opens by time
    if S.is_touched and not has_due then has_due = call('EXISTS', K.due) == 1 end
    if unfinished or is_left then more = 1 end
    if has_due then
      -- promoted jobs are no longer due, nor are jobs that have ended with their workflow
      if promoted > 0 or S.is_touched then dues = due.first() end
      next_due = due.take_timer(dues, argv[A.worker], claim.places(ids) < tonumber(argv[A.room]))
      -- ticks need no free slot; a worker that leaves passes them on
      if S.ticks then next_tick = due.take_timer({ { schedules.SELF, S.ticks } }, argv[A.worker], limit > 0) end
    end
    if deadline then
      deadline = tonumber(call('ZRANGE', K.wfdue, 0, 0, 'WITHSCORES')[2] or '')
      local wait = deadline and due.take_deadline(deadline, argv[A.worker], claim.places(ids) < tonumber(argv[A.room])) or -1
      if wait >= 0 and (next_due < 0 or wait < next_due) then next_due = wait end
    end
  end

  local base, numbers = tokens.first('', false, tokens.epoch()), {}
  if S.batches then
    for i, id in ipairs(ids) do numbers[i] = pack('>I2', S.batches[id] and S.batches[id] + 1 or 0) end
  end
  local batches = concat(numbers)
  call('SET', slot, argv[A.number] .. ':' .. cmsgpack.pack({ states, more, next_due, now, lives, ids, base, next_tick, batches }),
    'PX', '60000')
  for task, members in pairs(leaving or {}) do
    active.leave(task, members)
    if not leases[task] then active.tidy(task) end
  end
  local flags = ''
  if S.holders then
    for i, id in ipairs(ids) do flags = flags .. (S.holders[id] and '2' or '0') end
  end
  local reply, at = { states, more, next_due, now, flags, lives, base, next_tick, batches }, 9
  for i = 1, #ids do
    reply[at + 1], reply[at + 2] = ids[i], texts[i]
    at = at + 2
    if heads[i] then
      reply[at + 1], reply[at + 2] = heads[i], befores[ids[i]] or ''
      at = at + 2
    end
  end
  return reply
end
