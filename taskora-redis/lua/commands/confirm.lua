-- flags: no-writes
-- Which jobs and marks are still in their places, and so have been there all the time.
-- Arguments: for each: place (a list, or `tombstones`), task, id, stamp
-- Returns: for each one character: 1 it is, 0 it is not
function commands.confirm()
  local ids, answer = {}, {}
  for i = A.suspects + 2, #argv, 4 do ids[#ids + 1] = argv[i] end
  for i, f in ipairs(snapshot.of(ids)) do
    local at = A.suspects + 4 * (i - 1)
    answer[i] = snapshot.has_stayed(argv[at], argv[at + 1], f, argv[at + 3]) and '1' or '0'
  end
  return concat(answer)
end
