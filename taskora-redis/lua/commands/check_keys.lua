-- flags: no-writes
-- A page of the keys of the namespace.
-- Arguments: pattern; cursor; number of keys
-- Returns: next cursor (0: that was all), then each key, its type (`text`: a counter that is not a number), and 1 if it belongs
--   to a workflow that is gone, or if it is staged and does not expire
function commands.check_keys()
  local page = call('SCAN', argv[A.cursor], 'MATCH', argv[A.pattern], 'COUNT', argv[A.count])
  local answer = { page[1] }
  for _, key in ipairs(page[2]) do
    answer[#answer + 1] = key
    local kind = call('TYPE', key).ok
    if kind == 'string' and (key == K.seq or key == K.front) and not line.is_counter(call('GET', key)) then kind = 'text' end
    answer[#answer + 1] = kind
    local noted = sub(key, 1, #(K.noted)) == K.noted and sub(key, #(K.noted) + 1)
    local is_left = noted and call('EXISTS', K.wf .. noted) == 0
    if sub(key, 1, #(K.stage)) == K.stage then is_left = call('PTTL', key) == -1 end
    answer[#answer + 1] = is_left and '1' or '0'
  end
  return answer
end
