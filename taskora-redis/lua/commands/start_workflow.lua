-- Starts workflows. A known id is left alone.
-- Arguments: repeat (1 if the outcome of a first try is unknown); number of workflows; then for each: stored id, times (empty: it
--   has no deadline and is due now; else milliseconds from now to its deadline or nothing, a space, and its due time: nothing,
--   `+` milliseconds from now or `@` milliseconds of the epoch), the rest of its head (number of nodes (4), of joins (4), nonce
--   (16, the same for a repeat), extension, annotations), number of nodes, output, the roots as entries of a slab, the key that
--   stands for it (empty: none; else whether the key stays if the workflow ends without completing (1: 0 no, 1 yes), life (6),
--   fingerprint (8), the key), number of staged fields, number of other fields, these and their values
-- Returns: one character per workflow: 1 started, 0 duplicate, L the staged parts are lost, O the key stands for another
--   workflow, K the key stands for one with another payload; then the ids of these
-- Events: wakes a worker per task
local NO_TIMES = string.rep('\0', 12)

-- Returns a character, and the data to write for a workflow that starts.
local function start(at, again)
  local id, times, rest, nodes, staged = argv[at], argv[at + 1], argv[at + 2], tonumber(argv[at + 3]), tonumber(argv[at + 7])
  local standing = argv[at + 6]
  local nonce = sub(rest, 9, 24)
  local key, aside = K.wf .. id, K.stage .. nonce
  -- after a lost answer, our own workflow is not a duplicate, and it does not run again if it was already removed
  if again and call('ZSCORE', K.wfgone, nonce) then return '1' end
  if call('EXISTS', key) == 1 or S.flows and S.flows[id] then
    if sub(call('HGET', key, 'm') or '', 28, 43) == nonce then return '1' end
    if staged > 0 then call('UNLINK', aside) end
    return '0'
  end
  local keeps, life, fingerprint, name
  if standing ~= '' then
    keeps, life, fingerprint = read('>BI6c8', standing)
    name = 'w' .. sub(standing, 16)
    local known = gathered('held')[name]
    local holder, is_same = once.holder(name, fingerprint)
    if known then holder, is_same = known[1], known[2] == fingerprint end
    -- a failed try may have left the key without its workflow
    if holder and holder ~= id then
      if staged > 0 then call('UNLINK', aside) end
      return is_same and 'O' or 'K', nil, holder
    end
  end
  if staged > 0 and call('HLEN', aside) ~= staged then
    call('UNLINK', aside)
    return 'L'
  end
  local deadline, due_at = 0, 0
  if times ~= '' then
    local ttl, kind, time = match(times, '^(%d*) ([+@]?)(%d*)$')
    if ttl ~= '' then deadline = now + tonumber(ttl) end
    if kind ~= '' then due_at = tonumber(time) + (kind == '+' and now or 0) end
    times = pack('>I6I6', deadline, due_at)
  else
    times = NO_TIMES
  end
  local flow = workflow.remember(id, key, digits(nodes))
  flow.head = '\1' .. now6 .. times .. rest
  flow.deadline, flow.aside = deadline, staged > 0 and aside
  -- never more than fit into one call
  local first, values = at + 9, 2 * tonumber(argv[at + 8])
  flow.fields = { key, 'l', argv[at + 3], 'm', flow.head, 'o', argv[at + 4], unpack(argv, first, first + values - 1) }
  if name then
    S.held[name] = { id, fingerprint }
    flow.hold = { name, life, fingerprint }
    if keeps == 0 then flow.fields[#flow.fields + 1], flow.fields[#flow.fields + 2] = 'k', name end
  end
  if nodes > 0 and staged > 0 then
    workflow.put_off('R', 'r', 0, flow)
  elseif nodes > 0 then
    S.spare_releases = nodes
    workflow.release(flow, { { name = 'r', is_whole = true, text = argv[at + 5], at = 1 } })
  end
  events.add('w', '', id, u32(nodes))
  return '1', flow
end

function commands.start_workflow()
  local answer, started, at, again, holders = {}, {}, A.first, argv[A.again] == '1', {}
  for i = 1, tonumber(argv[A.count]) do
    answer[i], started[#started + 1], holders[#holders + 1] = start(at, again)
    at = at + 9 + 2 * tonumber(argv[at + 8])
  end
  -- lines first: claims skip a node in line whose workflow does not exist
  local starts = S.starts
  S.starts = nil
  workflow.flush()
  local running, deadlines, empty = {}, {}, {}
  for _, flow in ipairs(started) do
    -- a workflow exists as a whole or not at all: a staged one is completed under its staging key
    if flow.aside then flow.fields[1] = flow.aside end
    call('HSET', unpack(flow.fields))
    if flow.aside then
      call('PERSIST', flow.aside)
      call('RENAME', flow.aside, flow.key)
    end
    running[#running + 1] = digits(now)
    running[#running + 1] = flow.id
    if flow.deadline > 0 then
      deadlines[#deadlines + 1] = digits(flow.deadline)
      deadlines[#deadlines + 1] = flow.id
    end
    if flow.hold then once.hold(flow.hold[1], flow.hold[2], flow.hold[3], flow.id) end
    if flow.left == 0 then empty[#empty + 1] = flow end
  end
  S.starts = starts
  expiry.write_nodes()
  pages(running, function(...) call('ZADD', K.wfrun, ...) end)
  pages(deadlines, function(...) call('ZADD', K.wfdue, ...) end)
  -- workflows without nodes have completed
  local done = {}
  for _, flow in ipairs(empty) do
    workflow.finish(flow, 'C')
    done[#done + 1] = digits(now)
    done[#done + 1] = flow.id
  end
  if #done > 0 then
    ends.write(true)
    pages(done, function(...) call('ZADD', K.wfdone, ...) end)
  end
  answer = concat(answer)
  if #holders == 0 then return answer end
  return { answer, unpack(holders) }
end
