-- What is wrong with the data about a task as a whole, as letters: r jobs are in line, but the task is missing from `ready`,
-- although it is not closed; R the other way round; g it is closed, although there is room, or the other way round, or opens at the wrong
-- time, or its first lane is noted to; d `due` is not the earliest delayed job or opening; t a timer for nothing; w a wake-up without work; n missing from `tasks`; s the
-- sentinel is alone.
function invariants.of(task)
  local has_line = call('EXISTS', K.wait .. task, K.prio .. task, K.turns .. task) > 0
  local bound = tonumber(call('ZSCORE', K.ready, task) or '')
  local is_ready = bound ~= nil
  local first = due.earliest(task)
  local planned = call('ZSCORE', K.due, task)
  local has_sentinel = call('ZSCORE', K.active .. task, active.SENTINEL)
  local leases = call('ZCARD', K.active .. task) - (has_sentinel and 1 or 0)
  local is_closed = call('SISMEMBER', K.closed, task) == 1
  local faults = (gate.is_wrong(task) or lanes.is_planned_wrongly(task)) and 'g' or ''
  if has_line and not is_ready and not is_closed then faults = faults .. 'r' end
  if is_ready and has_line then
    -- the bound may be too low, but never too high
    local first_back = call('LINDEX', K.wait .. task, 0)
    local first_ranked = call('ZRANGE', K.prio .. task, 0, 0, 'WITHSCORES')[2]
    local head = first_back and u48_at(first_back, 1) or first_ranked and tonumber(first_ranked)
    if first_ranked and head then head = math.min(head, tonumber(first_ranked)) end
    local lane = call('ZRANGE', K.turns .. task, 0, 0)[1]
    local first_keyed = lane and lanes.room(task, lane) > 0 and lanes.first_of(task, lane)
    if first_keyed then head = math.min(head or first_keyed, first_keyed) end
    if head and bound > head then faults = faults .. 'r' end
  end
  if is_ready and (not has_line or is_closed) then faults = faults .. 'R' end
  if (first and tonumber(first) or -1) ~= (planned and tonumber(planned) or -1) then faults = faults .. 'd' end
  if not first and call('HEXISTS', K.timer, task) == 1 then faults = faults .. 't' end
  if (not has_line or is_closed) and not is_ready and not first and call('EXISTS', K.wake .. task) == 1 then faults = faults .. 'w' end
  if task ~= schedules.SELF and (has_line or first or leases > 0) and call('SISMEMBER', K.tasks, task) == 0 then faults = faults .. 'n' end
  if leases == 0 and has_sentinel then faults = faults .. 's' end
  return faults
end
