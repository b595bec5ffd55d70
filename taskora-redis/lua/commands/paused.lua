-- flags: no-writes
-- A page of the tasks that are paused, in no order; one may be in two pages.
-- Arguments: cursor; number of closed tasks to look at
-- Returns: next cursor (0: that was all), then for each task: its name, since when it is paused (6) and why, and `x` of the pause
function commands.paused()
  -- a paused task is closed, whether or not it has jobs
  local page = call('SSCAN', K.closed, argv[A.cursor], 'COUNT', argv[A.count])
  local answer, at = { page[1] }, 1
  for _, task in ipairs(page[2]) do
    local p, x = gate.pause_of(task)
    if p then
      answer[at + 1], answer[at + 2], answer[at + 3] = task, p, x
      at = at + 3
    end
  end
  return answer
end
