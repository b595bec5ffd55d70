-- flags: no-writes
-- A page of all schedules, in no order; one may be in two pages.
-- Arguments: cursor; number of schedules
-- Returns: next cursor (0: that was all), then for each schedule: its name, what it is, its state, whether it is declared (see
--   lib/schedules.lua); later versions' are left out
function commands.list_schedules()
  local page, names = call('HSCAN', K.sched, argv[A.cursor], 'COUNT', argv[A.count]), {}
  for i = 1, #page[2], 2 do names[#names + 1] = page[2][i] end
  local answer = { page[1] }
  for _, entry in ipairs(schedules.of(names)) do
    if entry and not entry.is_newer then schedules.show(answer, entry) end
  end
  return answer
end
