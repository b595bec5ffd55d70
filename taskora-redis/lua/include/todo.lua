-- What was more than a page: every exchange and every sweep does a page of it, whoever's it is.

-- at most `budget` nodes, of those to cancel a quarter, which costs as much; answers whether there is more
local function work_off(budget)
  local entry = call('LPOP', K.todo)
  if not entry then return false end
  local kind, what, from, id = match(entry, '^(%u)(%w+):(%d+) (.*)$')
  local flow = flow_of(id)
  from = tonumber(from)
  -- an entry may have outlived its workflow, and another one may have its id by now
  if flow.left and flow.ended and kind == 'X' then
    cancel_nodes(flow, from, budget / 4)
    write_ends(true)
  elseif flow.left and not flow.ended and kind == 'R' then
    spare_releases = budget
    release_rest(flow, what)
  elseif flow.left and not flow.ended then
    local node, joins = call('HGET', flow.key, 'n' .. what), {}
    local rest = node and #node > 18 and add_joins(node, from, joins, {}, 1)
    spare_releases = budget
    if rest then put_off('J', what, rest, flow) end
    count_down(flow, joins)
  end
  save(flow)
  line_up()
  return call('EXISTS', K.todo) == 1
end
