-- The one way in which a job ends, however it ends: `finish` for each, then `write_ends` once. The ends of a
-- workflow's nodes are written to it, and not to the task's indexes.
-- An end is state, attempts (4), stalls (4), started (6, zero if no attempt ended it), finished (6), then the result, message or
-- reason. States: C completed, F failed, S stalled, X cancelled, E expired.
local ENDS = {}
local INLINE = 32768 -- longer ends are not pushed: whoever waits fetches them

finish = function(task, id, state, attempts, stalls, started, body)
  ENDS[#ENDS + 1] = { task, id, state, state .. attempts .. stalls .. started .. now6 .. body }
  if byte(id) == 42 and state ~= 'C' then
    -- at once, for what comes later in this call belongs to a workflow that has ended
    local flow, number = node_of(id)
    flow = flow_of(flow)
    if flow.left and not flow.ended then end_workflow(flow, state == 'S' and 'F' or state, tonumber(number)) end
  end
end

-- the index of a state: completed jobs in a list, for they are many; the others in a sorted set by time
local function index_of(state, task)
  if state == 'C' then return K.completed .. task end
  if state == 'X' then return K.cancelled .. task end
  if state == 'E' then return K.expired .. task end
  return K.failed .. task
end

-- everything of these jobs goes
local function forget(ids)
  pages(ids, function(...)
    call('HDEL', K.jobs, ...)
    call('HDEL', K.done, ...)
    if call('EXISTS', K.blobs, K.progress) == 0 then return end
    call('HDEL', K.blobs, ...)
    for i, noted in ipairs(call('HMGET', K.progress, ...)) do
      if noted then call('DEL', K.log .. select(i, ...)) end
    end
    call('HDEL', K.progress, ...)
  end)
end

-- removes the oldest `count` completed jobs; answers how many went
local function drop_completed(task, count)
  local entries = call('LPOP', K.completed .. task, math.min(count, 256))
  if not entries then return 0 end
  for i, entry in ipairs(entries) do entries[i] = sub(entry, 7) end
  forget(entries)
  return #entries
end

-- removes these jobs from an index of failed, cancelled or expired ones; answers how many went. One whose place in the
-- line is still a tombstone stays: its id must not become free before the tombstone is gone.
local function drop_ended(task, index, ids)
  local gone = ids
  if index == K.cancelled .. task and #ids > 0 and call('EXISTS', K.stale .. task) == 1 then
    gone = {}
    for i, is_stale in ipairs(call('SMISMEMBER', K.stale .. task, unpack(ids))) do
      if is_stale == 0 then gone[#gone + 1] = ids[i] end
    end
  end
  pages(gone, function(...) call('ZREM', index, ...) end)
  forget(gone)
  return #gone
end

-- best effort: a user without these channels must not undo what is written
local function push_ends(ends, ids)
  local at = 0
  pages(ids, function(...)
    for _, tags in ipairs(call('HMGET', K.waiters, ...)) do
      at = at + 1
      if tags then
        local task, id, record = ends[at][1], ends[at][2], ends[at][4]
        if #record > INLINE then record = '' end
        local message = struct.pack('B', #id) .. id .. struct.pack('B', #task) .. task .. record
        for tag in string.gmatch(tags, '%S+') do redis.pcall('PUBLISH', K.push .. tag, message) end
      end
    end
    call('HDEL', K.waiters, ...)
  end)
end

local function write_some(ends, any_side, keep_completed, keep_failed)
  local ids, nodes, node_ends, done, completed, others = {}, {}, {}, {}, {}, {}
  for i, job in ipairs(ends) do
    local task, id, state = job[1], job[2], job[3]
    ids[i] = id
    if byte(id) == 42 then
      nodes[#nodes + 1], node_ends[#nodes + 1] = id, job[4]
    else
      done[#done + 1] = id
      done[#done + 1] = job[4]
      if state == 'C' then
        local list = completed[task]
        if not list then
          list = {}
          completed[task] = list
        end
        list[#list + 1] = now6 .. id
      else
        local index = index_of(state, task)
        call('ZADD', index, now, id)
        others[index] = task
      end
    end
  end
  pages(done, function(...) call('HSET', K.done, ...) end)
  if any_side then
    pages(ids, function(...)
      call('HDEL', K.life, ...)
      call('HDEL', K.cancel, ...)
    end)
    push_ends(ends, ids)
  end
  for task, list in pairs(completed) do
    local length
    pages(list, function(...) length = call('RPUSH', K.completed .. task, ...) end)
    if keep_completed and length > keep_completed + 64 then drop_completed(task, length - keep_completed) end
  end
  for index, task in pairs(others) do
    if not keep_failed then break end
    local length = call('ZCARD', index)
    if length > keep_failed + 64 then
      drop_ended(task, index, call('ZRANGE', index, 0, math.min(length - keep_failed, 256) - 1))
    end
  end
  if #nodes > 0 then write_nodes(nodes, node_ends) end
end

-- writes what `finish` has gathered, and cancels the nodes of workflows that have ended by it. `any_side` is false if nobody
-- has a life, is cancelled or awaited. With limits, jobs beyond them are removed, in slabs: only when 64 are.
local function write_ends(any_side, keep_completed, keep_failed)
  local spare = INLINE_NODES
  while #ENDS > 0 or #ENDED > 0 or #CANCELS > 0 do
    local ends = ENDS
    ENDS = {}
    if #ends > 0 then write_some(ends, any_side, keep_completed, keep_failed) end
    if #ENDED > 0 then tell_ends() end
    local flow = table.remove(CANCELS, 1)
    if flow then
      cancel_nodes(flow, 0, spare)
      spare = math.max(spare - node_count(flow), 0)
      -- they may have a life since this call
      any_side = true
    end
  end
end
