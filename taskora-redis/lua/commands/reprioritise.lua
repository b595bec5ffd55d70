-- Gives a job that has neither started nor ended another priority. In line, it goes behind the others of that priority. One in the list leaves a
-- tombstone there: finding it would cost more the longer the list is. From then on it is in the sorted set whatever its priority.
-- Arguments: repeat (1 if the outcome of a first try is unknown); id; priority, in digits
-- Returns: `1` it has it, or what keeps it from that, see lib/act.lua
-- Events: wakes a worker
function commands.reprioritise()
  local id, priority = argv[A.id], tonumber(argv[A.priority])
  local answer, task, text, _, place = act.on(id)
  local is_same = task and record.priority_of(text) == priority
  -- a first try may have done it
  if is_same and argv[A.again] == '1' then return '1' end
  if not place or place == 'active' then return answer end
  if is_same then return '1' end
  local before = text
  text = record.with_priority(text, priority)
  local lane = place == 'waiting' and call('HGET', K.laned .. task, id)
  if place == 'waiting' and not lane then
    text = record.unlisted(text)
    line.enter(task, nil, nil, { line.arrivals(1) + 1 - priority * line.BAND, id })
  elseif lane then
    lanes.reorder(task, lane, id, priority)
  end
  call('HSET', K.jobs, id, text)
  if place == 'waiting' and not lane and record.is_listed(before) then line.bury(task, id) end
  if lane then lanes.changed(task, lane) end
  if place == 'waiting' then gate.line_changed(task) end
  return '1'
end
