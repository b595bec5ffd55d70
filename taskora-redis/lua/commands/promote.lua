-- Makes a delayed job due now.
-- Arguments: repeat (1 if the outcome of a first try is unknown); id
-- Returns: `1` it is due, or what keeps it from that, see lib/act.lua
-- Events: wakes a worker
function commands.promote()
  local id = argv[A.id]
  local answer, task, _, _, place = act.on(id)
  if place ~= 'delayed' then
    -- a first try has done it
    return task and argv[A.again] == '1' and '1' or answer
  end
  if tonumber(call('ZSCORE', K.delayed .. task, id)) > now then
    call('ZADD', K.delayed .. task, digits(now), id)
    due.announce(task, due.plan(task))
  end
  due.promote({ { task, now } }, 128)
  return '1'
end
