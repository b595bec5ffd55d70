-- Nodes released: those that wait for a join at zero, or for nobody, come in line. What is beyond a page goes to `todo`.
local INLINE_NODES = 64
local LINES, RELEASED = {}, 0 -- released nodes that are not yet in line, by task; how many go to the end of a line
local TOUCHED = {} -- tasks with released nodes
local spare_releases = INLINE_NODES

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

-- takes a released node down for `line_up`
local function release_node(id, number, due, priority, task)
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
  list[at + 1], list[at + 2] = due, '*' .. id .. '#' .. digits(number)
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
    if join.name == 'r' then base = head_of(flow) and math.max(now, (struct.unpack('>I6', flow.head, 14))) or now end
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
          release_node(flow.id, number, base + delay, priority, task)
        end
      end
      at = next_at
    end
    if not join.is_whole then put(flow, 'j' .. join.name, string.format('-%d %d', reached, slab)) end
    if is_left then put_off('R', join.name, 0, flow) end
  end
  if several then
    table.sort(several, function(a, b) return a[1] < b[1] end)
    for _, node in ipairs(several) do release_node(flow.id, unpack(node)) end
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
