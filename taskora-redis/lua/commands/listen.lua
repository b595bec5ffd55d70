-- Keeps events being written for a time, and returns some.
-- Arguments: kinds (bits); where to begin (empty: nothing is returned; an id of the stream, behind `(` for what comes after it);
--   how many entries to return at most
-- Returns: id of the last entry; then ids and entries (see lib/events.lua), in order, beginning with the oldest if the id is of a later stream
function commands.listen()
  local answer, from = { events.hear(tonumber(argv[A.kinds])) }, argv[A.from]
  if from == '' then return answer end
  -- of a stream that the store does not know: it was emptied
  if tonumber(match(from, '(%d+)%-')) > tonumber(S.begun) then from = '-' end
  for _, entry in ipairs(call('XRANGE', K.events, from, '+', 'COUNT', argv[A.count])) do
    answer[#answer + 1], answer[#answer + 2] = entry[1], entry[2][2]
  end
  return answer
end
