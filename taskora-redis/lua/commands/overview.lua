-- flags: no-writes
-- A page of the tasks.
-- Arguments: cursor; how many
-- Returns: next cursor (0: that was all); how many workflows run, and how many have ended; for each task, some perhaps on two pages, what
--   lib/overview.lua says
function commands.overview()
  local page, tasks = call('SSCAN', K.tasks, argv[A.cursor], 'COUNT', argv[A.count]), {}
  for _, task in ipairs(page[2]) do
    if task ~= schedules.SELF then tasks[#tasks + 1] = overview.of(task) end
  end
  return { page[1], call('ZCARD', K.wfrun), call('ZCARD', K.wfdone), tasks }
end
