-- flags: allow-oom
-- Cancels a job: ends it, or flags it if it is active.
-- Arguments: repeat (1 if the outcome of a first try is unknown); id; reason
-- Returns: N unknown, A flagged, D ended now, ? a later version's, or the state (C, F, S, X, E) in which it had already ended
-- Events: pushes the end to waiters, or tells the workers
function commands.cancel()
  local id, reason = argv[A.id], argv[A.reason]
  local text, done = workflow.job_of(id)
  if not text then return 'N' end
  if done then
    -- after a lost answer, our own end does not count as an earlier one
    if argv[A.again] == '1' and byte(done) == 88 and sub(done, 10, 15) == ZERO6 and sub(done, 22) == reason then return 'D' end
    return sub(done, 1, 1)
  end
  if not record.is_readable(text) or record.is_newer(text) then return '?' end
  if not workflow.withdraw(record.task_of(text), id, text, call('HGET', K.life, id), reason) then return 'A' end
  ends.write(true)
  return 'D'
end
