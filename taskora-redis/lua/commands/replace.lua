-- Replaces a job that has neither started nor ended by a new one: the old one ends as cancelled. The new one gets its priority, its due time,
-- and its keys. If the old one has ended with this reason and the new id is known, an earlier call has done it.
-- Arguments: id; reason; id of the new job; its record without layout and creation time; its payload (empty if it is in the record)
-- Returns: `1` it is done, `O` the new one belongs to another task, or what keeps it from that, see lib/act.lua
-- Events: wakes a worker; pushes the end to waiters
function commands.replace()
  local id, reason, new_id, rest, payload = argv[A.id], argv[A.reason], argv[A.new_id], argv[A.record], argv[A.payload]
  local answer, task, text, done, place, at = act.on(id)
  local is_known = call('HEXISTS', K.jobs, new_id) == 1
  if done and is_known and byte(done) == 88 and sub(done, 22) == reason then return '1' end
  if not place or place == 'active' then return answer end
  if intake.task_of(rest) ~= task then return 'O' end
  if is_known then return 'T' end
  rest = sub(rest, 1, 1) .. sub(text, R.priority, R.priority + 1) .. sub(rest, 4)
  local time, batch = tonumber(at or 0), intake.batch()
  local is_behind = keyed.hand_over(task, id, new_id, time <= now)
  local number = not is_behind and time <= now and line.arrivals(1) + 1
  intake.add(batch, new_id, rest, payload ~= '' and payload or nil, time, number, nil, is_behind)
  intake.write(batch)
  workflow.withdraw(task, id, text, call('HGET', K.life, id), reason)
  ends.write(true)
  return '1'
end
