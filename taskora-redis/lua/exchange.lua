#!lua flags=allow-oom
-- Settles attempts, then claims jobs, as one step.
-- KEYS: the prefix of all keys
-- ARGV: test clock, worker, slot, number of the call, completed jobs to keep, failed ones to keep, workflows to keep,
--   claim limit (-1: no claim), own tasks, number of names, the names of the tasks to settle, then for each settlement:
--   `<id>:<token>`, head, body. A head is kind (C complete, F fail, R retry, X cancel, L release), id length, place of the task's name
--   (2), attempt (4), claimed at (6), delay (6), token (4)
-- Returns: one character per settlement (the new state: C, F, X, R retrying, W waiting; - refused), more (0 or 1),
--   milliseconds to the next due job (-1: none), now, one character per job (1 flagged as cancelled; empty: none is),
--   then for each job: id, record (of a node: after the length of its workflow's head, and the head), token, attempt
-- Events: pushes ends to who waits for them; wakes a worker per task with jobs left
--- @include "start"
--- @include "record"
--- @include "line"
--- @include "moves"
--- @include "due"
local OWN = 9
--- @include "own"
--- @include "flow"
--- @include "promote"
--- @include "life"
--- @include "active"
--- @include "place"
--- @include "withdraw"
--- @include "workflow"
--- @include "finish"
--- @include "todo"
--- @include "retire"

local slot = K.call .. ARGV[2] .. ':' .. ARGV[3]
local saved = call('GET', slot)
if saved then
  saved = cmsgpack.unpack(saved)
  if saved[1] == ARGV[4] then
    local reply, ids, flags = { saved[2], saved[3], saved[4], saved[5], '' }, saved[6], {}
    if #ids > 0 then
      local records, flows = records_of(ids)
      for id, nodes in pairs(flows or {}) do
        local flow = flow_of(id)
        for _, place in ipairs(nodes.places) do
          records[place] = flow.head and records[place] and with_head(flow, records[place])
        end
      end
      for i, record in ipairs(records) do
        if record then
          local at = #reply
          flags[#flags + 1] = call('HEXISTS', K.cancel, ids[i])
          reply[at + 1], reply[at + 2], reply[at + 3], reply[at + 4] = ids[i], record, saved[7][i], saved[8][i]
        end
      end
    end
    reply[5] = table.concat(flags)
    return reply
  end
end

-- settle
local any_side = call('EXISTS', K.life, K.cancel, K.waiters) > 0
local any_life = any_side and call('EXISTS', K.life) == 1
local names = tonumber(ARGV[10])
local first = 11 + names
local settled, groups, touched = {}, {}, {}
if #ARGV >= first then
  for i = first, #ARGV, 3 do
    local _, _, high, low = byte(ARGV[i + 1], 1, 4)
    local place = high * 256 + low
    local group = groups[place]
    if not group then
      group = { task = ARGV[10 + place], members = {}, valid = {} }
      groups[place] = group
    end
    group.members[#group.members + 1] = ARGV[i]
  end
  for _, group in pairs(groups) do
    local only, at = #group.members == 1 and group.members[1], 0
    if only then
      group.valid[only] = call('ZREM', K.active .. group.task, only) == 1 or nil
    else
      pages(group.members, function(...)
        for _, deadline in ipairs(call('ZMSCORE', K.active .. group.task, ...)) do
          at = at + 1
          if deadline then group.valid[group.members[at]] = true end
        end
        call('ZREM', K.active .. group.task, ...)
      end)
    end
  end
  local any_cancel = any_side and call('EXISTS', K.cancel) == 1
  for i = first, #ARGV, 3 do
    local member, head, body = ARGV[i], ARGV[i + 1], ARGV[i + 2]
    local kind, length, high, low = byte(head, 1, 4)
    local group = groups[high * 256 + low]
    local task, id, state = group.task, sub(member, 1, length), '-'
    if group.valid[member] then
      local attempt, started = sub(head, 5, 8), sub(head, 9, 14)
      local stalls4, _, stalls, last_error = ZERO4, nil, 0, false
      if any_life then
        local life = call('HGET', K.life, id)
        if life then
          _, _, stalls, last_error = life_of(life)
          stalls4 = u32(stalls)
        end
      end
      local reason = any_cancel and call('HGET', K.cancel, id)
      if reason then
        state = 'X'
        finish(task, id, state, attempt, stalls4, started, reason)
      elseif kind == 67 or kind == 70 then
        state = string.char(kind)
        finish(task, id, state, attempt, stalls4, started, body)
      else
        local record = record_of(id)
        local number, _, delay, token = struct.unpack('>I4c6I6I4', sub(head, 5, 24))
        if not record then
          state = '-'
        elseif kind == 82 then
          live_on(id, token, number, stalls, body)
          any_life = true
          if delay > 0 then
            state = 'R'
            call('ZADD', K.delayed .. task, now + delay, id)
            touched[task] = 'delayed'
          else
            state = 'W'
            to_back(task, id, priority_of(record))
            touched[task] = touched[task] or 'ready'
          end
        else
          state = 'W'
          live_on(id, token, number - 1, stalls, last_error)
          any_life = true
          to_front(task, id, priority_of(record))
          touched[task] = touched[task] or 'ready'
        end
      end
      group.valid[member] = nil
    end
    settled[#settled + 1] = state
  end
  for task, what in pairs(touched) do
    if what == 'delayed' then announce(task, plan(task)) end
  end
  write_ends(any_side, tonumber(ARGV[5]), tonumber(ARGV[6]))
end
settled = table.concat(settled)

-- what is beyond a page, and what is beyond what is kept
local more = call('EXISTS', K.todo) == 1 and work_off(256) and 1 or 0
if flows_ended then
  local beyond = call('ZCARD', K.wfdone) - tonumber(ARGV[7])
  if beyond > 0 then retire(call('ZRANGE', K.wfdone, 0, math.min(beyond, 64) - 1)) end
end

-- claim
--- @include "claim"

local limit = tonumber(ARGV[8])
local ids, tokens, attempts, records, from = {}, {}, {}, {}, {}
local leases = {}
local next_due = -1
if limit >= 0 then
  local unfinished, dues
  ids, records, from, unfinished, dues = claim(limit, own_due())
  write_ends(true)
  if unfinished then more = 1 end
  if #ids >= limit then more = 0 end
  if #ids > 0 then
    local lives = any_life and call('HMGET', K.life, unpack(ids))
    for i, id in ipairs(ids) do
      local token, attempt = 1, 1
      if lives and lives[i] then
        local claims, ended = life_of(lives[i])
        token, attempt = claims + 1, ended + 1
      end
      tokens[i], attempts[i] = token, attempt
      local task = from[i]
      local lease = leases[task]
      if not lease then
        local _, length = terms(task)
        lease = { deadline = now + length, args = { '+inf', SENTINEL } }
        leases[task] = lease
      end
      local args = lease.args
      args[#args + 1] = lease.deadline
      args[#args + 1] = id .. ':' .. token
    end
    for task, lease in pairs(leases) do
      pages(lease.args, function(...) call('ZADD', K.active .. task, 'NX', ...) end)
    end
  end
  next_due = take_timer(dues, ARGV[2], #ids < limit)
end
for task in pairs(TOUCHED) do touched[task] = true end
for task in pairs(touched) do
  if call('SISMEMBER', K.ready, task) == 1 then wake(task) end
end
for _, group in pairs(groups) do
  if not leases[group.task] then tidy_active(group.task) end
end

call('SET', slot, cmsgpack.pack({ ARGV[4], settled, more, next_due, now, ids, tokens, attempts }), 'PX', 60000)
local reply, at = { settled, more, next_due, now, '' }, 5
for i, id in ipairs(ids) do
  reply[at + 1], reply[at + 2], reply[at + 3], reply[at + 4] = id, records[i], tokens[i], attempts[i]
  at = at + 4
end
return reply
