-- Makes ticks of schedules, one after the other: stores their jobs, and sets their next tick.
-- Arguments: for each schedule (at most 100): its name; what it must be (see `schedules.version`); flags (1: 1 it has a next tick),
--   since (6), next tick (6), missed ticks (6), number of jobs (2), how many of them are caught up (2), overlap (1); then its
--   jobs (at most 500 in all), see `schedules.store`
-- Returns: for each schedule: jobs stored, a space, ticks skipped; `-`: it was not as expected
-- Events: wakes a worker per task

-- the tick at this argument; returns the answer and the next argument
local function tick(at)
  local flags, since, time, missed, count, caught_up, overlap = read('>BI6I6I6I2I2c1', argv[at + 2])
  local entry, last = schedules.of({ argv[at] })[1], at + 3 + 5 * count
  if not entry or entry.is_newer or entry.paused or schedules.version(entry) ~= argv[at + 1] then return '-', last end
  local ran, skipped = schedules.store(entry, at + 3, count, overlap, caught_up)
  entry.ran, entry.skipped, entry.missed = entry.ran + ran, entry.skipped + skipped, entry.missed + missed
  entry.since, entry.at = since, flags % 2 == 1 and time or nil
  schedules.write(entry)
  return digits(ran) .. ' ' .. digits(skipped), last
end

function commands.tick()
  local answer, at = {}, A.ticks
  while at <= #argv do
    answer[#answer + 1], at = tick(at)
  end
  due.plan(schedules.SELF)
  return answer
end
