-- flags: allow-oom
-- Pauses a schedule. If it is paused already, the first reason stays.
-- Arguments: its name; reason
-- Returns: 1, 0 there is no such schedule, ? it is of a later version
function commands.pause_schedule()
  local entry = schedules.of({ argv[A.name] })[1]
  if not entry then return '0' end
  if entry.is_newer then return '?' end
  if not entry.paused then entry.paused, entry.reason = now, argv[A.reason] end
  entry.at = nil
  schedules.write(entry)
  due.plan(schedules.SELF)
  return '1'
end
