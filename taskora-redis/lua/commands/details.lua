-- flags: no-writes
-- Payload, result and keys of a job; `inspect` returns the rest.
-- Arguments: id; how many bytes the payload and the result may have to be returned
-- Returns: nothing if it is unknown, else: length of its payload, the payload, length of its result, the result (-1 and empty if there is none;
--   empty if it is too long), the key by which limits count it, the field of the key that it was stored under (each empty if there is none),
--   how many log lines it has, whether a worker serves its task (0 or 1), and what happened to it, see lib/timeline.lua (empty: nothing is kept)

-- the length of a field of a hash, and its value if it is not too long
local function stored(key, field, most)
  local length = call('HSTRLEN', key, field)
  return length, length <= most and call('HGET', key, field) or ''
end

function commands.details()
  local id, most = argv[A.id], tonumber(argv[A.most])
  local text, done, flow, number = workflow.job_of(id)
  if not text or not record.is_readable(text) or record.is_newer(text) then return {} end
  local payload = sub(text, record.payload_at(text))
  local length = #payload
  if record.has_payload_aside(text) then
    length, payload = stored(flow and flow.key or K.blobs, flow and 'b' .. number or id, most)
  elseif length > most then
    payload = ''
  end
  local size, result = -1, ''
  if done and byte(done) == 67 then
    size = math.max(#done - 21, 0)
    if size <= most then result = sub(done, 22) end
  end
  local _, _, field = keyed.split(call('HGET', K.keyed, id))
  local is_served = registry.is_served(record.task_of(text)) and 1 or 0
  return {
    length, payload, size, result, record.key_of(text) or '', field or '', call('LLEN', K.log .. id), is_served, call('HGET', K.past, id) or '',
  }
end
