-- flags: no-writes
-- A page of the tasks.
-- Arguments: cursor; how many
-- Returns: next cursor (0: that was all); how many workflows run, and how many have ended; for each task, some perhaps on two pages: name, what
--   `counts` returns, the age of the oldest of the first jobs in milliseconds (-1: none waits), why no job may be claimed, and the pause
function commands.overview()
  local page, tasks = call('SSCAN', K.tasks, argv[A.cursor], 'COUNT', argv[A.count]), {}
  for _, task in ipairs(page[2]) do
    if task ~= schedules.SELF then
      local counts = overview.counts(task)
      local created = counts[1] > 0 and overview.oldest(task)
      local why, pause = overview.gate(task)
      tasks[#tasks + 1] = { task, counts, created and math.max(now - created, 0) or -1, why, pause }
    end
  end
  return { page[1], call('ZCARD', K.wfrun), call('ZCARD', K.wfdone), tasks }
end
