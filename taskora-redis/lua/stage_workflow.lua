#!lua
-- Puts a part of a large workflow aside, for `start_workflow` to take it all at once.
-- KEYS: the prefix of all keys
-- ARGV: test clock, nonce, how long it is kept in milliseconds, fields and values
--- @include "start"

local fields = {}
for i = 4, #ARGV do fields[i - 3] = ARGV[i] end
pages(fields, function(...) call('HSET', K.stage .. ARGV[2], ...) end)
call('PEXPIRE', K.stage .. ARGV[2], ARGV[3])
return 1
