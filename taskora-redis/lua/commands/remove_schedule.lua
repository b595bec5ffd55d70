-- flags: allow-oom
-- Removes a schedule, unless a running worker declares it.
-- Arguments: repeat (1 if the outcome of a first try is unknown); its name
-- Returns: R removed, D it is declared, N there is no such schedule, ? it is of a later version
function commands.remove_schedule()
  local entry = schedules.of({ argv[A.name] })[1]
  if not entry then return argv[A.again] == '1' and 'R' or 'N' end
  if entry.is_newer then return '?' end
  if entry.is_code and schedules.is_declared(entry) then return 'D' end
  schedules.forget(entry.name)
  due.plan(schedules.SELF)
  return 'R'
end
