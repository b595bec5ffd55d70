-- flags: allow-oom
-- Hands out schedules that are due, each for a second to this worker alone; forgets those that nobody has declared for seven days.
-- Arguments: worker
-- Returns: now, milliseconds until this worker is to ask again (-1: another one was told, or nothing is to come), then for each
--   schedule: its name, what it is, its state, whether it is declared (see lib/schedules.lua)
function commands.due_schedules()
  local answer = { now, -1 }
  local count = schedules.hand_out(answer)
  local first = due.plan(schedules.SELF)
  if first and count == 0 then answer[2] = due.take_timer({ { schedules.SELF, first } }, argv[A.worker], true) end
  return answer
end
