-- Deadlines to start: `ttls` has the expiring jobs of a task by deadline, while they are in line or delayed. A job's deadline is
-- in its record, a node's is in `x` of its workflow.
expiry.PAGE = 256 -- the most jobs that one claim, or one sweep over all tasks, expires

-- a job with a deadline joins its line or is delayed; `expiry.write` must run before that
function expiry.add(task, id, deadline)
  local ttls = gathered('ttls')
  local list = ttls[task]
  if not list then
    list = {}
    ttls[task] = list
  end
  -- many have the same one
  if list.last ~= deadline then list.last, list.text = deadline, format('%.0f', deadline) end
  local at = #list
  list[at + 1], list[at + 2] = list.text, id
end

-- The record of a job whose time to start runs from when it is ready. `expiry.write` must follow.
function expiry.start(task, id, text, at, ready)
  local deadline = expiry.sum(math.max(ready, now), (read('>I6', text, at + 1)))
  expiry.add(task, id, deadline)
  return record.with_deadline(text, at, pack('>I6', deadline))
end

function expiry.write()
  local ttls = S.ttls
  if not ttls then return end
  S.ttls = nil
  for task, list in pairs(ttls) do
    pages(list, function(...) call('ZADD', K.ttls .. task, ...) end)
  end
end

-- writes the deadlines of nodes, once their workflows exist
function expiry.write_nodes()
  local starts = S.starts or {}
  S.starts = nil
  for _, start in ipairs(starts) do call('HSET', unpack(start)) end
end

-- a node of this workflow becomes ready at a time
function expiry.add_node(task, id, flow, number, ready, ttl)
  local deadline = expiry.sum(math.max(ready, now), ttl)
  expiry.add(task, id, deadline)
  local starts = gathered('starts')
  starts[#starts + 1] = { K.wf .. flow, 'x' .. digits(number), digits(deadline) }
end

-- a time that six bytes hold
function expiry.sum(ready, ttl)
  return math.min(ready + ttl, 281474976710655)
end

-- the deadline of a job whose record is this; nothing if it has none
function expiry.of(id, text)
  local at = record.ttl_at(text)
  if not at then return nil end
  if byte(id) ~= 42 then return read('>I6', text, at + 7) end
  local flow, number = workflow.node_of(id)
  return tonumber(call('HGET', K.wf .. flow, 'x' .. number) or '')
end

-- these jobs are no longer in line or delayed
function expiry.leave(task, ids)
  pages(ids, function(...) call('ZREM', K.ttls .. task, ...) end)
end

-- Ends a job that was not started in time, unless it has started or ended. `is_out`: a claim has it, and removes it from its line
-- last; otherwise its place is looked up.
local function judge(task, id, is_out)
  local text, done, flow = workflow.job_of(id)
  if not text or done then
    -- it was removed, or has ended
    return expiry.leave(task, { id })
  end
  if record.is_newer(text) then
    -- it waits for a worker of that later version
    call('ZADD', K.ttls .. task, 'XX', digits(now + 5000), id)
    if is_out then due.enter(task, { now + 5000, id }) end
    return
  end
  local past, place = call('HGET', K.life, id), nil
  if not is_out or S.careful then place = active.place_of(task, id, text, past) end
  if place == 'active' then return expiry.leave(task, { id }) end
  if flow then workflow.expire_if_late(flow) end
  if flow and flow.ended then
    ends.add_idle(task, id, 'X', past, 0, workflow.reason_of(flow))
  else
    ends.add_idle(task, id, 'E', past, 0, '')
    if not flow and record.is_discarded(text) then gathered('discards')[id] = true end
  end
  if is_out and place ~= 'delayed' then return expiry.leave(task, { id }) end
  if place == 'waiting' then place = record.is_listed(text) and 'wait' or 'prio' end
  local list = gathered('leaving')
  local at = #list
  list[at + 1], list[at + 2], list[at + 3] = place, task, id
end

-- jobs that a claim has met in lines: tasks and ids, alternating
function expiry.end_claimed(late)
  for i = 1, #late, 2 do judge(late[i], late[i + 1], true) end
end

-- expires unclaimed jobs of a task; returns how many it looked at
function expiry.sweep(task, budget)
  local late = call('ZRANGEBYSCORE', K.ttls .. task, '-inf', now, 'LIMIT', 0, budget)
  for _, id in ipairs(late) do judge(task, id, false) end
  return #late
end
