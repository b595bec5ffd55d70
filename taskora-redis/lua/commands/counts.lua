-- flags: no-writes
-- How many jobs of a task are in each state.
-- Arguments: task
-- Returns: waiting, delayed, active, completed, failed, cancelled, expired
function commands.counts()
  local task = argv[A.task]
  return {
    math.max(call('LLEN', K.wait .. task) - call('SCARD', K.tombstones .. task), 0) + call('ZCARD', K.prio .. task)
      + call('ZCARD', K.behind .. task) + call('HLEN', K.laned .. task),
    call('ZCARD', K.delayed .. task),
    call('ZCOUNT', K.active .. task, '-inf', '(+inf'),
    call('LLEN', K.completed .. task) + call('LLEN', K.owncompleted .. task),
    call('ZCARD', K.failed .. task) + call('ZCARD', K.ownfailed .. task),
    call('ZCARD', K.cancelled .. task) + call('ZCARD', K.owncancelled .. task),
    call('ZCARD', K.expired .. task) + call('ZCARD', K.ownexpired .. task),
  }
end
