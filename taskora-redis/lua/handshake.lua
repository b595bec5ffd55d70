#!lua flags=allow-oom
-- Signs an empty namespace, and reads the signature of any other.
-- KEYS: the prefix of all keys
-- ARGV: test clock, wire version, oldest version it can share a namespace with, writer
-- Returns: the version, oldest version and writer that the namespace is signed with
--- @include "start"

if call('EXISTS', K.meta) == 0 then
  call('HSET', K.meta, 'version', ARGV[2], 'min', ARGV[3], 'writer', ARGV[4], 'created', now)
end
local meta = call('HMGET', K.meta, 'version', 'min', 'writer')
return { meta[1] or '', meta[2] or '', meta[3] or '' }
