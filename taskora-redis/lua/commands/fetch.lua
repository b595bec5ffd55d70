-- flags: no-writes
-- Payloads that are stored outside the records.
-- Arguments: about how many bytes to return; ids
-- Returns: the payloads of the first ids, at least one (nothing for one that is gone), until they are that many bytes
function commands.fetch()
  local most, size = tonumber(argv[A.most]), 0
  local payloads = {}
  for i = A.ids, #argv do
    local key, field = K.blobs, argv[i]
    if byte(field) == 42 then
      local flow, number = workflow.node_of(field)
      key, field = K.wf .. flow, 'b' .. number
    end
    size = size + call('HSTRLEN', key, field)
    if i > A.ids and size > most then break end
    payloads[#payloads + 1] = call('HGET', key, field)
  end
  return payloads
end
