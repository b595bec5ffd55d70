-- Every end of a job goes through here: `ends.add` for each, then `ends.write` once. The ends of nodes are written to their
-- workflow, not to the task's indexes. An end is state, attempts (4), stalls (4), started (6, zero if no attempt ended it),
-- finished (6), then the result, message or reason. States: C completed, F failed, S stalled, X cancelled, E expired.
local SLAB = 64 -- jobs beyond the limit are removed once there are this many
ends.OWN_LIMIT = 100000 -- the limit of jobs with a caller's own id, which are kept by age

-- `text` is the end; commands with `S.careful` first look for an earlier end of the job. The list has four values per job, one
-- after the other: a table per job would cost more than everything else here.
function ends.add(task, id, state, text)
  local list = gathered('ends')
  local at = #list
  list[at + 1], list[at + 2], list[at + 3], list[at + 4] = task, id, state, text
  if S.heard ~= false then events.add_end(task, id, state, text) end
  if byte(id) == 42 and state ~= 'C' then
    -- at once, because the rest of this call must see that the workflow has ended
    local flow, number = workflow.node_of(id)
    flow = workflow.of(flow)
    if flow.left and not flow.ended then workflow.finish(flow, state == 'S' and 'F' or state, tonumber(number)) end
  end
end

-- the end of a job that no attempt has ended
function ends.add_idle(task, id, state, past, more_stalls, body)
  local attempts, stalls = history.of(past)
  ends.add(task, id, state, state .. u32(attempts) .. u32(stalls + more_stalls) .. ZERO6 .. now6 .. body)
end

-- The index of a state: a list for completed jobs, because they are many; a sorted set by time for the others. Jobs with a
-- caller's own id have separate indexes, because these are not trimmed by the usual number.
function ends.index_of(state, task, id)
  local is_own = byte(id) == 61
  if state == 'C' then return (is_own and K.owncompleted or K.completed) .. task end
  if state == 'X' then return (is_own and K.owncancelled or K.cancelled) .. task end
  if state == 'E' then return (is_own and K.ownexpired or K.expired) .. task end
  return (is_own and K.ownfailed or K.failed) .. task
end

-- removes everything about these jobs
function ends.forget(ids)
  pages(ids, function(...)
    call('HDEL', K.jobs, ...)
    call('HDEL', K.done, ...)
    if call('EXISTS', K.blobs, K.progress, K.past) == 0 then return end
    call('HDEL', K.blobs, ...)
    call('HDEL', K.past, ...)
    for i, noted in ipairs(call('HMGET', K.progress, ...)) do
      if noted then call('DEL', K.log .. select(i, ...)) end
    end
    call('HDEL', K.progress, ...)
  end)
end

-- which of these jobs with a caller's own id have a tombstone in their line, as one has that got another priority there; nothing if none
local function buried(task, ids)
  if #ids == 0 or call('EXISTS', K.tombstones .. task) == 0 then return nil end
  return call('SMISMEMBER', K.tombstones .. task, unpack(ids))
end

-- Removes the oldest `count` jobs of a list of completed ones, at most 256; returns how many it removed. A caller's own id must not become
-- free before its tombstone is gone.
function ends.drop_completed(key, count)
  count = math.min(count, 256)
  local entries = call('LRANGE', key, 0, count - 1)
  for i, entry in ipairs(entries) do entries[i] = sub(entry, 7) end
  local marks = sub(key, 1, #K.owncompleted) == K.owncompleted and buried(sub(key, #K.owncompleted + 1), entries)
  for i, mark in ipairs(marks or {}) do
    if mark == 1 then
      entries = { unpack(entries, 1, i - 1) }
      break
    end
  end
  if #entries == 0 then return 0 end
  ends.forget(entries)
  call('LTRIM', key, #entries, -1)
  return #entries
end

-- Removes these jobs from a sorted set of ended ones; returns how many it removed. A job with a tombstone in the line stays: its
-- id must not become free before the tombstone is gone.
function ends.drop_ended(task, key, ids)
  local gone = ids
  if #ids > 0 and call('EXISTS', K.tombstones .. task) == 1 then
    gone = {}
    for i, is_stale in ipairs(call('SMISMEMBER', K.tombstones .. task, unpack(ids))) do
      if is_stale == 0 then gone[#gone + 1] = ids[i] end
    end
  end
  ends.forget(gone)
  pages(gone, function(...) call('ZREM', key, ...) end)
  return #gone
end

-- Removes an ended job, at once or, if its id must not become free yet, with the next sweep.
function ends.remove(task, id, done)
  local key = ends.index_of(sub(done, 1, 1), task, id)
  local marks = byte(done) == 67 and byte(id) == 61 and buried(task, { id })
  if marks and marks[1] == 1 then
    -- until then it is cancelled
    call('HSET', K.done, id, 'X' .. sub(done, 2, 21) .. 'deleted')
    call('ZADD', K.owncancelled .. task, '0', id)
    return entries.remove(key, sub(done, 16, 21) .. id)
  end
  if byte(done) == 67 then
    ends.forget({ id })
    return entries.remove(key, sub(done, 16, 21) .. id)
  end
  call('ZADD', key, 'XX', '0', id)
  ends.drop_ended(task, key, { id })
end

-- best effort: a missing permission for these channels must not fail the command
local function push(list, ids)
  local at = -3
  pages(ids, function(...)
    for _, waiting in ipairs(call('HMGET', K.waiters, ...)) do
      at = at + 4
      if waiting then
        local task, id, text = list[at], list[at + 1], list[at + 3]
        if #text > waiters.INLINE then text = '' end
        waiters.tell(waiting, pack('B', #id) .. id .. pack('B', #task) .. task .. text)
      end
    end
    call('HDEL', K.waiters, ...)
  end)
end

local function write_some(list, any_side, keep_completed, keep_failed)
  local nodes, node_ends, done, at, completed, others = nil, nil, {}, 0, {}, nil
  local of_task, same = nil, nil -- the index of the last plain completion: most belong to one task
  for i = 1, #list, 4 do
    local task, id, state, text = list[i], list[i + 1], list[i + 2], list[i + 3]
    local kind = byte(id)
    if kind == 42 then
      if not nodes then nodes, node_ends = {}, {} end
      nodes[#nodes + 1], node_ends[#nodes + 1] = id, text
    else
      done[at + 1], done[at + 2] = id, text
      at = at + 2
      if state == 'C' then
        local index = same
        if kind == 61 then
          index = list_in(completed, ends.index_of(state, task, id))
        elseif task ~= of_task then
          of_task, index = task, list_in(completed, K.completed .. task)
          same = index
        end
        index[#index + 1] = now6 .. id
      else
        others = others or {}
        local index = list_in(others, ends.index_of(state, task, id))
        index.task = task
        -- jobs that are not kept get the oldest time
        index[#index + 1] = S.discards and S.discards[id] and 0 or now
        index[#index + 1] = id
      end
    end
  end
  pages(done, function(...) call('HSET', K.done, ...) end)
  for key, index in pairs(completed) do
    local length
    pages(index, function(...) length = call('RPUSH', key, ...) end)
    local keep = byte(index[1], 7) == 61 and ends.OWN_LIMIT or keep_completed
    if keep and length > keep + SLAB then ends.drop_completed(key, length - keep) end
  end
  for key, index in pairs(others or {}) do
    pages(index, function(...) call('ZADD', key, ...) end)
    local keep = byte(index[2]) == 61 and ends.OWN_LIMIT or keep_failed
    local length = keep and call('ZCARD', key) or 0
    if keep and length > keep + SLAB then
      ends.drop_ended(index.task, key, call('ZRANGE', key, 0, math.min(length - keep, 256) - 1))
    end
  end
  if nodes then workflow.write_nodes(nodes, node_ends) end
  if any_side then
    local ids = {}
    for i = 2, #list, 4 do ids[#ids + 1] = list[i] end
    push(list, ids)
    pages(ids, function(...)
      call('HDEL', K.life, ...)
      call('HDEL', K.cancel, ...)
    end)
  end
  if (any_side or S.is_keyed) and call('EXISTS', K.keyed) == 1 then
    local ids, states = {}, {}
    for i = 2, #list, 4 do ids[#ids + 1], states[#states + 1] = list[i], list[i + 1] end
    keyed.release(ids, nil, states)
  end
end

-- Writes the ends that `ends.add` has collected, and cancels the nodes of workflows that have ended by them. `any_side` is false
-- if no job has a history, is cancelled or awaited. With limits, jobs beyond them are removed, in batches.
function ends.write(any_side, keep_completed, keep_failed)
  local spare = workflow.INLINE_NODES
  while S.ends or S.ended or S.cancels do
    local list = S.ends
    S.ends = nil
    if list then write_some(list, any_side, keep_completed, keep_failed) end
    if S.ended then workflow.tell_ends() end
    local cancels = S.cancels
    if cancels then
      local flow = table.remove(cancels, 1)
      if #cancels == 0 then S.cancels = nil end
      if flow then
        workflow.cancel_nodes(flow, 0, spare)
        spare = math.max(spare - workflow.node_count(flow), 0)
        -- this call may have given them a history
        any_side = true
      end
    end
  end
  if S.is_moved then workflow.flush() end
  if S.leaving then
    line.leave(S.leaving)
    S.leaving = nil
  end
end
