-- Reading workflows. A workflow is one hash, `wf:<stored id>`; the job of a node is `*<stored id>#<number>`, and its
-- record and its end are in that hash. Fields: `l` the number of nodes that have not ended, and after a space the end; `m` the
-- head, `o` the output, `t` tasks with tombstones of its nodes; for each join `j` and `c`, for each node `n`, `d`, `b` and `g`. A
-- head is layout, created (6), deadline (6), due (6), nodes (4), joins (4), nonce (16), length of its extension (2), the
-- extension, annotations. An `n` is the length (4) of the data about the node, that data, and the node's record.

-- the workflow and the number of a node's job; the ids of other jobs do not begin with this byte
function workflow.node_of(id)
  return match(id, '^%*(.*)#(%d+)$')
end

-- A workflow according to its `l`: how many of its nodes have not ended (nothing if there is no such workflow), and its end. A
-- workflow of a later version (`newer`) has neither.
function workflow.remember(id, key, state)
  local left, ended = whole(state, U32), nil
  if state and not left then
    left, ended = match(state, '^(%d+) (%u..........*)$')
    left = whole(left, U32)
  end
  -- any other value is damage, which `check` reports
  local newer = state and not left and (byte(state) == 126 and '~' or '?') or false
  local flow = { id = id, key = key, left = left or false, ended = ended or false, newer = newer }
  gathered('flows')[id] = flow
  return flow
end

-- what this call has written about the workflow must be visible before more of it is read
local function known(id)
  local flow = S.flows and S.flows[id]
  if S.is_moved and (not flow or flow.puts) and (flow or S.moved and S.moved[id]) then workflow.flush() end
  return flow
end

-- A workflow, which is read once per call. Further fields are read with it; their values begin after that index.
function workflow.of(id, fields)
  local flow = known(id)
  if flow then return flow, fields and fields_of(flow.key, fields), 0 end
  local key, values, before = K.wf .. id, nil, 1
  if not fields or #fields <= 500 then
    values = call('HMGET', key, 'l', unpack(fields or {}))
  else
    values, before = fields_of(key, fields), 0
  end
  return workflow.remember(id, key, before == 1 and values[1] or call('HGET', key, 'l')), values, before
end

workflow.known = known

-- an `m`, if it can be read
function workflow.checked(head)
  if not head or byte(head) ~= 1 or #head < 45 then return false end
  local high, low = byte(head, 44, 45)
  if high + low > 0 and record.has_even_tag(head, 44) then return false end
  return head
end

-- a workflow's head, read on demand; nothing if it cannot be read
function workflow.head_of(flow)
  if flow.head == nil then flow.head = workflow.checked(call('HGET', flow.key, 'm')) or false end
  return flow.head
end

-- whether a later version wrote this workflow's head or state; such a workflow is left alone
function workflow.has_newer_head(flow)
  if workflow.head_of(flow) then return false end
  local head = call('HGET', flow.key, 'm')
  return head and ((byte(head) or 0) > 1 or #head >= 45 and byte(head) == 1) or false
end

function workflow.is_newer(flow)
  return flow.newer ~= false or workflow.has_newer_head(flow)
end

-- the same for a node's `n`
function workflow.is_newer_node(node)
  return node and #node > 18 and (byte(node, 9) == 255 or record.is_newer(sub(node, 5 + read('>I4', node)))) or false
end

-- a damaged head may name more nodes than there are
function workflow.node_count(flow)
  if not flow.count then
    flow.count = workflow.head_of(flow) and math.min(u32_at(flow.head, 20) or 0, call('HLEN', flow.key)) or 0
  end
  return flow.count
end

-- the record in an `n`; nothing if it is damaged
function workflow.record_in(node)
  local text = node and #node > 18 and sub(node, 5 + read('>I4', node))
  return text and record.is_readable(text) and text or nil
end

-- The nodes that wait for a join are released in the order of their numbers. Once a join has begun to release, its `j` has the
-- number below which all nodes are released, and the slab of `c` with which it continues. Both are nothing while it still counts.
function workflow.reach_of(open)
  local reached, slab = match(open or '', '^%-(%d+) (%d+)$')
  return tonumber(reached), tonumber(slab)
end

-- Roots wait for the join `r`, which waits for no node; it has no `j` if the start released all of them.
function workflow.is_released(flow, number, node)
  local after = u32_at(node, 5)
  if not after then return false end
  local open = call('HGET', flow.key, 'j' .. (after == 4294967295 and 'r' or digits(after)))
  if not open then return after == 4294967295 end
  local reached = workflow.reach_of(open)
  return reached and reached > tonumber(number)
end

-- the end of a job; S.flows may not have seen it yet
function workflow.end_of(id)
  if byte(id) ~= 42 then return call('HGET', K.done, id) end
  local flow, number = workflow.node_of(id)
  return flow and call('HGET', K.wf .. flow, 'd' .. number)
end

-- The fields `n` of consecutive nodes of one workflow: the first has this number, and the one after it has the other. Then the
-- result of `node_of` for the node after the run.
local function run_of(ids, first, id, number, next_number)
  local fields, at = { 'n' .. number, 'n' .. next_number }, first + 2
  while ids[at] do
    local other, after = workflow.node_of(ids[at])
    if other ~= id then return fields, other, after end
    at = at + 1
    fields[at - first] = 'n' .. after
  end
  return fields
end

-- Calls `one` for each node whose neighbours in the list belong to other workflows, with its index, its workflow and its number;
-- and `many` for consecutive nodes of one workflow, with the index of the first, the workflow and their fields `n`. Skips jobs
-- that are not nodes.
function workflow.each_run(ids, one, many)
  local i, count, id, number = 1, #ids, nil, nil
  if count > 0 then id, number = workflow.node_of(ids[1]) end
  while i <= count do
    local next_id, next_number
    if ids[i + 1] then next_id, next_number = workflow.node_of(ids[i + 1]) end
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

-- the stored data of these jobs: records, or for nodes their `n`, and the `m` of each node's workflow
function workflow.stored_of(ids)
  local texts, heads, plain, places = {}, {}, {}, {}
  local function see(first, id, fields)
    local flow, values, before = workflow.of(id, fields)
    local head = workflow.head_of(flow)
    for at = 1, #fields do
      texts[first + at - 1], heads[first + at - 1] = values[before + at], head
    end
  end
  workflow.each_run(ids, function(i, id, number) see(i, id, { 'n' .. number }) end, see)
  for i, id in ipairs(ids) do
    if byte(id) ~= 42 then plain[#plain + 1], places[#places + 1], heads[i] = id, i, false end
  end
  for at, text in ipairs(fields_of(K.jobs, plain)) do texts[places[at]] = text end
  return texts, heads
end

-- The record and the end of a job, and for a node also its workflow and number; nothing for a node that waits for others. For a
-- node of a later version, an unreadable value.
function workflow.job_of(id)
  if byte(id) ~= 42 then
    local text = call('HGET', K.jobs, id)
    return text, text and call('HGET', K.done, id)
  end
  local flow, number = workflow.node_of(id)
  flow = flow and workflow.of(flow)
  if not flow then return false end
  if workflow.is_newer(flow) then return '\255' end
  if not flow.left then return false end
  local node, done = unpack(call('HMGET', flow.key, 'n' .. number, 'd' .. number))
  if not done and workflow.is_newer_node(node) then return '\255' end
  local text = workflow.record_in(node)
  if not text or not done and not workflow.is_released(flow, number, node) then return false end
  return text, done, flow, number
end
