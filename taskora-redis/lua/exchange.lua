#!lua flags=allow-oom
-- Settles attempts, then claims jobs, as one step.
-- KEYS: the prefix of all keys
-- ARGV: test clock, worker, slot, number of the call, completed jobs to keep, failed ones to keep, workflows to keep,
--   claim limit (-1: no claim), room (the limit or more), own tasks, number of names, the names of the tasks to settle, then for each settlement:
--   `<id>:<token>`, and what its end begins with (kind: C complete, F fail, R retry, X cancel, L release; attempt (4), stalls
--   (4), claimed at (6)), id length, place of the task's name (2), of a retry its delay (6), then result or error
-- Returns: one character per settlement (the new state: C, F, X, R retrying, W waiting; - refused), more (0 or 1),
--   milliseconds to the next due job (-1: none), now, one character per job (1 flagged as cancelled; empty: none is),
--   for each job token (8) and attempt (4) (empty: all are 1), then for each job: id, record (of a node: what `n` says, then
--   its workflow's head, and the end of the node before it if that may be of use to it, or nothing)
-- Events: pushes ends to who waits for them; wakes a worker per task with jobs left
--- @include "start"
--- @include "line"
--- @include "moves"
local OWN = 10
--- @include "own"
--- @include "active"
local argv = ARGV -- a local is read faster

-- What a plain call does without. To make these functions costs more than all that a plain call does.
local rare
local function rarely()
  if rare then return rare end
  --- @include "record"
  --- @include "due"
  --- @include "flow"
  --- @include "promote"
  --- @include "life"
  --- @include "token"
  --- @include "place"
  --- @include "withdraw"
  --- @include "release"
  --- @include "workflow"
  --- @include "finish"
  --- @include "todo"
  --- @include "retire"
  --- @include "settle"
  --- @include "claim"
  --- @include "repeat"
  rare = {
    settle = settle, write_nodes = write_nodes, write_settled = write_settled, write_ends = write_ends, drop_completed = drop_completed,
    work_off = work_off, retire_ended = retire_ended, promote = promote, merge = merge, claimable = claimable,
    runnable = runnable, take_timer = take_timer, answer_again = answer_again, touched = TOUCHED,
  }
  return rare
end

-- the last answer in this slot, after the number of its call and a colon
local slot = K.call .. argv[2] .. ':' .. argv[3]
local last = match(call('GETRANGE', slot, '0', '20'), '^(%d+):')
if last and tonumber(last) >= tonumber(argv[4]) then
  return rarely().answer_again(tonumber(last) == tonumber(argv[4]) and sub(call('GET', slot), #last + 2))
end

-- settle: a plain job that has completed leaves an end and an entry in the index, a node its end; all others are rare
local is_plain = call('EXISTS', K.life, K.cancel, K.waiters, K.due, K.todo) == 0
local names = tonumber(argv[11])
local first = 12 + names
local states, done, ended, completed = {}, {}, 0, nil
if #argv >= first then
  local lives, reasons, waiters
  if not is_plain then
    local ids = {}
    for i = first, #argv, 2 do ids[#ids + 1] = sub(argv[i], 1, (byte(argv[i + 1], 16))) end
    local function beside(key)
      local values = {}
      if call('EXISTS', key) == 0 then return values end
      pages(ids, function(...)
        for _, value in ipairs(call('HMGET', key, ...)) do values[#values + 1] = value end
      end)
      return values
    end
    lives, reasons, waiters = beside(K.life), beside(K.cancel), beside(K.waiters)
  end
  completed = {}
  local nodes, node_ends = {}, {}
  local task, active, list
  for at = 1, (#argv - first + 1) / 2 do
    local member, entry, state = argv[first + 2 * at - 2], argv[first + 2 * at - 1], '-'
    local length, high, low = byte(entry, 16, 18)
    if argv[11 + high * 256 + low] ~= task then
      task = argv[11 + high * 256 + low]
      active, list = K.active .. task, completed[task]
    end
    if call('ZREM', active, member) == 1 then
      local life, reason = lives and lives[at], reasons and reasons[at]
      local is_more = byte(entry) ~= 67 or life or reason or (waiters and waiters[at])
      if byte(member) == 42 and not is_more then
        state = 'C'
        nodes[#nodes + 1] = sub(member, 1, length)
        node_ends[#nodes] = sub(entry, 1, 15) .. now6 .. sub(entry, 19)
      -- once one is not plain, the rest goes its way too, so that all are kept in the order in which they have ended
      elseif rare or is_more then
        state = rarely().settle(task, member, entry, life, reason)
      else
        state = 'C'
        local id = sub(member, 1, length)
        done[ended + 1], done[ended + 2] = id, sub(entry, 1, 15) .. now6 .. sub(entry, 19)
        ended = ended + 2
        if list then
          list[#list + 1] = now6 .. id
        else
          list = { now6 .. id }
          completed[task] = list
        end
      end
    end
    states[at] = state
  end
  if ended > 0 then pages(done, function(...) call('HSET', K.done, ...) end) end
  local keep = tonumber(argv[5])
  for task, list in pairs(completed) do
    local length
    pages(list, function(...) length = call('RPUSH', K.completed .. task, ...) end)
    if length > keep + 64 then rarely().drop_completed(task, length - keep) end
  end
  if #nodes > 0 then rarely().write_nodes(nodes, node_ends) end
  if rare then rare.write_settled(not is_plain, keep, tonumber(argv[6])) end
end
states = table.concat(states)

-- what is beyond a page, and what is beyond what is kept
local more = 0
if not is_plain or rare then
  if call('EXISTS', K.todo) == 1 and rarely().work_off(256) then more = 1 end
  if rare then rare.retire_ended(tonumber(argv[7])) end
end

-- claim
local limit = tonumber(argv[8])
local ids, records, heads, befores, from, leased = {}, {}, {}, {}, {}, {}
local lives, next_due = '', -1
if limit >= 0 then
  local unfinished, changed, promoted = false, {}, false
  local dues = (not is_plain or rare) and own_due() or {}
  for _, due in ipairs(dues) do
    if due[2] <= now then
      unfinished, promoted = rarely().promote(dues, 256)
      break
    end
  end
  local ready, open, quota, length = own_ready(), {}, nil, nil
  if limit > 0 then
    for _, task in ipairs(ready) do
      local most, lease = terms(task)
      if most > 0 then
        open[#open + 1] = task
        quota, length = most, lease
      end
    end
  end
  local has_nodes, has_own = false, false
  if #open == 1 and call('EXISTS', K.prio .. open[1], K.stale .. open[1]) == 0 then
    local task = open[1]
    changed[task] = true
    -- as text, for a number would have to be written
    local entries = call('LPOP', K.wait .. task, limit <= quota and argv[8] or quota) or {}
    for i = 1, #entries do
      local entry = entries[i]
      ids[i], from[i] = sub(entry, 7), task
      local kind = byte(entry, 7)
      if kind > 41 then -- no UUID of our time
        if kind == 42 then has_nodes = true elseif kind == 61 then has_own = true end
      end
    end
  elseif #open > 0 then
    local gave_up
    has_nodes = true
    changed, gave_up = rarely().merge(open, limit, ids, from)
    unfinished = unfinished or gave_up
  end
  for _, task in ipairs(ready) do
    if not changed[task] or still_ready(task) then
      wake(task)
      if limit > 0 and #ids >= limit and not unfinished then
        -- a higher limit would have brought more of it, if its own is not reached
        local room = terms(task)
        for i = 1, room > 0 and #ids or 0 do
          if from[i] == task then room = room - 1 end
        end
        unfinished = room > 0
      end
    end
  end
  if #ids > 0 then
    if has_nodes then
      records, heads, befores = rarely().claimable(ids, from)
    else
      pages(ids, function(...)
        for _, record in ipairs(call('HMGET', K.jobs, ...)) do records[#records + 1] = record end
      end)
    end
    for i = 1, #ids do
      if not records[i] then
        ids, records, from, heads = rarely().runnable(ids, records, from, heads)
        unfinished = true
        break
      end
    end
  end
  if rare then rare.write_ends(true) end
  -- what was promoted is due no more, nor what has ended with its workflow
  if promoted or rare and #dues > 0 then dues = own_due() end
  if unfinished then more = 1 end
  if #ids > 0 then
    local tokens
    local any_life = (not is_plain or rare) and call('EXISTS', K.life) == 1
    -- the functions are made here, so that other calls need not
    if any_life or has_own or has_nodes then
      --- @include "token"
      for i = 1, has_own and 0 or #ids do
        if is_own(ids[i]) then
          has_own = true
          break
        end
      end
      if any_life or has_own then
        tokens = {}
        local behind, packed = {}, {}
        if any_life then
          pages(ids, function(...)
            for _, life in ipairs(call('HMGET', K.life, ...)) do behind[#behind + 1] = life end
          end)
        end
        for i = 1, #ids do
          local id, life, token, attempts = ids[i], behind[i], nil, 0
          if life then
            token, attempts = struct.unpack('>I8I4', life)
            token = token + 1
          else
            token = first_token(id, heads[i] or records[i], 2)
          end
          tokens[i] = string.format(':%.0f', token)
          packed[i] = struct.pack('>I8I4', token, attempts + 1)
        end
        lives = table.concat(packed)
      end
    end
    local task, args, deadline
    for i = 1, #ids do
      if from[i] ~= task then
        task = from[i]
        args = leased[task]
        if not args then
          args = { '+inf', SENTINEL }
          leased[task] = args
        end
        if #open > 1 then length = select(2, terms(task)) end
        deadline = string.format('%.0f', now + length) -- a number would be written anew for each job
      end
      local at = #args
      args[at + 1], args[at + 2] = deadline, ids[i] .. (tokens and tokens[i] or ':1')
    end
    for task, args in pairs(leased) do
      pages(args, function(...) call('ZADD', K.active .. task, 'NX', ...) end)
    end
  end
  if #dues > 0 then next_due = rarely().take_timer(dues, argv[2], #ids < tonumber(argv[9])) end
end
if rare then
  for task in pairs(rare.touched) do
    if call('SISMEMBER', K.ready, task) == 1 then wake(task) end
  end
end
for i = 1, names do
  local task = argv[11 + i]
  if not leased[task] then tidy_active(task) end
end

call('SET', slot, argv[4] .. ':' .. cmsgpack.pack({ states, more, next_due, now, lives, ids }), 'PX', '60000')
local reply, at = { states, more, next_due, now, '', lives }, 6
for i = 1, #ids do
  reply[at + 1], reply[at + 2] = ids[i], records[i]
  at = at + 2
  if heads[i] then
    reply[at + 1], reply[at + 2] = heads[i], befores[ids[i]] or ''
    at = at + 2
  end
end
return reply
