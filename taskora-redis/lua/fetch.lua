#!lua flags=no-writes
-- Payloads that are kept beside the records.
-- KEYS: the prefix of all keys
-- ARGV: test clock, about how many bytes to answer, ids
-- Returns: the payloads of the first ids, at least one (nothing for one that is gone), until they are that many bytes
--- @include "start"
--- @include "flow"

local most, size = tonumber(ARGV[2]), 0
local payloads = {}
for i = 3, #ARGV do
  local key, field = K.blobs, ARGV[i]
  if byte(field) == 42 then
    local flow, number = node_of(field)
    key, field = K.wf .. flow, 'b' .. number
  end
  size = size + call('HSTRLEN', key, field)
  if i > 3 and size > most then break end
  payloads[#payloads + 1] = call('HGET', key, field)
end
return payloads
