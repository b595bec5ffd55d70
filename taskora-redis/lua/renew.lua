#!lua flags=allow-oom
-- Extends leases from now.
-- KEYS: the prefix of all keys
-- ARGV: test clock, then for each lease: task, `<id>:<token>`, id, length in milliseconds
-- Returns: one character per lease: E extended, C extended and flagged as cancelled, L lost
--- @include "start"

local any_cancel = call('EXISTS', K.cancel) == 1
local answer = {}
for i = 2, #ARGV, 4 do
  local key, member = K.active .. ARGV[i], ARGV[i + 1]
  local state = 'L'
  if call('ZSCORE', key, member) then
    call('ZADD', key, 'XX', now + tonumber(ARGV[i + 3]), member)
    state = any_cancel and call('HEXISTS', K.cancel, ARGV[i + 2]) == 1 and 'C' or 'E'
  end
  answer[#answer + 1] = state
end
return table.concat(answer)
