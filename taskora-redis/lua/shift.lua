#!lua flags=allow-oom
-- For tests: lets the namespace's time pass, and wakes who sleeps until a time.
-- KEYS: the prefix of all keys
-- ARGV: test clock, milliseconds
--- @include "start"
--- @include "line"

call('INCRBY', K.clock, ARGV[2])
for _, task in ipairs(call('ZRANGE', K.due, 0, 63)) do wake(task) end
return 1
