#!lua flags=no-writes
-- How many jobs of a task are in each state.
-- KEYS: the prefix of all keys
-- ARGV: test clock, task
-- Returns: waiting, delayed, active, completed, failed, cancelled, expired
--- @include "start"

local task = ARGV[2]
return {
  call('LLEN', K.wait .. task) - call('SCARD', K.stale .. task) + call('ZCARD', K.prio .. task),
  call('ZCARD', K.delayed .. task),
  call('ZCOUNT', K.active .. task, '-inf', '(+inf'),
  call('LLEN', K.completed .. task),
  call('ZCARD', K.failed .. task),
  call('ZCARD', K.cancelled .. task),
  call('ZCARD', K.expired .. task),
}
