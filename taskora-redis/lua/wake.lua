#!lua flags=allow-oom
-- Gives a wake-up back that its taker has no use for.
-- KEYS: the prefix of all keys
-- ARGV: test clock, task
-- Events: wakes a worker, if there is something to wake it for
--- @include "start"
--- @include "line"

local task = ARGV[2]
if call('SISMEMBER', K.ready, task) == 1 or call('ZSCORE', K.due, task) then wake(task) end
return 1
