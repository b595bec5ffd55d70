#!lua flags=no-writes
-- Payloads that are kept beside the records.
-- KEYS: the prefix of all keys
-- ARGV: test clock, about how many bytes to answer, ids
-- Returns: the payloads of the first ids, at least one (nothing for one that is gone), until they are that many bytes
--- @include "start"

local most, size = tonumber(ARGV[2]), 0
local payloads = {}
for i = 3, #ARGV do
  size = size + call('HSTRLEN', K.blobs, ARGV[i])
  if i > 3 and size > most then break end
  payloads[#payloads + 1] = call('HGET', K.blobs, ARGV[i])
end
return payloads
