-- Removes workflows that have ended, with all their nodes, as far as a number of logs allows; answers whether any was left.
local CALL = 60000 -- for how long a call may be repeated, in milliseconds
local function retire(ids)
  local logs, gone, keys, later, nonces, stale = 256, {}, {}, {}, {}, {}
  local noted, stamp = {}, digits(now)
  for i, id in ipairs(ids) do noted[i] = K.noted .. id end
  local any_noted = #ids > 0 and call('EXISTS', unpack(noted)) > 0
  for _, id in ipairs(ids) do
    if logs == 0 then break end
    local key, is_awaited = K.wf .. id, false
    local values = call('HMGET', key, 't', 'm')
    -- the ids of its nodes must not become free before their tombstones are gone
    if values[1] then
      for task in string.gmatch(values[1], '[^\n]+') do
        if stale[task] == nil then stale[task] = call('EXISTS', K.stale .. task) == 1 end
        if stale[task] then is_awaited = true end
      end
    end
    if is_awaited then
      later[#later + 1] = stamp
      later[#later + 1] = id
    else
      local numbers = any_noted and call('SPOP', K.noted .. id, logs) or {}
      for _, number in ipairs(numbers) do call('UNLINK', K.log .. '*' .. id .. '#' .. number) end
      logs = logs - #numbers
      if logs > 0 then
        gone[#gone + 1] = id
        keys[#keys + 1] = key
        local head = values[2]
        if head and #head >= 43 and struct.unpack('>I6', head, 2) > now - CALL then
          nonces[#nonces + 1] = stamp
          nonces[#nonces + 1] = sub(head, 28, 43)
        end
      end
    end
  end
  -- looked at again when their turn comes, so that they do not stand in the way of others
  pages(later, function(...) call('ZADD', K.wfdone, 'XX', ...) end)
  pages(keys, function(...) call('UNLINK', ...) end)
  pages(gone, function(...) call('ZREM', K.wfdone, ...) end)
  if #nonces > 0 then
    -- a start whose answer was lost may still be repeated
    pages(nonces, function(...) call('ZADD', K.wfgone, ...) end)
    call('ZREMRANGEBYSCORE', K.wfgone, '-inf', now - CALL)
    call('PEXPIRE', K.wfgone, CALL)
  end
  return logs == 0
end
