-- The transitions of workflows: a node's end counts down joins, a join at zero releases the nodes that wait for it, and an end
-- other than completion ends the workflow. Work beyond a page goes to `deferred`: R release, J count down, X cancel.
local INLINE_END = 4096 -- longer ends are not part of a claim's answer: workers fetch them

-- An ended workflow's record: state, ended (6), the number of the node that ended it plus one (4), reason.
function workflow.finish(flow, state, cause, reason)
  events.add('z', '', flow.id, state)
  flow.ended = state .. now6 .. u32(cause and cause + 1 or 0) .. (reason or '')
  flow.is_changed = true
  workflow.touch(flow)
  local list = gathered('ended')
  list[#list + 1] = flow
  if state ~= 'C' then
    local name = call('HGET', flow.key, 'k')
    if name then once.free(name, flow.id) end
    list = gathered('cancels')
    list[#list + 1] = flow
  end
end

-- removes the deadlines of these workflows; a worker that was told one of them is told another
function workflow.drop_deadlines(...)
  if call('EXISTS', K.wfdue) == 1 and call('ZREM', K.wfdue, ...) > 0 then call('DEL', K.wftimer) end
end

-- removes ended workflows from the indexes of running ones, and tells their waiters
function workflow.tell_ends()
  local flows, ids, watched, told, at = S.ended, {}, {}, false, 0
  S.ended = nil
  for i, flow in ipairs(flows) do ids[i], watched[i] = flow.id, '*' .. flow.id .. '#' end
  for _, waiting in ipairs(fields_of(K.waiters, watched)) do
    at = at + 1
    if waiting then
      local name = watched[at]
      waiters.tell(waiting, pack('B', #name) .. name .. '\1w' .. sub(flows[at].ended, 1, 1) .. ZERO4 .. ZERO4 .. ZERO6 .. now6)
      told = true
    end
  end
  workflow.flush()
  if told then pages(watched, function(...) call('HDEL', K.waiters, ...) end) end
  pages(ids, function(...)
    call('ZREM', K.wfrun, ...)
    workflow.drop_deadlines(...)
  end)
end

function workflow.expire_if_late(flow)
  local deadline = workflow.head_of(flow) and read('>I6', flow.head, 8) or 0
  if deadline > 0 and deadline <= now and flow.left and not flow.ended then workflow.finish(flow, 'E') end
end

-- Ends workflows past their deadline, at most 16; returns whether there may be more.
function workflow.expire_late()
  local late = call('ZRANGEBYSCORE', K.wfdue, '-inf', now, 'LIMIT', 0, 16)
  for _, id in ipairs(late) do
    local flow = workflow.of(id)
    if flow.left and workflow.head_of(flow) and not flow.ended then
      workflow.expire_if_late(flow)
    elseif flow.newer or flow.left and not workflow.head_of(flow) then
      -- a later version's, or damaged: looked at again later
      call('ZADD', K.wfdue, 'XX', digits(now + 5000), id)
    else
      workflow.drop_deadlines(id)
    end
  end
  return #late == 16
end

-- the reason with which the nodes of an ended workflow are cancelled
function workflow.reason_of(flow)
  local state = sub(flow.ended, 1, 1)
  if state == 'F' then return 'workflow failed' end
  if state == 'E' then return 'workflow expired' end
  if (u32_at(flow.ended, 8) or 0) > 0 then return 'workflow cancelled' end
  return sub(flow.ended, 12)
end

-- continues the release of the nodes that wait for a join
function workflow.release_rest(flow, name)
  local values = fields_of(flow.key, { 'j' .. name, 'c' .. name })
  local reached, slab = workflow.reach_of(values[1])
  -- a join that still counts has nothing to release
  if not reached or not values[2] or #values[2] < 8 then return end
  local _, slabs = read('>I4I4', values[2])
  local text, at = values[2], 9
  if slab > 0 then text, at = call('HGET', flow.key, 'c' .. name .. '.' .. digits(slab)) or '', 1 end
  workflow.release(flow, { { name = name, text = text, at = at, slab = slab, slabs = slabs, reached = reached } })
end

-- Counts down joins, each by its own number. Joins that reach zero by the same node are released together. A join that was not
-- counted down yet has no `j`: its `c` begins with the number of nodes that it waits for (4) and the number of slabs (4).
function workflow.count_down(flow, joins)
  if #joins == 0 then return end
  if #joins > 1 then
    table.sort(joins, function(a, b)
      if a.last ~= b.last then return a.last < b.last end
      return a.number < b.number
    end)
  end
  local fields, done = {}, {}
  for i, join in ipairs(joins) do
    fields[2 * i - 1], fields[2 * i] = 'j' .. join.name, 'c' .. join.name
  end
  local values = fields_of(flow.key, fields)
  for i, join in ipairs(joins) do
    local text = values[2 * i]
    if text and #text >= 8 then
      local members, slabs = read('>I4I4', text)
      local before = values[2 * i - 1]
      local counted = whole(before, U32)
      local open = (counted or members) - join.count
      if before and not counted then
        -- already released, or damaged: nothing to count
      elseif open <= 0 then
        join.text, join.slabs = text, slabs
        done[#done + 1] = join
      else
        workflow.put(flow, 'j' .. join.name, digits(open))
      end
    end
    if #done > 0 and (i == #joins or joins[i + 1].last ~= join.last) then
      workflow.release(flow, done)
      done = {}
    end
  end
end

-- adds the joins, from `from` on, of the node at this index among the ended ones; returns where to continue
function workflow.add_joins(node, from, joins, known, place)
  local total = math.min(u32_at(node, 10) or 0, floor((#node - 13) / 4))
  local to = math.min(total, from + workflow.INLINE_NODES)
  for at = from, to - 1 do
    local number = read('>I4', node, 14 + 4 * at)
    local join = known[number]
    if join then
      join.count, join.last = join.count + 1, place
    else
      join = { number = number, name = digits(number), count = 1, last = place, at = 9 }
      known[number] = join
      joins[#joins + 1] = join
    end
  end
  return to < total and to
end

-- Releases the single node after a node, if it waits for no other and no other waits for that one: their join has no `c`, but an
-- entry in `n`. There are never more of them than ended nodes, whatever else this call releases. Returns what to write for the
-- join.
function workflow.release_next(id, node)
  local join = read('>I4', node, 14)
  local number, _, delay, priority, task, _, ttl = workflow.entry_at(node, 18)
  workflow.release_node(id, number, now + delay, priority, task, ttl)
  return 'j' .. digits(join), '-' .. digits(number + 1) .. ' 0'
end

-- whether a node's `n` has the complete entry of the node after it; 255 is from a later version
local function has_next(node)
  local length = #node > 18 and byte(node, 9) or 0
  return length > 0 and length < 255 and #node >= 17 + length
end

-- goes on after these nodes of a running workflow have completed; `nodes` are their `n`, from an index on
local function advance(flow, fields, nodes, before)
  local joins, known = nil, nil
  for at, field in ipairs(fields) do
    local node = nodes[before + at]
    if not node or #node < 19 then
      -- gone, or damaged: the nodes that wait for it are unknown
    elseif has_next(node) then
      if joins then
        workflow.count_down(flow, joins)
        workflow.flush()
        joins = nil
      end
      workflow.put(flow, workflow.release_next(flow.id, node))
    elseif byte(node, 9) < 255 then
      if not joins then joins, known = {}, {} end
      local rest = workflow.add_joins(node, 0, joins, known, at)
      if rest then workflow.put_off('J', sub(field, 2), rest, flow) end
    end
  end
  if joins then workflow.count_down(flow, joins) end
end

-- Applies the ends of nodes to their workflows; consecutive nodes of one workflow together. Most are steps of a running chain,
-- which are written directly.
function workflow.write_nodes(ids, texts)
  local done = {}
  local function write(first, flow, fields, nodes, before)
    if not flow.left then return end
    local puts, count = flow.puts or {}, #fields
    for at = 1, count do
      local place = #puts
      puts[place + 1], puts[place + 2] = 'd' .. sub(fields[at], 2), texts[first + at - 1]
    end
    flow.puts, flow.left, flow.is_changed = puts, flow.left - count, true
    workflow.touch(flow)
    if flow.left == 0 then
      if not flow.ended then workflow.finish(flow, 'C') end
      done[#done + 1] = digits(read('>I6', flow.ended, 2))
      done[#done + 1] = flow.id
    elseif not flow.ended then
      advance(flow, fields, nodes, before)
    end
  end
  workflow.each_run(ids, function(i, id, number)
    local flow, field = workflow.known(id), 'n' .. number
    if flow then return write(i, flow, { field }, { call('HGET', flow.key, field) }, 0) end
    local key = K.wf .. id
    local values = call('HMGET', key, 'l', field)
    local left, node = whole(values[1], U32), values[2]
    if left and left > 1 and node and has_next(node) then
      local join, reach = workflow.release_next(id, node)
      local saves = gathered('saves')
      saves[#saves + 1] = { key, 'l', digits(left - 1), 'd' .. number, texts[i], join, reach }
      gathered('moved')[id] = true
    else
      write(i, workflow.remember(id, key, values[1]), { field }, values, 1)
    end
  end, function(first, id, fields)
    local flow, nodes, before = workflow.of(id, fields)
    write(first, flow, fields, nodes, before)
  end)
  if #done > 0 then
    workflow.flush()
    pages(done, function(...) call('ZADD', K.wfdone, ...) end)
    S.any_done = true
  end
end

-- Cancels a job: ends it, or flags it if it is active; returns whether it has ended. It leaves its line when its end is written.
function workflow.withdraw(task, id, text, past, reason)
  local place = active.place_of(task, id, text, past)
  if place == 'active' then
    call('HSETNX', K.cancel, id, reason)
    try('PUBLISH', K.cancels, id)
    return false
  end
  ends.add_idle(task, id, 'X', past, 0, reason)
  if place == 'waiting' then place = record.is_listed(text) and 'wait' or 'prio' end
  local list = gathered('leaving')
  local at = #list
  list[at + 1], list[at + 2], list[at + 3] = place, task, id
  return true
end

-- ends a page of the nodes of an ended workflow that have not ended, or flags them
function workflow.cancel_nodes(flow, from, budget)
  local total, reason = workflow.node_count(flow), workflow.reason_of(flow)
  local to = math.min(from + budget, total)
  if S.is_moved then workflow.flush() end
  for number = from, to - 1 do
    local name = digits(number)
    local done, node = unpack(call('HMGET', flow.key, 'd' .. name, 'n' .. name))
    local text = (not done or done == '') and workflow.record_in(node)
    if text then
      local id, task = '*' .. flow.id .. '#' .. name, record.task_of(text)
      local past = call('HGET', K.life, id)
      if workflow.is_released(flow, number, node) then
        workflow.withdraw(task, id, text, past, reason)
      else
        ends.add_idle(task, id, 'X', past, 0, reason)
      end
    end
  end
  if to < total then workflow.put_off('X', 'n', to, flow) end
end

-- For jobs taken from their lines: the stored data of those that may run, and for nodes their workflow's heads; and by id, for
-- nodes that waited for others, the end of the node before them, which is all that a step of a chain needs. Workers ask for
-- anything else. The nodes of ended workflows end here.
function workflow.claimable(ids, from)
  local texts, heads, befores, plain, places = {}, {}, {}, {}, {}
  local function judge(i, flow, node)
    workflow.expire_if_late(flow)
    if flow.ended and node then
      -- after a failed call, an ended node may be in line
      if not workflow.end_of(ids[i]) then
        ends.add_idle(from[i], ids[i], 'X', call('HGET', K.life, ids[i]), 0, workflow.reason_of(flow))
      end
      node = false
    end
    if flow.newer or flow.left and not workflow.head_of(flow) then
      -- a later version's: the worker finds that it cannot read it, and hands it back with a delay
      heads[i] = call('HGET', flow.key, 'm') or ''
      if flow.newer then heads[i] = '~' .. heads[i] end
    else
      heads[i] = workflow.head_of(flow)
    end
    texts[i] = heads[i] and node
  end
  workflow.each_run(ids, function(i, id, number)
    local flow, field = workflow.known(id), 'n' .. number
    if flow then return judge(i, flow, call('HGET', flow.key, field)) end
    local key = K.wf .. id
    local values = call('HMGET', key, 'l', field, 'm', 'd' .. digits(number - 1))
    local node, head, before = values[2], workflow.checked(values[3]), values[4]
    if before and #before <= INLINE_END and node and #node > 18 and byte(node, 5) < 255 then befores[ids[i]] = before end
    -- most of them run, and have no deadline
    if head and sub(head, 8, 13) == ZERO6 and whole(values[1], U32) then
      texts[i], heads[i] = node, head
    else
      flow = workflow.remember(id, key, values[1])
      flow.head = head or false
      judge(i, flow, node)
    end
  end, function(first, id, fields)
    local flow, nodes, before = workflow.of(id, fields)
    for at = 1, #fields do judge(first + at - 1, flow, nodes[before + at]) end
  end)
  for i, id in ipairs(ids) do
    if byte(id) ~= 42 then plain[#plain + 1], places[#places + 1], heads[i] = id, i, false end
  end
  for at, text in ipairs(fields_of(K.jobs, plain)) do texts[places[at]] = text end
  return texts, heads, befores
end
