-- flags: allow-oom
-- Deletes jobs that have ended, each at its time.
-- Arguments: repeat (1 if the outcome of a first try is unknown); for each job (at most 100): id, when it ended in milliseconds
-- Returns: for each: `1` it is gone, or what keeps it from that, see lib/act.lua
function commands.discard()
  local answers = {}
  for i = A.jobs, #argv, 2 do
    local id, ended_at = argv[i], tonumber(argv[i + 1])
    local answer, task, _, done = act.on(id)
    if done and u48_at(done, 16) == ended_at then
      ends.remove(task, id, done)
      events.add('d', task, id)
      answer = '1'
    elseif answer == 'N' and argv[A.again] == '1' then
      -- a first try has done it
      answer = '1'
    end
    answers[#answers + 1] = answer
  end
  return answers
end
