-- flags: no-writes
-- What is known of a schedule.
-- Arguments: its name
-- Returns: now, then, if it is known: its name, what it is, its state, whether it is declared (see lib/schedules.lua); a later
--   version's: its name alone
function commands.schedule()
  local answer, name = { now }, argv[A.name]
  local entry = schedules.of({ name })[1]
  if entry and entry.is_newer then answer[2] = name elseif entry then schedules.show(answer, entry) end
  return answer
end
