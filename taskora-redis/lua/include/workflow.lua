-- Workflows, moved: a node's end counts down joins, a join at zero releases the nodes that wait for it, and an end other
-- than completion ends the workflow. What is beyond a page goes to `todo`: R release, J count down, X cancel.
local INLINE_NODES = 64
local CANCELS, TOUCHED = {}, {} -- workflows whose nodes are to be cancelled; tasks with released nodes
local spare_releases = INLINE_NODES
local flows_ended = false
local finish -- see finish.lua

local function put_off(kind, what, from, flow)
  call('RPUSH', K.todo, kind .. what .. ':' .. from .. ' ' .. flow.id)
end

-- An ended workflow's record: state, ended (6), the number of the node that ended it plus one (4), reason.
local function end_workflow(flow, state, culprit, reason)
  flow.ended = state .. now6 .. struct.pack('>I4', culprit and culprit + 1 or 0) .. (reason or '')
  call('HSET', flow.key, 's', flow.ended)
  if struct.unpack('>I6', flow.head, 8) > 0 then call('ZREM', K.wfdue, flow.id) end
  local watched = '*' .. flow.id .. '#'
  local tags = call('HGET', K.waiters, watched)
  if tags then
    local message = struct.pack('B', #watched) .. watched .. '\1w' .. state .. ZERO4 .. ZERO4 .. ZERO6 .. now6
    for tag in string.gmatch(tags, '%S+') do redis.pcall('PUBLISH', K.push .. tag, message) end
    call('HDEL', K.waiters, watched)
  end
  if state ~= 'C' then CANCELS[#CANCELS + 1] = flow end
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

-- makes at most `budget` of the nodes ready that wait for these joins, in the order of their numbers; answers how many,
-- and the joins of which some are left
local function release(flow, joins, budget)
  local numbers, reached, left = {}, {}, {}
  for _, join in ipairs(joins) do
    local values, before = call('HMGET', flow.key, 'c' .. join, 'j' .. join), #numbers
    local from, is_left = 0 - tonumber(values[2] or 0), false
    -- a join that still counts has nothing to release
    if from < 0 then values[1] = false end
    for at = 1, values[1] and #values[1] or 0, 8 do
      local first, last = struct.unpack('>I4I4', values[1], at)
      for number = math.max(first, from), last do
        if #numbers == budget then
          is_left = true
          break
        end
        numbers[#numbers + 1] = number
      end
      if is_left then break end
    end
    if is_left then left[#left + 1] = join end
    if #numbers > before then
      reached[#reached + 1] = 'j' .. join
      reached[#reached + 1] = 0 - numbers[#numbers] - 1
    end
  end
  if #joins > 1 then table.sort(numbers) end
  local count = #numbers
  if count == 0 then return 0, left end
  local fields, records = {}, {}
  for i, number in ipairs(numbers) do fields[i] = 'p' .. number end
  pages(fields, function(...)
    for _, record in ipairs(call('HMGET', flow.key, ...)) do records[#records + 1] = record end
  end)
  -- roots wait for the time that the workflow was started for
  local base = joins[1] == 'r' and math.max(now, (struct.unpack('>I6', flow.head, 14))) or now
  local seq = BASE + call('INCRBY', K.seq, count) - count
  local order, lines = {}, {}
  for i, record in ipairs(records) do
    if record then
      local id, task = '*' .. flow.id .. '#' .. numbers[i], task_of(record)
      local line = lines[task]
      if not line then
        line = { wait = {}, prio = {}, delayed = {} }
        lines[task] = line
        order[#order + 1] = task
      end
      local at = base
      if byte(record, 8) % 8 >= 4 then at = at + struct.unpack('>I6', record, 15 + #task) end
      local priority = priority_of(record)
      if at > now then
        line.delayed[#line.delayed + 1] = at
        line.delayed[#line.delayed + 1] = id
      elseif priority == 0 then
        line.wait[#line.wait + 1] = struct.pack('>I6', seq + i) .. id
      else
        line.prio[#line.prio + 1] = seq + i - priority * BAND
        line.prio[#line.prio + 1] = id
      end
    end
  end
  pages(reached, function(...) call('HSET', flow.key, ...) end)
  for _, task in ipairs(order) do
    local line = lines[task]
    pages(line.wait, function(...) call('RPUSH', K.wait .. task, ...) end)
    pages(line.prio, function(...) call('ZADD', K.prio .. task, ...) end)
    pages(line.delayed, function(...) call('ZADD', K.delayed .. task, ...) end)
    if #line.wait + #line.prio > 0 then
      if call('SADD', K.ready, task) == 1 then call('SADD', K.tasks, task) end
      TOUCHED[task] = true
    end
    if #line.delayed > 0 then
      call('SADD', K.tasks, task)
      announce(task, plan(task))
    end
  end
  return count, left
end

local function wake_touched()
  for task in pairs(TOUCHED) do wake(task) end
end

-- releases what this call still has room for
local function release_some(flow, joins)
  local count, left = release(flow, joins, spare_releases)
  spare_releases = spare_releases - count
  for _, join in ipairs(left) do put_off('R', join, 0, flow) end
end

-- Counts down joins, each as often as it says. Those that come to zero by the same node are released together.
local function count_down(flow, order, counts, last)
  if #order > 1 then
    table.sort(order, function(a, b)
      if last[a] ~= last[b] then return last[a] < last[b] end
      return a < b
    end)
  end
  local done = {}
  for i, join in ipairs(order) do
    if call('HINCRBY', flow.key, 'j' .. join, -counts[join]) == 0 then done[#done + 1] = join end
    if #done > 0 and last[join] ~= last[order[i + 1]] then
      release_some(flow, done)
      done = {}
    end
  end
end

-- adds the joins of a node, from one of them on; answers at which to go on
local function add_joins(about, from, order, counts, last)
  local total = struct.unpack('>I4', about, 5)
  local to = math.min(total, from + INLINE_NODES)
  last.count = (last.count or 0) + 1
  for at = from, to - 1 do
    local join = struct.unpack('>I4', about, 9 + 4 * at)
    if not counts[join] then
      counts[join] = 0
      order[#order + 1] = join
    end
    counts[join] = counts[join] + 1
    last[join] = last.count
  end
  return to < total and to
end

-- after these nodes of a running workflow have completed
local function advance(flow, numbers)
  local fields, order, counts, last, at = {}, {}, {}, {}, 0
  for i, number in ipairs(numbers) do fields[i] = 'n' .. number end
  pages(fields, function(...)
    for _, about in ipairs(call('HMGET', flow.key, ...)) do
      at = at + 1
      local rest = about and add_joins(about, 0, order, counts, last)
      if rest then put_off('J', numbers[at], rest, flow) end
    end
  end)
  count_down(flow, order, counts, last)
end

-- writes the ends of nodes, which their workflows are told
local function write_nodes(ends)
  local order, groups = {}, {}
  for _, job in ipairs(ends) do
    local id, number = node_of(job[2])
    local group = groups[id]
    if not group then
      group = { fields = {}, completed = {} }
      groups[id] = group
      order[#order + 1] = id
    end
    group.fields[#group.fields + 1] = 'd' .. number
    group.fields[#group.fields + 1] = job[4]
    if job[3] == 'C' then group.completed[#group.completed + 1] = number end
  end
  for _, id in ipairs(order) do
    local flow, group = flow_of(id), groups[id]
    if flow.head then
      pages(group.fields, function(...) call('HSET', flow.key, ...) end)
      if call('HINCRBY', flow.key, 'l', -#group.fields / 2) == 0 then
        if not flow.ended then end_workflow(flow, 'C') end
        call('ZADD', K.wfdone, (struct.unpack('>I6', flow.ended, 2)), flow.id)
        flows_ended = true
      elseif not flow.ended then
        advance(flow, group.completed)
      end
    end
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
        local task, claims, attempts, stalls = task_of(record), life_of(call('HGET', K.life, id))
        if not is_released(flow, number) or withdraw(task, id, record, claims, reason) then
          finish(task, id, 'X', u32(attempts), u32(stalls), ZERO6, reason)
        end
      end
    end
  end
  if to < total then put_off('X', 'n', to, flow) end
end

-- of jobs taken out of their lines: the records of those that may run; the nodes of ended workflows end here
local function claimable(ids, from)
  local records, flows = records_of(ids)
  for id, nodes in pairs(flows or {}) do
    local flow = flow_of(id)
    if flow.head then expire_if_late(flow) end
    for _, place in ipairs(nodes.places) do
      local record = flow.head and records[place]
      if record and flow.ended then
        local _, attempts, stalls = life_of(call('HGET', K.life, ids[place]))
        finish(from[place], ids[place], 'X', u32(attempts), u32(stalls), ZERO6, reason_of(flow))
        record = false
      end
      records[place] = record and with_head(flow, record)
    end
  end
  return records
end
