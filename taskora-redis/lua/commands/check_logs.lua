-- flags: no-writes
-- Which logs would never be removed.
-- Arguments: ids
-- Returns: for each id one character: O its job is unknown, G its job does not know about it, or -
function commands.check_logs()
  local ids, answer = {}, {}
  for i = A.ids, #argv do ids[#ids + 1] = argv[i] end
  for i, f in ipairs(snapshot.of(ids)) do answer[i] = snapshot.wrong_log(f) or '-' end
  return concat(answer)
end
