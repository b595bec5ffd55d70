-- flags: no-writes
-- A page of the live workers.
-- Arguments: cursor; how many; whether to return the ids of their jobs (0 or 1)
-- Returns: next cursor (0: that was all); id and entry of each, some perhaps on two pages (see lib/workers.lua)
function commands.workers()
  local cursor, live = workers.page(argv[A.cursor], argv[A.count], argv[A.jobs] == '1')
  return { cursor, live }
end
