-- Removes workflows that have ended, with all their nodes; answers whether some of one was left.
local function retire(ids)
  local left = false
  for _, id in ipairs(ids) do
    local key, is_awaited = K.wf .. id, false
    -- the ids of its nodes must not become free before their tombstones are gone
    for task in string.gmatch(call('HGET', key, 't') or '', '[^\n]+') do
      if call('EXISTS', K.stale .. task) == 1 then is_awaited = true end
    end
    if not is_awaited then
      local noted = call('SPOP', K.noted .. id, 256)
      for _, number in ipairs(noted) do call('UNLINK', K.log .. '*' .. id .. '#' .. number) end
      if #noted == 256 then
        left = true
      else
        call('UNLINK', key)
        call('ZREM', K.wfdone, id)
      end
    end
  end
  return left
end
