-- flags: allow-oom
-- Cancels a workflow: it ends at once, and its nodes end here or in later calls.
-- Arguments: repeat (1 if the outcome of a first try is unknown); stored id; reason
-- Returns: N unknown, D ended now, ? a later version's, or the state (C, F, X, E) in which it had already ended
-- Events: pushes ends to waiters, and tells the workers of active nodes
function commands.cancel_workflow()
  local flow, reason = workflow.of(argv[A.id]), argv[A.reason]
  if workflow.is_newer(flow) then return '?' end
  if not flow.left then return 'N' end
  if flow.ended then
    -- after a lost answer, our own end does not count as an earlier one
    local no_cause = u32_at(flow.ended, 8) == 0
    if argv[A.again] == '1' and byte(flow.ended) == 88 and no_cause and sub(flow.ended, 12) == reason then return 'D' end
    return sub(flow.ended, 1, 1)
  end
  workflow.finish(flow, 'X', nil, reason)
  ends.write(true)
  return 'D'
end
