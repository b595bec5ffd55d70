-- Workflows, moved: a node's end counts down joins, a join at zero releases the nodes that wait for it, and an end other
-- than completion ends the workflow. What is beyond a page goes to `todo`: R release, J count down, X cancel.
local INLINE_NODES = 64
local CANCELS = {} -- workflows whose nodes are to be cancelled
local ENDED = {} -- workflows whose ends are not yet told
local LINES, RELEASED = {}, 0 -- released nodes that are not yet in line, by task; how many go to the end of a line
local TOUCHED = {} -- tasks with released nodes
local spare_releases = INLINE_NODES
local flows_ended = false
local finish -- see finish.lua

local function put_off(kind, what, from, flow)
  call('RPUSH', K.todo, kind .. what .. ':' .. from .. ' ' .. flow.id)
end

-- what is written to a workflow is gathered, and written at once
local function put(flow, field, value)
  local puts = flow.puts
  if puts then
    local at = #puts
    puts[at + 1], puts[at + 2] = field, value
  else
    flow.puts = { field, value }
  end
end

local function save(flow)
  local puts = flow.puts or {}
  flow.puts = false
  if flow.is_changed then
    flow.is_changed = false
    local ended = flow.ended or ''
    local state = struct.pack('>I4I4', flow.left, #ended) .. ended .. flow.head
    if #puts <= 500 then
      call('HSET', flow.key, 'm', state, unpack(puts))
      return
    end
    call('HSET', flow.key, 'm', state)
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
  local flows, watched, late, told, at = ENDED, {}, {}, false, 0
  ENDED = {}
  for i, flow in ipairs(flows) do
    save(flow)
    watched[i] = '*' .. flow.id .. '#'
    if struct.unpack('>I6', flow.head, 8) > 0 then late[#late + 1] = flow.id end
  end
  pages(late, function(...) call('ZREM', K.wfdue, ...) end)
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
  local deadline = struct.unpack('>I6', flow.head, 8)
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

-- takes a released node down for `line_up`
local function release_node(flow, number, due, priority, task)
  local line, list = LINES[task], 'delayed'
  if not line then
    line = { wait = {}, prio = {}, delayed = {} }
    LINES[task] = line
  end
  if due <= now then
    RELEASED = RELEASED + 1
    due, list = RELEASED, 'wait'
    if priority ~= 0 then due, list = due - priority * BAND, 'prio' end
  end
  list = line[list]
  local at = #list
  list[at + 1], list[at + 2] = due, '*' .. flow.id .. '#' .. digits(number)
end

-- Releases nodes that wait for these joins, as many as this call has room for, in the order of their numbers; the rest is
-- put off. A join is its name, and how far it is: slab, number of slabs, text of the slab and where its next entry is in it,
-- and the number that all released nodes are below. An entry is first and last node (4 each), delay (6), priority (2), length
-- of the task's name, the name.
local function release(flow, joins)
  local several, base = #joins > 1 and {}, now
  for _, join in ipairs(joins) do
    local text, at, slab, reached, is_left = join.text, join.at, join.slab or 0, join.reached or 0, false
    -- roots wait for the time that the workflow was started for
    if join.name == 'r' then base = math.max(now, (struct.unpack('>I6', flow.head, 14))) end
    while not is_left do
      if at > #text then
        slab = slab + 1
        text, at = slab < (join.slabs or 1) and call('HGET', flow.key, 'c' .. join.name .. '.' .. slab), 1
        if not text then break end
      end
      local first, last, delay, priority, task, next_at = struct.unpack('>I4I4I6i2Bc0', text, at)
      for number = math.max(first, reached), last do
        if spare_releases <= 0 then
          is_left = true
          break
        end
        spare_releases = spare_releases - 1
        reached = number + 1
        if several then
          several[#several + 1] = { number, base + delay, priority, task }
        else
          release_node(flow, number, base + delay, priority, task)
        end
      end
      at = next_at
    end
    if not join.is_whole then put(flow, 'j' .. join.name, string.format('-%d %d', reached, slab)) end
    if is_left then put_off('R', join.name, 0, flow) end
  end
  if several then
    table.sort(several, function(a, b) return a[1] < b[1] end)
    for _, node in ipairs(several) do release_node(flow, unpack(node)) end
  end
end

-- puts the released nodes in line
local function line_up()
  local seq = RELEASED > 0 and BASE + call('INCRBY', K.seq, RELEASED) - RELEASED
  for task, line in pairs(LINES) do
    local entries, prio = {}, line.prio
    for i = 1, #line.wait, 2 do
      entries[#entries + 1] = struct.pack('>I6', seq + line.wait[i]) .. line.wait[i + 1]
    end
    for i = 1, #prio, 2 do prio[i] = prio[i] + seq end
    pages(entries, function(...) call('RPUSH', K.wait .. task, ...) end)
    pages(prio, function(...) call('ZADD', K.prio .. task, ...) end)
    pages(line.delayed, function(...) call('ZADD', K.delayed .. task, ...) end)
    if #entries + #prio > 0 then
      if call('SADD', K.ready, task) == 1 then call('SADD', K.tasks, task) end
      TOUCHED[task] = true
    end
    if #line.delayed > 0 then
      call('SADD', K.tasks, task)
      announce(task, plan(task))
    end
  end
  LINES, RELEASED = {}, 0
end

local function wake_touched()
  for task in pairs(TOUCHED) do wake(task) end
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
local function add_joins(about, from, joins, known, place)
  local total = struct.unpack('>I4', about, 6)
  local to = math.min(total, from + INLINE_NODES)
  for at = from, to - 1 do
    local number = struct.unpack('>I4', about, 10 + 4 * at)
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
-- but an entry in `n`. There are no more of them than nodes that have ended, whatever else this call releases.
local function release_next(flow, about)
  local number, _, delay, priority, task = struct.unpack('>I4I4I6i2Bc0', about, 14)
  release_node(flow, number, now + delay, priority, task)
  put(flow, 'j' .. digits(struct.unpack('>I4', about, 10)), '-' .. digits(number + 1) .. ' 0')
end

-- after these nodes of a running workflow have completed; `abouts` is what their `n` say, from a place on
local function advance(flow, fields, abouts, before)
  local joins, known = nil, nil
  for at, field in ipairs(fields) do
    local about = abouts[before + at]
    if about and byte(about, 5) > 0 then
      if joins then
        count_down(flow, joins)
        save(flow)
        joins = nil
      end
      release_next(flow, about)
    elseif about then
      if not joins then joins, known = {}, {} end
      local rest = add_joins(about, 0, joins, known, at)
      if rest then put_off('J', sub(field, 2), rest, flow) end
    end
  end
  if joins then count_down(flow, joins) end
end

-- writes the ends of nodes, which their workflows are told: those of one that follow each other together
local function write_nodes(ids, ends)
  local done, i = {}, 1
  while i <= #ids do
    local id, fields = run_of(ids, i, 'n')
    local flow, abouts, before = flow_of(id, fields)
    if flow.head then
      local puts = { 'd' .. sub(fields[1], 2), ends[i][4] }
      for at = 2, #fields do
        puts[2 * at - 1], puts[2 * at] = 'd' .. sub(fields[at], 2), ends[i + at - 1][4]
      end
      flow.puts, flow.left, flow.is_changed = puts, flow.left - #fields, true
      if flow.left == 0 then
        if not flow.ended then end_workflow(flow, 'C') end
        done[#done + 1] = digits(struct.unpack('>I6', flow.ended, 2))
        done[#done + 1] = flow.id
      elseif not flow.ended then
        advance(flow, fields, abouts, before)
      end
      save(flow)
    end
    i = i + #fields
  end
  line_up()
  if #done > 0 then
    pages(done, function(...) call('ZADD', K.wfdone, ...) end)
    flows_ended = true
  end
end

-- ends a page of the nodes of an ended workflow that have not ended, or flags them
local function cancel_nodes(flow, from, budget)
  local total, reason = struct.unpack('>I4', flow.head, 20), reason_of(flow)
  local to = math.min(from + budget, total)
  for number = from, to - 1 do
    if call('HEXISTS', flow.key, 'd' .. number) == 0 then
      local id, record = '*' .. flow.id .. '#' .. number, call('HGET', flow.key, 'p' .. number)
      if record then
        local task, life = task_of(record), call('HGET', K.life, id)
        local attempts, stalls = life_of(life)
        if not is_released(flow, number) or withdraw(task, id, record, life, reason) then
          finish(task, id, 'X', u32(attempts), u32(stalls), ZERO6, reason)
        end
      end
    end
  end
  if to < total then put_off('X', 'n', to, flow) end
end

-- of jobs taken out of their lines: the records of those that may run; the nodes of ended workflows end here
local function claimable(ids, from)
  local records, owners = records_of(ids)
  for i, flow in ipairs(owners or {}) do
    local record = records[i]
    if flow and record then
      if flow.head then expire_if_late(flow) end
      if flow.ended then
        local attempts, stalls = life_of(call('HGET', K.life, ids[i]))
        finish(from[i], ids[i], 'X', u32(attempts), u32(stalls), ZERO6, reason_of(flow))
        record = false
      end
      records[i] = record and flow.head and with_head(flow, record)
    end
  end
  return records
end
