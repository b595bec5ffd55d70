-- flags: no-writes
-- What is wrong with the data about tasks as a whole.
-- Arguments: tasks
-- Returns: for each task: letters, see lib/invariants.lua
function commands.check_tasks()
  local answer = {}
  for i = A.names, #argv do answer[#answer + 1] = invariants.of(argv[i]) end
  return answer
end
