-- Where an unfinished job is: `active`, `delayed` (with its time) or `waiting`. Its lease is found by the token that its next
-- claim would have had; `life` is what it has behind it, if anything.
local function place_of(task, id, record, life)
  local token
  if life then
    token = struct.unpack('>I8', life) + 1
  else
    token = first_token(id, byte(id) == 42 and head_of(flow_of((node_of(id)))) or record, 2)
  end
  if call('ZSCORE', K.active .. task, id .. ':' .. string.format('%.0f', token)) then return 'active' end
  local at = call('ZSCORE', K.delayed .. task, id)
  if at then return 'delayed', at end
  return 'waiting'
end
