-- How many jobs of a gate's task may be claimed, and what follows: its lines are closed, or open again.

-- how many jobs of these lines run; leases that this call ends leave `active` last, and no longer count
function gate.running(lines)
  local count = 0
  for _, task in ipairs(lines) do
    count = count + call('ZCOUNT', K.active .. task, '-inf', '(+inf')
    local left = S.left and S.left[task]
    if left then count = count - #left end
  end
  return count
end

-- How many more jobs of all lines may be claimed at most. For a claim to count down, the gate has `room`, the jobs that may run, and
-- `left`, the starts that its rate has. If none may, `why` says what keeps them: `p` the pause, `l` the limit, `r` the rate alone.
function gate.room(own)
  own.room = own.is_paused and 0 or own.limit and math.max(own.limit - gate.running(own.lines), 0) or math.huge
  own.why, own.left, own.is_short = own.is_paused and 'p' or 'l', math.huge, false
  if own.rate and own.room > 0 then own.left, own.why = rate.room(own), 'r' end
  own.begun = own.left
  return math.min(own.room, own.left)
end

-- What must be left for a job of a line to start: what the next one costs, and the next one of all lines of the gate. It does not matter
-- if all is left.
function gate.wanted(own, task, left)
  if not own.rate or left >= own.rate.most then return 1 end
  local wants = cost.next({ task })
  if #own.lines > 1 then wants = math.max(wants, cost.next(own.lines)) end
  return math.min(wants, own.rate.most)
end

-- whether a job of a line may be claimed, after `gate.room`
function gate.is_open(own, task)
  return own.room > 0 and own.left >= gate.wanted(own, task, own.left)
end

-- Whether a claim may begin to take jobs of a line. If no other line has this gate, it sees for itself what they cost.
function gate.may_begin(own, task)
  if not own.room then gate.room(own) end
  if not gate.has_room(own) then return false end
  if #own.lines == 1 or own.begun >= gate.wanted(own, task, own.begun) then return true end
  own.is_partly_closed = true
  return false
end

-- whether it may take more of them, as far as it knows
function gate.has_room(own)
  return own.room > 0 and own.left > 0 and not own.is_short
end

-- Whether the next job, which a claim has met, costs no more than the rate has left. If it does, no other job of the gate goes either.
function gate.fits(own, id)
  own.is_short = own.is_short or own.rate and rate.cost(own.rate, id) > own.left
  return not own.is_short
end

-- A claim takes that job.
function gate.take(own, id)
  own.room = own.room - 1
  if own.rate then own.left = own.left - rate.cost(own.rate, id) end
end

-- why no job of a task may be claimed; nothing if one may
function gate.why(task)
  local own = gate.of(task)
  if not own then return nil end
  gate.room(own)
  return not gate.is_open(own, task) and own.why or nil
end

-- when time opens a line that is not open, if it does: nothing but the rate keeps it closed, or a pause that ends by itself
function gate.opens_at(own, task)
  if own.why == 'p' then return own.pause_ends end
  return own.why == 'r' and rate.opens(own, gate.wanted(own, task, own.left)) or nil
end

-- takes a line whose gate has no room for its next job out of reach: claims do not see it
local function close(own, task)
  local at = gate.opens_at(own, task)
  if at then due.open_at(task, at) else due.no_opening(task) end
  call('SADD', K.closed, task)
  call('ZREM', K.ready, task)
  -- a wake-up may be for a delayed job, or for the opening
  if not at and call('EXISTS', K.delayed .. task, K.opening .. task) == 0 then call('DEL', K.wake .. task) end
end

local function open(task)
  local is_timed = call('ZSCORE', K.opens, task)
  if call('SREM', K.closed, task) == 0 and not is_timed then return end
  if line.still_ready(task) then
    -- below the score of the first job
    call('ZADD', K.ready, '-inf', task)
    line.wake(task)
  end
  due.no_opening(task)
  local first = due.earliest(task)
  if first then due.announce(task, tonumber(first)) end
end

-- Opens or closes the lines that share the gate of this task. Whatever changes a gate, or how many run, calls this.
function gate.judge(task)
  local own = gate.of(task)
  if not own then return open(task) end
  local is_over = own.pause_ends and own.pause_ends <= now
  if is_over then
    -- aliases stay, until somebody changes the gate
    call('HDEL', K.gate .. own.name, 'p', 'x')
    own.pause_ends = nil
  end
  if own.rate then rate.set_right(own) end
  gate.room(own)
  for _, one in ipairs(own.lines) do
    if gate.is_open(own, one) then open(one) else close(own, one) end
  end
  -- perhaps there is no gate any more
  if is_over then S.gates = nil end
end

-- Another job may be the next one of this task. It may cost less than the one for which its gate is closed.
function gate.line_changed(task)
  if call('ZSCORE', K.opens, task) then gate.judge(task) end
end

-- Opens the gate of this task if its time has come.
function gate.open_due(task)
  local function is_due()
    return (tonumber(call('ZSCORE', K.opens, task) or '') or math.huge) <= now
  end
  if not is_due() then return end
  gate.judge(task)
  -- it may be garbage, of a task that this gate does not know
  if is_due() then open(task) end
end

-- Jobs of these tasks have been leased.
function gate.start(from, ids)
  local counts = {}
  for i, task in ipairs(from) do
    local own = S.gates[task]
    if own and own.rate then counts[own] = (counts[own] or 0) + rate.cost(own.rate, ids[i]) end
  end
  for own, count in pairs(counts) do rate.add(own, count) end
end

-- Leases of these tasks (the keys) have ended. `closed` exists.
function gate.reopen(tasks)
  for task in pairs(tasks) do
    if call('SISMEMBER', K.closed, task) == 1 then gate.judge(task) end
  end
end

-- After a claim: closes the gates that it has met and that have no room, or their lines whose next job costs more than is left. Returns
-- the closed lines.
function gate.close_full()
  local shut = {}
  for _, own in pairs(S.gates or {}) do
    if own and own.room and (own.is_partly_closed or not gate.has_room(own)) and not own.is_judged then
      own.is_judged = true
      -- what was claimed may have been dropped since, so it is counted again
      gate.room(own)
      for _, task in ipairs(own.lines) do
        if not gate.is_open(own, task) then
          close(own, task)
          shut[task] = true
        end
      end
    end
  end
  return shut
end
