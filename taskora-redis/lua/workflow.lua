#!lua flags=no-writes
-- What is known of a workflow, and of a page of its nodes.
-- KEYS: the prefix of all keys
-- ARGV: test clock, stored id, number of the first node, number of nodes
-- Returns: nothing if it is unknown, else: head, its end (empty: it runs), then for each node: what `n` says of it, without
--   its payload, life, end without a result, place (empty: it waits for other nodes)
--- @include "start"
--- @include "record"
--- @include "flow"
--- @include "token"
--- @include "place"

local flow = flow_of(ARGV[2])
if not flow.left or not head_of(flow) then return {} end
local answer = { flow.head, flow.ended or '' }
local from = tonumber(ARGV[3])
local to = math.min(from + tonumber(ARGV[4]), node_count(flow))
for number = from, to - 1 do
  local node, done = unpack(call('HMGET', flow.key, 'n' .. number, 'd' .. number))
  local record = record_in(node)
  local life, place = nil, ''
  if done then
    if byte(done) == 67 then done = sub(done, 1, 21) end
  elseif record and is_released(flow, number, node) then
    local id = '*' .. flow.id .. '#' .. number
    life = call('HGET', K.life, id)
    place = place_of(task_of(record), id, record, life)
  end
  if record then node = sub(node, 1, #node - #record + 14 + byte(record, 14)) end
  for _, value in ipairs({ node or '', life or '', done or '', place }) do answer[#answer + 1] = value end
end
return answer
