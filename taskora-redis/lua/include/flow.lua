-- Workflows, read. A workflow is one hash, `wf:<stored id>`; the job of a node is `*<stored id>#<number>`, and its
-- record and its end are in that hash. Fields: `m` head, `s` how it has ended, `o` its output, `l` nodes not ended,
-- `t` tasks with tombstones of its nodes; for each join `j` and `c`, for each node `n`, `p`, `d`, `b` and `g`.
-- A head is layout, created (6), deadline (6), due (6), nodes (4), joins (4), nonce (16), annotations.
local FLOWS = {}

-- the workflow and the number of a node's job; jobs that are no nodes do not begin with this byte
local function node_of(id)
  return match(id, '^%*(.*)#(%d+)$')
end

local function flow_of(id)
  local flow = FLOWS[id]
  if not flow then
    local key = K.wf .. id
    local values = call('HMGET', key, 's', 'm')
    flow = { id = id, key = key, ended = values[1], head = values[2] }
    FLOWS[id] = flow
  end
  return flow
end

-- A join `j` counts the nodes that it still waits for; from zero downwards, it says which of the nodes that wait for
-- it have been released: those with lower numbers. Roots wait for the join `r`, which waits for nobody.
local function is_released(flow, number)
  local about = call('HGET', flow.key, 'n' .. number)
  if not about then return false end
  local after = struct.unpack('>I4', about)
  if after == 4294967295 then after = 'r' end
  local open = call('HGET', flow.key, 'j' .. after)
  return open and 0 - tonumber(open) > tonumber(number)
end

local function record_of(id)
  if byte(id) ~= 42 then return call('HGET', K.jobs, id) end
  local flow, number = node_of(id)
  return call('HGET', K.wf .. flow, 'p' .. number)
end

-- the records of jobs that are in line; if there are nodes among them, also their places and fields, by workflow
local function records_of(ids)
  local records, flows = {}, nil
  for _, id in ipairs(ids) do
    if byte(id) == 42 then
      flows = {}
      break
    end
  end
  if not flows then
    pages(ids, function(...)
      for _, record in ipairs(call('HMGET', K.jobs, ...)) do records[#records + 1] = record end
    end)
    return records
  end
  local plain = { fields = {}, places = {} }
  for i, id in ipairs(ids) do
    local list, field = plain, id
    if byte(id) == 42 then
      local flow, number = node_of(id)
      field = 'p' .. number
      list = flows[flow]
      if not list then
        list = { fields = {}, places = {} }
        flows[flow] = list
      end
    end
    list.fields[#list.fields + 1] = field
    list.places[#list.places + 1] = i
  end
  local function read(key, list)
    local at = 0
    pages(list.fields, function(...)
      for _, record in ipairs(call('HMGET', key, ...)) do
        at = at + 1
        records[list.places[at]] = record
      end
    end)
  end
  read(K.jobs, plain)
  for flow, list in pairs(flows) do read(K.wf .. flow, list) end
  return records, flows
end

-- a node's record as it is answered: after the length of its workflow's head, and the head
local function with_head(flow, record)
  if not flow.packed then flow.packed = struct.pack('>I4', #flow.head) .. flow.head end
  return flow.packed .. record
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
