-- Where an unfinished job is: `active`, `delayed` (with its time) or `waiting`. Its next claim number finds its lease.
local function place_of(task, id, claims)
  if call('ZSCORE', K.active .. task, id .. ':' .. (claims + 1)) then return 'active' end
  local at = call('ZSCORE', K.delayed .. task, id)
  if at then return 'delayed', at end
  return 'waiting'
end
