-- Workflows, read. A workflow is one hash, `wf:<stored id>`; the job of a node is `*<stored id>#<number>`, and its
-- record and its end are in that hash. Fields: `m` nodes not ended (4), length of its end (4), its end, its head; `o` its
-- output, `t` tasks with tombstones of its nodes; for each join `j` and `c`, for each node `n`, `p`, `d`, `b` and `g`.
-- A head is layout, created (6), deadline (6), due (6), nodes (4), joins (4), nonce (16), annotations.
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

-- the head and the end in an `m`, and the number of nodes that have not ended; nothing of one that cannot be read
local function head_of(value)
  if not value or #value < 8 then return false, false, 0 end
  local left, length = struct.unpack('>I4I4', value)
  return sub(value, 9 + length), length > 0 and sub(value, 9, 8 + length), left
end

-- A workflow, which is read once in a call. Further fields of it are read with it: their values begin after that place.
local function flow_of(id, fields)
  local flow = FLOWS[id]
  if flow then return flow, fields and fields_of(flow.key, fields), 0 end
  local key, values, before = K.wf .. id, nil, 1
  if not fields or #fields <= 500 then
    values = call('HMGET', key, 'm', unpack(fields or {}))
  else
    values, before = fields_of(key, fields), 0
  end
  local head, ended, left = head_of(before == 1 and values[1] or call('HGET', key, 'm'))
  flow = { id = id, key = key, head = head, ended = ended, left = left, puts = false }
  FLOWS[id] = flow
  return flow, values, before
end

-- a number as text; what Redis makes of a number costs more
local function digits(number)
  return string.format('%d', number)
end

-- The nodes that wait for a join are released in the order of their numbers. Of a join that has begun with it, `j` says
-- which: those below a number; and in which slab of `c` it goes on. Both are none if it still counts.
local function reach_of(open)
  local reached, slab = match(open or '', '^%-(%d+) (%d+)$')
  return tonumber(reached), tonumber(slab)
end

-- Roots wait for the join `r`, which waits for nobody; it has no `j` if all of them were released by the start.
local function is_released(flow, number)
  local about = call('HGET', flow.key, 'n' .. number)
  if not about then return false end
  local after = struct.unpack('>I4', about)
  local open = call('HGET', flow.key, 'j' .. (after == 4294967295 and 'r' or after))
  if not open then return after == 4294967295 end
  local reached = reach_of(open)
  return reached and reached > tonumber(number)
end

local function record_of(id)
  if byte(id) ~= 42 then return call('HGET', K.jobs, id) end
  local flow, number = node_of(id)
  return call('HGET', K.wf .. flow, 'p' .. number)
end

-- a node's workflow, and the fields of this kind of the nodes of the same one that follow each other from there on
local function run_of(ids, first, kind)
  local id, number = node_of(ids[first])
  local fields, at = { kind .. number }, first + 1
  while ids[at] and byte(ids[at]) == 42 do
    local other, next_number = node_of(ids[at])
    if other ~= id then break end
    at = at + 1
    fields[at - first] = kind .. next_number
  end
  return id, fields
end

-- the records of jobs that are in line; if there are nodes among them, also the workflow of each
local function records_of(ids)
  local any_node = false
  for _, id in ipairs(ids) do
    if byte(id) == 42 then
      any_node = true
      break
    end
  end
  if not any_node then return fields_of(K.jobs, ids) end
  local records, owners, plain, places = {}, {}, {}, {}
  local i = 1
  while i <= #ids do
    if byte(ids[i]) == 42 then
      local id, fields = run_of(ids, i, 'p')
      local flow, values, before = flow_of(id, fields)
      for at = 1, #fields do
        records[i], owners[i] = values[before + at], flow
        i = i + 1
      end
    else
      plain[#plain + 1], places[#places + 1], owners[i] = ids[i], i, false
      i = i + 1
    end
  end
  for at, record in ipairs(fields_of(K.jobs, plain)) do records[places[at]] = record end
  return records, owners
end

-- a node's record as it is answered: after the length of its workflow's head, and the head
local function with_head(flow, record)
  return struct.pack('>I4', #flow.head) .. flow.head .. record
end

-- the record and the end of a job, and of a node also its workflow and number; nothing of a node that waits for others
local function job_of(id)
  if byte(id) ~= 42 then
    local record = call('HGET', K.jobs, id)
    return record, record and call('HGET', K.done, id)
  end
  local flow, number = node_of(id)
  flow = flow and flow_of(flow)
  if not flow or not flow.head then return false end
  local done = call('HGET', flow.key, 'd' .. number)
  if not done and not is_released(flow, number) then return false end
  return call('HGET', flow.key, 'p' .. number), done, flow, number
end
