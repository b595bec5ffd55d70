-- Work beyond one page: every exchange and every sweep does a page of it, whatever its tasks.

-- An entry of a later version moves to the end, for a worker that knows it. A call skips only one of them.
local function step_over(budget, has_stepped)
  call('LMOVE', K.deferred, K.deferred, 'LEFT', 'RIGHT')
  if has_stepped or call('LLEN', K.deferred) == 1 then return false end
  return deferred.work_off(budget, true)
end

-- Does at most `budget` nodes, or a quarter of that for cancellations, which cost more; returns whether there is more.
function deferred.work_off(budget, has_stepped)
  local entry = call('LINDEX', K.deferred, 0)
  if not entry then return false end
  local kind, what, from, id = match(entry, '^(%u)(%w+):(%d+) (.*)$')
  if match(entry, '^%u') and not match(entry, '^[XRJG]') then return step_over(budget, has_stepped) end
  from = tonumber(from)
  if kind == 'G' then
    lanes.go_on(id, from)
    call('LPOP', K.deferred)
    return call('EXISTS', K.deferred) == 1
  end
  local flow = kind and workflow.of(id)
  -- an entry may have outlived its workflow, and another workflow may have its id by now
  if not flow then
    -- its meaning is unknown
  elseif workflow.is_newer(flow) then
    return step_over(budget, has_stepped)
  elseif flow.left and flow.ended and kind == 'X' then
    workflow.cancel_nodes(flow, from, floor(budget / 4))
    ends.write(true)
  elseif flow.left and not flow.ended and kind == 'R' then
    S.spare_releases = budget
    workflow.release_rest(flow, what)
  elseif flow.left and not flow.ended and kind == 'J' then
    local node, joins = call('HGET', flow.key, 'n' .. what), {}
    local rest = node and #node > 18 and workflow.add_joins(node, from, joins, {}, 1)
    S.spare_releases = budget
    if rest then workflow.put_off('J', what, rest, flow) end
    workflow.count_down(flow, joins)
  end
  if S.is_moved then workflow.flush() end
  -- work that it has deferred itself is behind it
  call('LPOP', K.deferred)
  return call('EXISTS', K.deferred) == 1
end

-- whether `deferred` has something about a workflow, or is too long to search
function deferred.has(flow)
  local entries = call('LRANGE', K.deferred, 0, 999)
  if #entries == 1000 then return true end
  for _, entry in ipairs(entries) do
    if match(entry, '^%u%w+:%d+ (.*)$') == flow then return true end
  end
  return false
end
