-- flags: allow-oom
-- Repairs one finding of a check, if it is still true.
-- Arguments: code; role; task; entry; then what else the code needs (`more`): see the functions
-- Returns: F repaired, G it is no longer true
-- Events: wakes a worker if a job comes back to its line; tells waiters about ends
local role, task, entry
local LISTS = { wait = true, completed = true, owncompleted = true }

local function is_marked(id)
  return call('SISMEMBER', K.tombstones .. task, id) == 1
end

-- M: a job that neither waits in this lane nor holds its key, or that is no item of it; more: the key
local function remove_stray()
  local key = argv[A.more]
  if #lanes.strays(task, key, { entry }, role == 'came') == 0 then return false end
  if role == 'lane' then call('ZREM', lanes.name_of(task, key), entry) end
  gather.leave(task, key, { entry })
  lanes.freed(task, key)
  return true
end

-- q: a lane (the entry) that is not where it belongs
local function put_lane_right()
  if not lanes.is_wrong(task, entry) then return false end
  if gather.is_lane(entry) then gather.mend(task, entry) end
  -- it may be in both
  if call('ZSCORE', K.turns .. task, entry) then call('ZREM', K.parked .. task, entry) end
  if call('ZREM', K.opening .. task, entry) == 1 then lanes.plan(task) end
  lanes.freed(task, entry)
  call('ZADD', K.ready, 'XX', '-inf', task)
  line.still_ready(task)
  return true
end

-- D, M: an entry that does not belong here
local function remove_entry()
  if role == 'lane' or role == 'came' then return remove_stray() end
  local id, token = entry, nil
  if role == 'active' then
    id, token = match(entry, '^(.*):(%d+)$')
  elseif LISTS[role] then
    id = sub(entry, 7)
  end
  local marked = role == 'wait' and is_marked(id)
  local f = snapshot.of({ id })[1]
  local found = snapshot.wrong_entry(role, task, f, tonumber(token), marked)
  if found ~= 'D' and found ~= 'M' then return false end
  if role == 'active' and f.record and not f.unreadable and not snapshot.is_leftover('life', f) then
    -- a worker may hold this lease: the next one must be different
    local attempts, stalls, message, last = history.of(f.life)
    call('HSET', K.life, id, history.of_leaving(math.max(last, tonumber(token)), attempts, stalls, message))
  end
  if LISTS[role] then return entries.fill_in(role, task, entry) end
  if role == 'laned' then
    lanes.remove(task, call('HGET', K.laned .. task, id), { id })
    return true
  end
  if call('ZREM', K[role] .. task, entry) == 0 then return false end
  active.tidy(task)
  line.still_ready(task)
  due.plan(task)
  if role == 'active' then gate.judge(task) end
  return true
end

-- s, S: a schedule that is not looked at in time, or what is kept of none
local function put_schedule_right()
  return schedules.repair(role, entry)
end

-- ?: an entry that names no job
local function remove_garbage()
  if role == 'sched' then return schedules.repair(role, entry) end
  if role == 'rules' then return not gather.is_lane(match(entry, '^!?(.*)$')) and call('HDEL', K.rules .. task, entry) == 1 end
  if role == 'jobs' then return call('HDEL', K.jobs, entry) == 1 end
  if LISTS[role] then
    if #entry > 6 then return false end
    local removed = entries.remove_near(K[role] .. task, entry)
    if role == 'wait' then line.still_ready(task) end
    return removed
  end
  if role ~= 'active' or match(entry, '^.*:%d+$') then return false end
  active.leave(task, { entry })
  active.tidy(task)
  gate.judge(task)
  return true
end

-- t: moves a key of the wrong type, or a counter that is not a number, out of the way; more: the type that it should have
local function set_aside()
  local kind, wanted = call('TYPE', entry).ok, argv[A.more]
  local is_counter = entry == K.seq or entry == K.front
  if kind == 'none' or kind == wanted and (not is_counter or line.is_counter(call('GET', entry))) then return false end
  call('RENAME', entry, K.aside .. sub(entry, #K.aside - 5))
  if entry == K.seq then
    -- numbers continue after those in line
    local last = 0
    local names = call('TYPE', K.tasks).ok == 'set' and call('SRANDMEMBER', K.tasks, 500) or {}
    for _, name in ipairs(names) do
      local back = call('TYPE', K.wait .. name).ok == 'list' and call('LINDEX', K.wait .. name, -1)
      last = math.max(last, back and u48_at(back, 1) or 0)
    end
    call('SET', K.seq, digits(math.max(last - line.BASE, 0)))
  end
  return true
end

-- T: a mark on a job that has not ended
local function remove_false_mark()
  local id = role == 'wait' and sub(entry, 7) or entry
  local f = snapshot.of({ id })[1]
  if not f.record or f.unreadable or f.done then return false end
  return call('SREM', K.tombstones .. task, id) == 1
end

-- K: a mark without an entry; more: its stamp
local function remove_mark()
  if not snapshot.has_stayed('tombstones', task, snapshot.of({ entry })[1], argv[A.more]) then return false end
  return call('SREM', K.tombstones .. task, entry) == 1
end

-- U: a second entry of a job; more: the other one, which stays
local function remove_second()
  if not entries.find(K.wait .. task, argv[A.more]) then return false end
  return entries.fill_in('wait', task, entry)
end

-- L: a job that is in no index; more: where it belongs, and its stamp if only a pass could find it. It comes back with the next
-- token, so that a concurrent repair, or a worker that still holds it, no longer matches it.
local function put_back()
  local home, stamp, f = argv[A.more], argv[A.more + 1], snapshot.of({ entry })[1]
  if not f.record or f.unreadable or f.is_newer then return false end
  if home == 'ttls' then
    -- its time starts again, because its beginning is unknown
    local at = snapshot.expires(f) and not f.ttls and record.ttl_at(f.record)
    if not at then return false end
    return call('ZADD', K.ttls .. f.task, digits(expiry.of(f.id, f.record) or now + read('>I6', f.record, at + 1)), f.id) == 1
  end
  if snapshot.home_of(f) ~= home then return false end
  if stamp and snapshot.stamp_of(f) ~= stamp or not stamp and f[home] then return false end
  task = f.task
  call('SADD', K.tasks, task)
  if home == 'wait' or home == 'prio' or home == 'laned' then
    local attempts, stalls, message, last = history.of(f.life)
    local token = tokens.after(last, f.id, f.flow and f.flow.head or f.record, tokens.epoch())
    line.to_front(task, f.id, f.record, not history.was_claimed(f.life, f.record))
    call('HSET', K.life, f.id, history.of_leaving(token, attempts, stalls, message))
    return true
  end
  if LISTS[home] then
    for _, known in ipairs(call('LRANGE', K[home] .. task, -500, -1)) do
      if sub(known, 7) == f.id then return false end
    end
    call('RPUSH', K[home] .. task, now6 .. f.id)
    return true
  end
  local at = f.ended and read('>I6', f.ended, 16) or now
  return call('ZADD', ends.index_of(f.done, task, f.id), at, f.id) == 1
end

-- O: a part of a job that is gone, or that no longer needs it
local function remove_part()
  local watched = role == 'waiters' and byte(entry) == 42 and match(entry, '^%*(.*)#$')
  if watched then
    local flow = workflow.of(watched)
    if flow.left and not flow.ended then return false end
  elseif not snapshot.is_leftover(role, snapshot.of({ entry })[1]) then
    return false
  end
  if role == 'log' then return call('UNLINK', K.log .. entry) == 1 end
  if role == 'waiters' then
    -- the waiters ask again, and get the current state
    waiters.tell(call('HGET', K.waiters, entry) or '', pack('B', #entry) .. entry .. '\1?')
  end
  if role == 'held' then
    local text = workflow.job_of(entry)
    if text and record.is_readable(text) then
      lanes.drop(record.task_of(text), entry)
      return true
    end
  end
  if role == 'keyed' then
    keyed.release({ entry })
    return true
  end
  return call('HDEL', K[role], entry) == 1
end

-- k: a key whose owner does not own it
local function free_key()
  return not keyed.owner(entry) and call('HDEL', K.uniq, entry) == 1
end

-- G: a log that its job does not know about
local function note_log()
  local f = snapshot.of({ entry })[1]
  if snapshot.wrong_log(f) ~= 'G' then return false end
  if f.is_node then return call('SADD', K.noted .. f.flow.id, f.number) == 1 end
  return call('HSETNX', K.progress, entry, '') == 1
end

-- F: the data about a task as a whole
local function put_task_right()
  if invariants.of(task) == '' then return false end
  gate.judge(task)
  lanes.plan(task)
  if line.still_ready(task) and call('SISMEMBER', K.closed, task) == 0 then
    -- below the score of the first entry
    call('ZADD', K.ready, '-inf', task)
    line.wake(task)
  end
  active.tidy(task)
  local first = due.plan(task)
  if first then due.announce(task, first) end
  if call('EXISTS', K.wait .. task, K.prio .. task, K.turns .. task, K.parked .. task, K.delayed .. task, K.active .. task) > 0 then
    call('SADD', K.tasks, task)
  end
  return true
end

-- N: notes of a workflow that is gone, or staged data that does not expire
local function remove_noted()
  if role == 'stage' then return call('PTTL', K.stage .. entry) == -1 and call('UNLINK', K.stage .. entry) == 1 end
  if call('EXISTS', K.wf .. entry) == 1 then return false end
  return call('UNLINK', K.noted .. entry) == 1
end

-- W, i: a workflow that is in a wrong index, or missing from one
local function put_workflow_right()
  local flow = workflow.of(entry)
  if workflow.is_newer(flow) then return false end
  local head = workflow.head_of(flow)
  local is_running = head and flow.left and not flow.ended
  local deadline = is_running and read('>I6', head, 8) or 0
  if deadline > 0 then call('ZADD', K.wfdue, deadline, entry) else workflow.drop_deadlines(entry) end
  if is_running then call('ZADD', K.wfrun, 'NX', read('>I6', head, 2), entry) else call('ZREM', K.wfrun, entry) end
  if flow.ended and #flow.ended >= 7 and flow.left == 0 then
    call('ZADD', K.wfdone, 'NX', (read('>I6', flow.ended, 2)), entry)
  else
    call('ZREM', K.wfdone, entry)
  end
  return true
end

-- The functions below repair a running or ended workflow whose number of open nodes has not changed; more: that number. It only
-- falls, so no node has ended since the check counted.
local function unchanged_workflow()
  local flow = workflow.of(entry)
  if not workflow.head_of(flow) or flow.newer == '~' or (flow.left and digits(flow.left) or '') ~= argv[A.more] then return nil end
  return flow
end

-- l: the number is wrong; more: the right number, and whether all nodes have completed
local function set_open()
  local flow = unchanged_workflow()
  if not flow then return false end
  flow.left, flow.newer, flow.is_changed = tonumber(argv[A.more + 1]), false, true
  workflow.touch(flow)
  if not flow.ended and argv[A.more + 2] == '1' then workflow.finish(flow, 'C') end
  ends.write(true)
  return put_workflow_right()
end

-- e: it runs, although a node has ended it; more: that node
local function end_flow()
  local flow = unchanged_workflow()
  local done = flow and not flow.ended and call('HGET', flow.key, 'd' .. argv[A.more + 1])
  local state = done and match(done, '^[FSXE]')
  if not state then return false end
  workflow.finish(flow, state == 'S' and 'F' or state, tonumber(argv[A.more + 1]))
  ends.write(true)
  return put_workflow_right()
end

-- x: it has ended, but its nodes do not end
local function wind_up()
  local flow = unchanged_workflow()
  if not flow or not flow.ended or deferred.has(entry) then return false end
  workflow.put_off('X', 'n', 0, flow)
  return true
end

-- j: the count of a join is wrong, or it has released but not all nodes followed; more: the join, its count, the right count, and
-- the node before it if that node has the entry of the only node that waits for it
local function set_join()
  local flow = unchanged_workflow()
  local field = 'j' .. argv[A.more + 1]
  if not flow or flow.ended or deferred.has(entry) or (call('HGET', flow.key, field) or '') ~= argv[A.more + 2] then return false end
  local node = argv[A.more + 4] ~= '' and call('HGET', flow.key, 'n' .. argv[A.more + 4])
  if node and workflow.reach_of(argv[A.more + 3]) then
    workflow.put(flow, workflow.release_next(flow.id, node))
    workflow.flush()
    return true
  end
  call('HSET', flow.key, field, argv[A.more + 3])
  if workflow.reach_of(argv[A.more + 3]) then workflow.put_off('R', argv[A.more + 1], 0, flow) end
  return true
end

local repairs = {
  D = remove_entry, M = remove_entry, T = remove_false_mark, K = remove_mark, U = remove_second, L = put_back,
  O = remove_part, k = free_key, G = note_log, F = put_task_right, N = remove_noted, W = put_workflow_right, i = put_workflow_right,
  q = put_lane_right, l = set_open, e = end_flow, x = wind_up, j = set_join, t = set_aside, s = put_schedule_right, S = put_schedule_right,
  ['?'] = remove_garbage,
}

function commands.repair()
  role, task, entry = argv[A.role], argv[A.task], argv[A.entry]
  if not repairs[argv[A.code]]() then return 'G' end
  gate.line_changed(task)
  return 'F'
end
