-- Workflows, moved: a node's end counts down joins, a join at zero releases the nodes that wait for it, and an end other
-- than completion ends the workflow. What is beyond a page goes to `todo`: R release, J count down, X cancel.
local INLINE_END = 4096 -- longer ends do not go with a claim: whoever needs them fetches them
local CANCELS = {} -- workflows whose nodes are to be cancelled
local ENDED = {} -- workflows whose ends are not yet told
local flows_ended = false
local finish -- see finish.lua

local function save(flow)
  local puts = flow.puts or {}
  flow.puts = false
  if flow.is_changed then
    flow.is_changed = false
    local state = digits(flow.left)
    if flow.ended then state = state .. ' ' .. flow.ended end
    if #puts <= 500 then
      call('HSET', flow.key, 'l', state, unpack(puts))
      return
    end
    call('HSET', flow.key, 'l', state)
  end
  pages(puts, function(...) call('HSET', flow.key, ...) end)
end

-- An ended workflow's record: state, ended (6), the number of the node that ended it plus one (4), reason.
local function end_workflow(flow, state, culprit, reason)
  flow.ended = state .. now6 .. struct.pack('>I4', culprit and culprit + 1 or 0) .. (reason or '')
  flow.is_changed = true
  ENDED[#ENDED + 1] = flow
  if state ~= 'C' then CANCELS[#CANCELS + 1] = flow end
end

-- writes the ends of workflows, and tells who waits for them
local function tell_ends()
  local flows, ids, watched, told, at = ENDED, {}, {}, false, 0
  ENDED = {}
  for i, flow in ipairs(flows) do
    save(flow)
    ids[i], watched[i] = flow.id, '*' .. flow.id .. '#'
  end
  if call('EXISTS', K.wfdue) == 1 then
    pages(ids, function(...) call('ZREM', K.wfdue, ...) end)
  end
  for _, tags in ipairs(fields_of(K.waiters, watched)) do
    at = at + 1
    if tags then
      local name = watched[at]
      local message = struct.pack('B', #name) .. name .. '\1w' .. sub(flows[at].ended, 1, 1) .. ZERO4 .. ZERO4 .. ZERO6 .. now6
      for tag in string.gmatch(tags, '%S+') do redis.pcall('PUBLISH', K.push .. tag, message) end
      told = true
    end
  end
  if told then
    pages(watched, function(...) call('HDEL', K.waiters, ...) end)
  end
end

local function expire_if_late(flow)
  local deadline = head_of(flow) and struct.unpack('>I6', flow.head, 8) or 0
  if deadline > 0 and deadline <= now and not flow.ended then end_workflow(flow, 'E') end
end

-- why the nodes of an ended workflow are cancelled
local function reason_of(flow)
  local state = sub(flow.ended, 1, 1)
  if state == 'F' then return 'workflow failed' end
  if state == 'E' then return 'workflow expired' end
  if struct.unpack('>I4', flow.ended, 8) > 0 then return 'workflow cancelled' end
  return sub(flow.ended, 12)
end

-- goes on with the release of the nodes that wait for a join
local function release_rest(flow, name)
  local values = fields_of(flow.key, { 'j' .. name, 'c' .. name })
  local reached, slab = reach_of(values[1])
  -- a join that still counts has nothing to release
  if not reached or not values[2] then return end
  local _, slabs = struct.unpack('>I4I4', values[2])
  local text, at = values[2], 9
  if slab > 0 then text, at = call('HGET', flow.key, 'c' .. name .. '.' .. slab) or '', 1 end
  release(flow, { { name = name, text = text, at = at, slab = slab, slabs = slabs, reached = reached } })
end

-- Counts down joins, each as often as it says. Those that come to zero by the same node are released together. A join that
-- was not counted down yet has no `j`: how many nodes it waits for (4) begins its `c`, then the number of slabs (4).
local function count_down(flow, joins)
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
    if text then
      local members, slabs = struct.unpack('>I4I4', text)
      local open = (values[2 * i - 1] or members) - join.count
      if open == 0 then
        join.text, join.slabs = text, slabs
        done[#done + 1] = join
      else
        put(flow, 'j' .. join.name, digits(open))
      end
    end
    if #done > 0 and (i == #joins or joins[i + 1].last ~= join.last) then
      release(flow, done)
      done = {}
    end
  end
end

-- adds the joins of the node with this place among those that have ended, from one of them on; answers at which to go on
local function add_joins(node, from, joins, known, place)
  local total = struct.unpack('>I4', node, 10)
  local to = math.min(total, from + INLINE_NODES)
  for at = from, to - 1 do
    local number = struct.unpack('>I4', node, 14 + 4 * at)
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

-- Releases the one node that follows a node, if it waits for nobody else and nobody else for that one: their join is no `c`,
-- but an entry in `n`. There are no more of them than nodes that have ended, whatever else this call releases. Answers what to
-- write of the join.
local function release_next(id, node)
  local join, number, _, delay, priority, task = struct.unpack('>I4I4I4I6i2Bc0', node, 14)
  release_node(id, number, now + delay, priority, task)
  return 'j' .. digits(join), '-' .. digits(number + 1) .. ' 0'
end

-- after these nodes of a running workflow have completed; `nodes` is what their `n` say, from a place on
local function advance(flow, fields, nodes, before)
  local joins, known = nil, nil
  for at, field in ipairs(fields) do
    local node = nodes[before + at]
    if not node or #node < 19 then
      -- gone, or damaged: nobody can tell who waits for it
    elseif byte(node, 9) > 0 then
      if joins then
        count_down(flow, joins)
        save(flow)
        joins = nil
      end
      put(flow, release_next(flow.id, node))
    else
      if not joins then joins, known = {}, {} end
      local rest = add_joins(node, 0, joins, known, at)
      if rest then put_off('J', sub(field, 2), rest, flow) end
    end
  end
  if joins then count_down(flow, joins) end
end

-- Writes the ends of nodes, which their workflows are told: those of one that follow each other together. Most are steps of
-- a chain that goes on: these are written as they are read, without more.
local function write_nodes(ids, ends)
  local done = {}
  local function write(first, flow, fields, nodes, before)
    if not flow.left then return end
    local puts = { 'd' .. sub(fields[1], 2), ends[first] }
    for at = 2, #fields do
      puts[2 * at - 1], puts[2 * at] = 'd' .. sub(fields[at], 2), ends[first + at - 1]
    end
    flow.puts, flow.left, flow.is_changed = puts, flow.left - #fields, true
    if flow.left == 0 then
      if not flow.ended then end_workflow(flow, 'C') end
      done[#done + 1] = digits(struct.unpack('>I6', flow.ended, 2))
      done[#done + 1] = flow.id
    elseif not flow.ended then
      advance(flow, fields, nodes, before)
    end
    save(flow)
  end
  each_run(ids, function(i, id, number)
    local flow, field = FLOWS[id], 'n' .. number
    if flow then return write(i, flow, { field }, { call('HGET', flow.key, field) }, 0) end
    local key = K.wf .. id
    local values = call('HMGET', key, 'l', field)
    local left, node = tonumber(values[1] or ''), values[2]
    if left and left > 1 and node and #node > 18 and byte(node, 9) > 0 then
      call('HSET', key, 'l', digits(left - 1), 'd' .. number, ends[i], release_next(id, node))
    else
      write(i, remember_flow(id, key, values[1]), { field }, values, 1)
    end
  end, function(first, id, fields)
    local flow, nodes, before = flow_of(id, fields)
    write(first, flow, fields, nodes, before)
  end)
  line_up()
  if #done > 0 then
    pages(done, function(...) call('ZADD', K.wfdone, ...) end)
    flows_ended = true
  end
end

-- ends a page of the nodes of an ended workflow that have not ended, or flags them
local function cancel_nodes(flow, from, budget)
  local total, reason = node_count(flow), reason_of(flow)
  local to = math.min(from + budget, total)
  for number = from, to - 1 do
    if call('HEXISTS', flow.key, 'd' .. number) == 0 then
      local id, node = '*' .. flow.id .. '#' .. number, call('HGET', flow.key, 'n' .. number)
      local record = record_in(node)
      if record then
        local task, life = task_of(record), call('HGET', K.life, id)
        local attempts, stalls = life_of(life)
        if not is_released(flow, number, node) or withdraw(task, id, record, life, reason) then
          finish(task, id, 'X', u32(attempts), u32(stalls), ZERO6, reason)
        end
      end
    end
  end
  if to < total then put_off('X', 'n', to, flow) end
end

-- Of jobs taken out of their lines: the records of those that may run, and of nodes their workflow's heads; and by id, of
-- those that wait for others, the end of the node before them, for that is what a step of a chain is made of. Whoever
-- needs more asks for it. The nodes of ended workflows end here.
local function claimable(ids, from)
  local records, heads, befores, plain, places = {}, {}, {}, {}, {}
  local function judge(i, flow, node)
    expire_if_late(flow)
    if flow.ended and node then
      local attempts, stalls = life_of(call('HGET', K.life, ids[i]))
      finish(from[i], ids[i], 'X', u32(attempts), u32(stalls), ZERO6, reason_of(flow))
      node = false
    end
    heads[i] = head_of(flow)
    records[i] = heads[i] and node
  end
  each_run(ids, function(i, id, number)
    local flow, field = FLOWS[id], 'n' .. number
    if flow then return judge(i, flow, call('HGET', flow.key, field)) end
    local key = K.wf .. id
    local values = call('HMGET', key, 'l', field, 'm', 'd' .. digits(number - 1))
    local node, head, before = values[2], checked(values[3]), values[4]
    if before and #before <= INLINE_END and node and #node > 18 and byte(node, 5) < 255 then befores[ids[i]] = before end
    -- most of them run, and have no deadline
    if head and sub(head, 8, 13) == ZERO6 and tonumber(values[1] or '') then
      records[i], heads[i] = node, head
    else
      flow = remember_flow(id, key, values[1])
      flow.head = head
      judge(i, flow, node)
    end
  end, function(first, id, fields)
    local flow, nodes, before = flow_of(id, fields)
    for at = 1, #fields do judge(first + at - 1, flow, nodes[before + at]) end
  end)
  for i, id in ipairs(ids) do
    if byte(id) ~= 42 then plain[#plain + 1], places[#places + 1], heads[i] = id, i, false end
  end
  for at, record in ipairs(fields_of(K.jobs, plain)) do records[places[at]] = record end
  return records, heads, befores
end
