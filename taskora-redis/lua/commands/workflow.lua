-- flags: no-writes
-- What is known about a workflow, and about a page of its nodes.
-- Arguments: stored id; number of the first node; number of nodes
-- Returns: nothing if it is unknown, `~` and nothing if a later version wrote it, else: head, its end (empty: it runs), how many nodes have not
--   ended, then for each node: its `n` without the payload, history, end without a result, place (empty: it waits for other nodes)
function commands.workflow()
  local flow = workflow.of(argv[A.id])
  if workflow.is_newer(flow) then return { '~', '', '0' } end
  if not flow.left then return {} end
  local head = workflow.head_of(flow)
  if not head then return { call('HGET', flow.key, 'm') or '', '', '0' } end
  local answer = { head, flow.ended or '', digits(flow.left) }
  local from = tonumber(argv[A.from])
  local to = math.min(from + tonumber(argv[A.count]), workflow.node_count(flow))
  for number = from, to - 1 do
    local name = digits(number)
    local node, done = unpack(call('HMGET', flow.key, 'n' .. name, 'd' .. name))
    local text = workflow.record_in(node)
    local past, place = nil, ''
    if done then
      if byte(done) == 67 then done = sub(done, 1, 21) end
    elseif text and workflow.is_released(flow, number, node) then
      local id = '*' .. flow.id .. '#' .. name
      past = call('HGET', K.life, id)
      place = active.place_of(record.task_of(text), id, text, past)
    end
    if text then node = sub(node, 1, #node - #text + record.payload_at(text) - 1) end
    for _, value in ipairs({ node or '', past or '', done or '', place }) do answer[#answer + 1] = value end
  end
  return answer
end
