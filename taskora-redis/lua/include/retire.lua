-- Removes workflows that have ended, with all their nodes, as far as a number of logs allows; answers whether any was left.
local function retire(ids)
  local logs = 256
  for _, id in ipairs(ids) do
    if logs == 0 then break end
    local key, is_awaited = K.wf .. id, false
    -- the ids of its nodes must not become free before their tombstones are gone
    for task in string.gmatch(call('HGET', key, 't') or '', '[^\n]+') do
      if call('EXISTS', K.stale .. task) == 1 then is_awaited = true end
    end
    if is_awaited then
      -- looked at again when its turn comes, so that it does not stand in the way of others
      call('ZADD', K.wfdone, 'XX', now, id)
    else
      local noted = call('SPOP', K.noted .. id, logs)
      for _, number in ipairs(noted) do call('UNLINK', K.log .. '*' .. id .. '#' .. number) end
      logs = logs - #noted
      if logs > 0 then
        call('UNLINK', key)
        call('ZREM', K.wfdone, id)
      end
    end
  end
  return logs == 0
end
