-- flags: allow-oom
-- Ends jobs that are not active as cancelled, or deletes jobs that are not active.
-- Arguments: repeat (1 if the outcome of a first try is unknown); `c` cancels those that have not ended, `d` deletes all; reason; ids (at
--   most 100)
-- Returns: for each: `1` it is done, or what keeps it from that, see lib/act.lua
-- Events: pushes ends to waiters
function commands.withdraw()
  local is_deleted, answers, known, withdrawn = argv[A.what] == 'd', {}, {}, {}
  for i = A.ids, #argv do
    local id = argv[i]
    local answer, task, text, done, place = act.on(id, not is_deleted)
    if known[id] then
      answer = is_deleted and 'N' or 'X'
    elseif place and place ~= 'active' then
      workflow.withdraw(task, id, text, call('HGET', K.life, id), argv[A.reason])
      withdrawn[#withdrawn + 1] = { task, id }
      answer, known[id] = '1', true
    elseif done and is_deleted then
      ends.remove(task, id, done)
      events.add('d', task, id)
      answer, known[id] = '1', true
    elseif argv[A.again] == '1' and answer == (is_deleted and 'N' or 'X') then
      -- a first try has done it
      answer = '1'
    end
    answers[#answers + 1] = answer
  end
  ends.write(true)
  for _, job in ipairs(is_deleted and withdrawn or {}) do
    ends.remove(job[1], job[2], 'X')
    events.add('d', job[1], job[2])
  end
  return answers
end
