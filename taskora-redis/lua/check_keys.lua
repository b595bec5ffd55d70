#!lua flags=no-writes
-- A page of the keys of the namespace.
-- KEYS: the prefix of all keys
-- ARGV: test clock, pattern, cursor, number of keys
-- Returns: next cursor (0: that was all), then each key, its type, and 1 if it belongs to a workflow that is gone
--- @include "start"

local page = call('SCAN', ARGV[3], 'MATCH', ARGV[2], 'COUNT', ARGV[4])
local answer = { page[1] }
for _, key in ipairs(page[2]) do
  answer[#answer + 1] = key
  answer[#answer + 1] = call('TYPE', key).ok
  local noted = sub(key, 1, #(K.noted)) == K.noted and sub(key, #(K.noted) + 1)
  answer[#answer + 1] = noted and call('EXISTS', K.wf .. noted) == 0 and '1' or '0'
end
return answer
