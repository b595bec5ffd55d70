-- Keeps events being written for a time, and returns some.
-- Arguments: kinds (bits); where to begin (empty: nothing is returned; an id of the stream, behind `(` for what comes after it);
--   how many entries to return at most
-- Returns: id of the last entry, or of where to begin if there is none; then ids and entries (see lib/events.lua), in order, beginning
--   with the oldest if the id is none of this stream
function commands.listen()
  events.hear(tonumber(argv[A.kinds]))
  local last = call('XREVRANGE', K.events, '+', '-', 'COUNT', '1')[1]
  local answer = { last and last[1] or S.begun .. '-0' }
  if argv[A.from] == '' then return answer end
  local from = argv[A.from]
  if match(from, '(%d+)%-') ~= S.begun then from = '-' end
  for _, entry in ipairs(call('XRANGE', K.events, from, '+', 'COUNT', argv[A.count])) do
    answer[#answer + 1], answer[#answer + 2] = entry[1], entry[2][2]
  end
  return answer
end
