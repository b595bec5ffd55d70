-- Stores a job as a run of a schedule, outside of its times.
-- Arguments: name of the schedule; what becomes of it while the last run has not ended, and the job, see
--   `schedules.store`
-- Returns: 1 it is stored, `U` and the id of the last run, which has not ended, 0 there is no such schedule, ? it is of a
--   later version
-- Events: wakes a worker
function commands.trigger()
  local entry, id = schedules.of({ argv[A.name] })[1], argv[A.job]
  if not entry then return '0' end
  if entry.is_newer then return '?' end
  if call('HEXISTS', K.jobs, id) == 1 then return '1' end
  if schedules.store(entry, A.job, 1, argv[A.overlap], 0) == 0 then return 'U' .. entry.last_job end
  entry.ran = entry.ran + 1
  schedules.write(entry)
  -- it may have been handed out until a little later
  due.plan(schedules.SELF)
  return '1'
end
