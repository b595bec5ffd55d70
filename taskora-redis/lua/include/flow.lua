-- Workflows, read. A workflow is one hash, `wf:<stored id>`; the job of a node is `*<stored id>#<number>`, and its
-- record and its end are in that hash. Fields: `l` how many nodes have not ended, and after a space its end; `m` its head,
-- `o` its output, `t` tasks with tombstones of its nodes; for each join `j` and `c`, for each node `n`, `d`, `b` and `g`.
-- A head is layout, created (6), deadline (6), due (6), nodes (4), joins (4), nonce (16), annotations. An `n` is the length
-- (4) of what is said of the node, that, and its record.
local FLOWS = {}

-- the workflow and the number of a node's job; jobs that are no nodes do not begin with this byte
local function node_of(id)
  return match(id, '^%*(.*)#(%d+)$')
end

local function fields_of(key, fields)
  if #fields <= 500 then return #fields > 0 and call('HMGET', key, unpack(fields)) or {} end
  local values = {}
  pages(fields, function(...)
    for _, value in ipairs(call('HMGET', key, ...)) do values[#values + 1] = value end
  end)
  return values
end

-- A workflow as its `l` says: how many of its nodes have not ended (nothing if there is no such workflow), and its end.
local function remember_flow(id, key, state)
  local left, ended = tonumber(state or ''), nil
  if state and not left then
    left, ended = match(state, '^(%d+) (.*)$')
    left = tonumber(left)
  end
  local flow = { id = id, key = key, left = left or false, ended = ended or false, puts = false }
  FLOWS[id] = flow
  return flow
end

-- A workflow, which is read once in a call. Further fields of it are read with it: their values begin after that place.
local function flow_of(id, fields)
  local flow = FLOWS[id]
  if flow then return flow, fields and fields_of(flow.key, fields), 0 end
  local key, values, before = K.wf .. id, nil, 1
  if not fields or #fields <= 500 then
    values = call('HMGET', key, 'l', unpack(fields or {}))
  else
    values, before = fields_of(key, fields), 0
  end
  return remember_flow(id, key, before == 1 and values[1] or call('HGET', key, 'l')), values, before
end

-- an `m`, if it can be read
local function checked(head)
  return head and byte(head) == 1 and #head >= 43 and head
end

-- a workflow's head, which is read when it is asked for; nothing if that cannot be read
local function head_of(flow)
  if flow.head == nil then flow.head = checked(call('HGET', flow.key, 'm')) end
  return flow.head
end

local function node_count(flow)
  return head_of(flow) and struct.unpack('>I4', flow.head, 20) or 0
end

-- the record in an `n`; none if that is damaged
local function record_in(node)
  local record = node and #node > 18 and sub(node, 5 + struct.unpack('>I4', node))
  return record and #record > 14 and record
end

-- a number as text; what Redis makes of a number costs more, and small ones come often
local DIGITS = {}
local function digits(number)
  if number > 15 then return string.format('%d', number) end
  local text = DIGITS[number]
  if not text then
    text = string.format('%d', number)
    DIGITS[number] = text
  end
  return text
end

-- The nodes that wait for a join are released in the order of their numbers. Of a join that has begun with it, `j` says
-- which: those below a number; and in which slab of `c` it goes on. Both are none if it still counts.
local function reach_of(open)
  local reached, slab = match(open or '', '^%-(%d+) (%d+)$')
  return tonumber(reached), tonumber(slab)
end

-- Roots wait for the join `r`, which waits for nobody; it has no `j` if all of them were released by the start.
local function is_released(flow, number, node)
  local after = struct.unpack('>I4', node, 5)
  local open = call('HGET', flow.key, 'j' .. (after == 4294967295 and 'r' or after))
  if not open then return after == 4294967295 end
  local reached = reach_of(open)
  return reached and reached > tonumber(number)
end

local function record_of(id)
  if byte(id) ~= 42 then return call('HGET', K.jobs, id) end
  local flow, number = node_of(id)
  return record_in(call('HGET', K.wf .. flow, 'n' .. number))
end

-- The fields `n` of the nodes of one workflow that follow each other: the first has this number, and the one after it has
-- the other. Then what `node_of` says of the one after them all.
local function run_of(ids, first, id, number, next_number)
  local fields, at = { 'n' .. number, 'n' .. next_number }, first + 2
  while ids[at] do
    local other, after = node_of(ids[at])
    if other ~= id then return fields, other, after end
    at = at + 1
    fields[at - first] = 'n' .. after
  end
  return fields
end

-- Calls `one` for each node whose neighbours in the list are of other workflows: with its place, its workflow and its
-- number; and `many` for nodes of one workflow that follow each other: with the place of the first, the workflow and their
-- fields `n`. Jobs that are no nodes are passed over.
local function each_run(ids, one, many)
  local i, count, id, number = 1, #ids, nil, nil
  if count > 0 then id, number = node_of(ids[1]) end
  while i <= count do
    local next_id, next_number
    if ids[i + 1] then next_id, next_number = node_of(ids[i + 1]) end
    if id and next_id == id then
      local fields
      fields, next_id, next_number = run_of(ids, i, id, number, next_number)
      many(i, id, fields)
      i = i + #fields
    else
      if id then one(i, id, number) end
      i = i + 1
    end
    id, number = next_id, next_number
  end
end

-- The records of these jobs: of nodes what `n` says, and the head of the workflow of each.
local function records_of(ids)
  local records, heads, plain, places = {}, {}, {}, {}
  local function read(first, id, fields)
    local flow, values, before = flow_of(id, fields)
    for at = 1, #fields do
      records[first + at - 1], heads[first + at - 1] = values[before + at], head_of(flow)
    end
  end
  each_run(ids, function(i, id, number) read(i, id, { 'n' .. number }) end, read)
  for i, id in ipairs(ids) do
    if byte(id) ~= 42 then plain[#plain + 1], places[#places + 1], heads[i] = id, i, false end
  end
  for at, record in ipairs(fields_of(K.jobs, plain)) do records[places[at]] = record end
  return records, heads
end

-- the record and the end of a job, and of a node also its workflow and number; nothing of a node that waits for others
local function job_of(id)
  if byte(id) ~= 42 then
    local record = call('HGET', K.jobs, id)
    return record, record and call('HGET', K.done, id)
  end
  local flow, number = node_of(id)
  flow = flow and flow_of(flow)
  if not flow or not flow.left then return false end
  local node, done = unpack(call('HMGET', flow.key, 'n' .. number, 'd' .. number))
  local record = record_in(node)
  if not record or not done and not is_released(flow, number, node) then return false end
  return record, done, flow, number
end
