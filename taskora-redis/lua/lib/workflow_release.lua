-- Releasing nodes: those that wait for a join at zero, or for no node, join their lines. Work beyond a page goes to `deferred`.
-- Releases and changes of workflows are collected, and `flush` writes them: lines first, so that an error leaves a node in line
-- that its workflow does not yet count as released, and never the other way round.
workflow.INLINE_NODES = 64

function workflow.put_off(kind, what, from, flow)
  S.is_touched = true
  call('RPUSH', K.deferred, kind .. what .. ':' .. digits(from) .. ' ' .. flow.id)
end

-- this workflow has something to write
local function touch(flow)
  S.is_moved = true
  if not flow.is_dirty then
    flow.is_dirty = true
    local list = gathered('dirty')
    list[#list + 1] = flow
  end
end
workflow.touch = touch

function workflow.put(flow, field, value)
  local puts = flow.puts
  if puts then
    local at = #puts
    puts[at + 1], puts[at + 2] = field, value
  else
    flow.puts = { field, value }
    touch(flow)
  end
end

-- collects a released node for `line_up`
function workflow.release_node(id, number, at, priority, task, ttl)
  S.is_moved = true
  if ttl then expiry.add_node(task, '*' .. id .. '#' .. digits(number), id, number, at, ttl) end
  local lines = gathered('lines')
  local target, list = lines[task], 'delayed'
  if not target then
    target = { wait = {}, prio = {}, delayed = {} }
    lines[task] = target
  end
  if at <= now then
    S.released = (S.released or 0) + 1
    at, list = S.released, 'wait'
    if priority ~= 0 then at, list = at - priority * line.BAND, 'prio' end
  end
  list = target[list]
  local count = #list
  list[count + 1], list[count + 2] = at, '*' .. id .. '#' .. digits(number)
end

-- An entry of a slab, if there is one at this place: first and last node, delay, priority, task, where the next one begins, and,
-- if there is a limit, how long such a node may wait to start: a number (6) after the name, which the delay announces.
local EXPIRES = 1099511627776 -- 2^40, milliseconds

function workflow.entry_at(text, at)
  if #text < at + 16 or #text < at + 16 + byte(text, at + 16) then return nil end
  local first, last, delay, priority, task, next_at = read('>I4I4I6i2Bc0', text, at)
  if delay < EXPIRES then return first, last, delay, priority, task, next_at end
  if delay >= 2 * EXPIRES or #text < next_at + 5 then return nil end
  return first, last, delay - EXPIRES, priority, task, next_at + 6, (read('>I6', text, next_at))
end

-- whether a string has only entries from a position on
function workflow.is_slab(text, at, nodes)
  if #text < at - 1 then return false end
  while at <= #text do
    local first, last, _, _, _, next_at = workflow.entry_at(text, at)
    if not first or first > last or last >= nodes then return false end
    at = next_at
  end
  return true
end

-- Releases nodes that wait for these joins, as many as this call has room for, in the order of their numbers; the rest is
-- deferred. A join is its name and its progress: slab, number of slabs, text of the slab and the position of its next entry, and
-- the number below which all nodes are released. An entry is first and last node (4 each), delay (6), priority (2), length of the
-- task's name, the name, and what the delay announces.
function workflow.release(flow, joins)
  local several, base = #joins > 1 and {}, now
  local spare = S.spare_releases or workflow.INLINE_NODES
  for _, join in ipairs(joins) do
    local text, at, slab, reached, is_left = join.text, join.at, join.slab or 0, join.reached or 0, false
    -- roots wait for the workflow's due time
    if join.name == 'r' then
      base = workflow.head_of(flow) and math.max(now, (read('>I6', flow.head, 14))) or now
    end
    while not is_left do
      if at > #text then
        slab = slab + 1
        text, at = slab < (join.slabs or 1) and call('HGET', flow.key, 'c' .. join.name .. '.' .. digits(slab)), 1
        if not text then break end
      end
      -- a damaged slab has no readable entry
      local first, last, delay, priority, task, next_at, ttl = workflow.entry_at(text, at)
      if not first then break end
      for number = math.max(first, reached), last do
        if spare <= 0 then
          -- a damaged slab may name more nodes than there are
          is_left = number < workflow.node_count(flow)
          break
        end
        spare = spare - 1
        reached = number + 1
        if several then
          several[#several + 1] = { number, base + delay, priority, task, ttl }
        else
          workflow.release_node(flow.id, number, base + delay, priority, task, ttl)
        end
      end
      at = next_at
    end
    if not join.is_whole then workflow.put(flow, 'j' .. join.name, '-' .. digits(reached) .. ' ' .. digits(slab)) end
    if is_left then workflow.put_off('R', join.name, 0, flow) end
  end
  S.spare_releases = spare
  if several then
    table.sort(several, function(a, b) return a[1] < b[1] end)
    for _, node in ipairs(several) do workflow.release_node(flow.id, unpack(node)) end
  end
end

-- puts the released nodes in line
local function line_up()
  local lines = S.lines
  if not lines then return end
  expiry.write()
  local released = S.released or 0
  S.lines, S.released = nil, nil
  local number = released > 0 and line.arrivals(released)
  for task, target in pairs(lines) do
    local back, ranked, wait = {}, target.prio, target.wait
    for i = 1, #wait, 2 do back[#back + 1] = pack('>I6', number + wait[i]) .. wait[i + 1] end
    for i = 1, #ranked, 2 do ranked[i] = ranked[i] + number end
    if #back + #ranked > 0 then line.enter(task, back, nil, ranked) end
    if #target.delayed > 0 then due.enter(task, target.delayed) end
  end
end

local function save(flow)
  local puts = flow.puts or {}
  flow.puts, flow.is_dirty = nil, false
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

-- writes what was collected about workflows
function workflow.flush()
  S.is_moved = false
  line_up()
  local dirty, saves = S.dirty, S.saves
  S.dirty, S.saves, S.moved = nil, nil, nil
  for _, fields in ipairs(saves or {}) do call('HSET', unpack(fields)) end
  for _, flow in ipairs(dirty or {}) do save(flow) end
  if S.starts then expiry.write_nodes() end
end
