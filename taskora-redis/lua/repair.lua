#!lua flags=allow-oom
-- Repairs one thing that a check has found, if it is still so.
-- KEYS: the prefix of all keys
-- ARGV: test clock, code, role, task, entry, and what the code needs beside: see the functions
-- Returns: F repaired, G it is not so any more
-- Events: wakes a worker if a job comes back to its line; tells who waits for what has ended
--- @include "start"
--- @include "record"
--- @include "line"
--- @include "moves"
--- @include "due"
--- @include "life"
--- @include "token"
--- @include "active"
--- @include "flow"
--- @include "place"
--- @include "withdraw"
--- @include "release"
--- @include "workflow"
--- @include "finish"
--- @include "pending"
--- @include "facts"
--- @include "faults"
--- @include "entry"

local code, role, task, entry = ARGV[2], ARGV[3], ARGV[4], ARGV[5]

local function is_marked(id)
  return call('SISMEMBER', K.stale .. task, id) == 1
end

-- D, M: an entry that does not belong here
local function remove_entry()
  local id, token = entry, nil
  if role == 'active' then
    id, token = match(entry, '^(.*):(%d+)$')
  elseif role == 'wait' or role == 'completed' then
    id = sub(entry, 7)
  end
  local marked = role == 'wait' and is_marked(id)
  local found = wrong_entry(role, task, facts_of({ id })[1], tonumber(token), marked)
  if found ~= 'D' and found ~= 'M' then return false end
  if role == 'wait' or role == 'completed' then return fill_in(role, task, entry) end
  local keys = {
    active = K.active .. task, delayed = K.delayed .. task, prio = K.prio .. task,
    failed = K.failed .. task, cancelled = K.cancelled .. task, expired = K.expired .. task,
  }
  if call('ZREM', keys[role], entry) == 0 then return false end
  tidy_active(task)
  still_ready(task)
  plan(task)
  return true
end

-- T: a mark on a job that has not ended
local function remove_false_mark()
  local id = role == 'wait' and sub(entry, 7) or entry
  local f = facts_of({ id })[1]
  if not f.record or f.unreadable or f.done then return false end
  return call('SREM', K.stale .. task, id) == 1
end

-- K: a mark without an entry; beside: its stamp
local function remove_mark()
  if not has_stayed('stale', task, facts_of({ entry })[1], ARGV[6]) then return false end
  return call('SREM', K.stale .. task, entry) == 1
end

-- U: a second entry of a job; beside: the other one, which stays
local function remove_second()
  if not find_entry(K.wait .. task, ARGV[6]) then return false end
  return fill_in('wait', task, entry)
end

-- L: a job that is in no index; beside: where it belongs, and its stamp if only a pass could tell. It comes back with the
-- next token: whoever repairs it at the same time, or still holds it, finds another job than the one it knows.
local function put_back()
  local home, stamp, f = ARGV[6], ARGV[7], facts_of({ entry })[1]
  if not f.record or f.unreadable or home_of(f) ~= home then return false end
  if stamp and stamp_of(f) ~= stamp or not stamp and f[home] then return false end
  task = f.task
  call('SADD', K.tasks, task)
  if home == 'wait' or home == 'prio' then
    local attempts, stalls, message = life_of(f.life)
    live_on(f.id, f.token, attempts, stalls, message)
    to_front(task, f.id, f.priority)
    wake(task)
    return true
  end
  if home == 'completed' then
    for _, known in ipairs(call('LRANGE', K.completed .. task, -500, -1)) do
      if sub(known, 7) == f.id then return false end
    end
    call('RPUSH', K.completed .. task, now6 .. f.id)
    return true
  end
  local at = f.ended and struct.unpack('>I6', f.ended, 16) or now
  return call('ZADD', index_of(f.done, task), at, f.id) == 1
end

-- O: a part of a job that is gone, or that it has no use for any more
local function remove_part()
  local watched = role == 'waiters' and byte(entry) == 42 and match(entry, '^%*(.*)#$')
  if watched then
    local flow = flow_of(watched)
    if flow.left and not flow.ended then return false end
  elseif not is_leftover(role, facts_of({ entry })[1]) then
    return false
  end
  if role == 'log' then return call('UNLINK', K.log .. entry) == 1 end
  if role == 'waiters' then
    -- they ask again, and learn what there is to know
    local message = struct.pack('B', #entry) .. entry .. '\1?'
    for tag in string.gmatch(call('HGET', K.waiters, entry) or '', '%S+') do
      redis.pcall('PUBLISH', K.push .. tag, message)
    end
  end
  local keys = {
    done = K.done, life = K.life, cancel = K.cancel, blobs = K.blobs, progress = K.progress, waiters = K.waiters,
  }
  return call('HDEL', keys[role], entry) == 1
end

-- G: a log of which its job does not know
local function note_log()
  local f = facts_of({ entry })[1]
  if wrong_log(f) ~= 'G' then return false end
  if f.is_node then return call('SADD', K.noted .. f.flow.id, f.number) == 1 end
  return call('HSETNX', K.progress, entry, '') == 1
end

-- F: something about a task as a whole
local function put_task_right()
  if faults_of(task) == '' then return false end
  if still_ready(task) then
    call('SADD', K.ready, task)
    wake(task)
  end
  tidy_active(task)
  local first = plan(task)
  if first then announce(task, first) end
  if call('EXISTS', K.wait .. task, K.prio .. task, K.delayed .. task, K.active .. task) > 0 then
    call('SADD', K.tasks, task)
  end
  return true
end

-- N: what is noted of a workflow that is gone
local function remove_noted()
  if call('EXISTS', K.wf .. entry) == 1 then return false end
  return call('UNLINK', K.noted .. entry) == 1
end

-- W, i: a workflow that is in a wrong index, or lacks in one
local function put_flow_right()
  local flow = flow_of(entry)
  local deadline = head_of(flow) and not flow.ended and struct.unpack('>I6', flow.head, 8) or 0
  if deadline > 0 then call('ZADD', K.wfdue, deadline, entry) else call('ZREM', K.wfdue, entry) end
  if flow.ended and #flow.ended >= 7 and flow.left == 0 then
    call('ZADD', K.wfdone, 'NX', (struct.unpack('>I6', flow.ended, 2)), entry)
  else
    call('ZREM', K.wfdone, entry)
  end
  return true
end

-- What follows is about a running or ended workflow whose number of open nodes is what it was, beside: that number. It
-- only falls, so that no node has ended since the check has counted.
local function unchanged_flow()
  local flow = flow_of(entry)
  if not head_of(flow) or (flow.left and digits(flow.left) or '') ~= ARGV[6] then return nil end
  return flow
end

-- l: the number is wrong; beside: what it should be, and whether all nodes have completed
local function set_open()
  local flow = unchanged_flow()
  if not flow then return false end
  flow.left, flow.is_changed = tonumber(ARGV[7]), true
  if not flow.ended and ARGV[8] == '1' then end_workflow(flow, 'C') end
  write_ends(true)
  save(flow)
  return put_flow_right()
end

-- e: it runs, and a node has ended it; beside: that node
local function end_flow()
  local flow = unchanged_flow()
  local done = flow and not flow.ended and call('HGET', flow.key, 'd' .. ARGV[7])
  local state = done and match(done, '^[FSXE]')
  if not state then return false end
  end_workflow(flow, state == 'S' and 'F' or state, tonumber(ARGV[7]))
  write_ends(true)
  return put_flow_right()
end

-- x: it has ended, and its nodes do not follow
local function wind_up()
  local flow = unchanged_flow()
  if not flow or not flow.ended or is_pending(entry) then return false end
  put_off('X', 'n', 0, flow)
  return true
end

-- j: the count of a join is wrong, or it has released and not all of them followed; beside: the join, its count, what it
-- should be, and the node that it follows if that keeps the entry of the only one that waits for it
local function set_join()
  local flow = unchanged_flow()
  local field = 'j' .. ARGV[7]
  if not flow or flow.ended or is_pending(entry) or (call('HGET', flow.key, field) or '') ~= ARGV[8] then return false end
  local node = ARGV[10] ~= '' and call('HGET', flow.key, 'n' .. ARGV[10])
  if node and reach_of(ARGV[9]) then
    put(flow, release_next(flow.id, node))
    save(flow)
    line_up()
    return true
  end
  call('HSET', flow.key, field, ARGV[9])
  if reach_of(ARGV[9]) then put_off('R', ARGV[7], 0, flow) end
  return true
end

local repairs = {
  D = remove_entry, M = remove_entry, T = remove_false_mark, K = remove_mark, U = remove_second, L = put_back,
  O = remove_part, G = note_log, F = put_task_right, N = remove_noted, W = put_flow_right, i = put_flow_right, l = set_open, e = end_flow,
  x = wind_up, j = set_join,
}
local repaired = repairs[code]()
wake_touched()
return repaired and 'F' or 'G'
