-- Removing workflows.
local CALL = 60000 -- how long a call may be repeated, in milliseconds

-- Removes ended workflows with all their nodes, up to a number of logs; returns whether any was left.
function retire.remove(ids)
  local logs, gone, keys, later, nonces, tombstones = 256, {}, {}, {}, {}, {}
  local noted, stamp = {}, digits(now)
  for i, id in ipairs(ids) do noted[i] = K.noted .. id end
  local any_noted = #ids > 0 and call('EXISTS', unpack(noted)) > 0
  for _, id in ipairs(ids) do
    if logs == 0 then break end
    local key, is_awaited = K.wf .. id, false
    local values = call('HMGET', key, 't', 'm', 'l')
    -- the ids of its nodes must not become free before their tombstones are gone
    if values[1] then
      for task in string.gmatch(values[1], '[^\n]+') do
        if tombstones[task] == nil then tombstones[task] = call('EXISTS', K.tombstones .. task) == 1 end
        if tombstones[task] then is_awaited = true end
      end
    end
    -- a later version's workflow may have data that this version does not know
    if workflow.is_newer(workflow.remember(id, key, values[3])) then is_awaited = true end
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
        local head = workflow.checked(values[2])
        if head and read('>I6', head, 2) > now - CALL then
          nonces[#nonces + 1] = stamp
          nonces[#nonces + 1] = sub(head, 28, 43)
        end
      end
    end
  end
  if #nonces > 0 then
    -- a start whose answer was lost may still be repeated
    pages(nonces, function(...) call('ZADD', K.wfgone, ...) end)
    call('ZREMRANGEBYSCORE', K.wfgone, '-inf', now - CALL)
    call('PEXPIRE', K.wfgone, CALL)
  end
  -- moved to the end, so that they do not block others
  pages(later, function(...) call('ZADD', K.wfdone, 'XX', ...) end)
  pages(keys, function(...) call('UNLINK', ...) end)
  pages(gone, function(...) call('ZREM', K.wfdone, ...) end)
  return logs == 0
end

-- removes workflows beyond those to keep, if some have ended in this call
function retire.beyond(keep)
  local beyond = S.any_done and call('ZCARD', K.wfdone) - keep or 0
  if beyond > 0 then retire.remove(call('ZRANGE', K.wfdone, 0, math.min(beyond, 64) - 1)) end
end

-- removes workflows that are too old or too many; returns whether there are more
function retire.old(age, keep)
  local list = call('ZRANGEBYSCORE', K.wfdone, '-inf', now - age, 'LIMIT', 0, 128)
  local beyond = math.min(call('ZCARD', K.wfdone) - keep, 128)
  if beyond > #list then list = call('ZRANGE', K.wfdone, 0, beyond - 1) end
  local before = #list == 128 and call('ZCARD', K.wfdone)
  return retire.remove(list) or before and call('ZCARD', K.wfdone) < before or false
end
