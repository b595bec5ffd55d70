-- flags: no-writes
-- What gathers under a key.
-- Arguments: task; its aliases, one a line; key; how many items to leave out; how many to return at most
-- Returns: for the task and each alias how many items gather, when the first and the last one came, and when they go (each empty if
--   there is none); then for each item: id, payload. What is beyond 1 MiB is left to another call
local BYTES = 1048576

-- the payload of an item; empty if it is gone
local function payload_of(id)
  local text = call('HGET', K.jobs, id)
  if not text or not record.is_readable(text) then return '' end
  if record.has_payload_aside(text) then return call('HGET', K.blobs, id) or '' end
  return sub(text, record.payload_at(text))
end

function commands.collected()
  local skip, room, bytes = tonumber(argv[A.from]), tonumber(argv[A.limit]), 0
  local about, items, lane = {}, {}, gather.lane_of(argv[A.key])
  for task in string.gmatch(argv[A.task] .. '\n' .. argv[A.aliases], '[^\n]+') do
    local summary = gather.summary(task, argv[A.key])
    about[#about + 1] = summary or {}
    local count = summary and summary[1] or 0
    local ids = skip < count and call('ZRANGEBYSCORE', lanes.name_of(task, lane), '-inf', '(+inf', 'LIMIT', skip, room) or {}
    skip = math.max(skip - count, 0)
    for _, id in ipairs(ids) do
      local payload = payload_of(id)
      bytes = bytes + #payload
      if #items > 0 and bytes > BYTES then
        room = 0
        break
      end
      items[#items + 1], items[#items + 2] = id, payload
      room = room - 1
    end
  end
  return { about, items }
end
