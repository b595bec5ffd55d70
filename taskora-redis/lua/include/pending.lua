-- Whether `todo` has something about a workflow, or is too long to be looked through.
local function is_pending(flow)
  local entries = call('LRANGE', K.todo, 0, 999)
  if #entries == 1000 then return true end
  for _, entry in ipairs(entries) do
    if match(entry, '^%u%w+:%d+ (.*)$') == flow then return true end
  end
  return false
end
