#!lua flags=allow-oom
-- Cancels a workflow: it has ended at once, and its nodes end here or in later calls.
-- KEYS: the prefix of all keys
-- ARGV: test clock, repeat (1 if the outcome of a first try is unknown), stored id, reason
-- Returns: N unknown, D ended now, or the state (C, F, X, E) in which it had ended before
-- Events: pushes ends to who waits for them, and tells the workers of active nodes
--- @include "start"
--- @include "record"
--- @include "line"
--- @include "moves"
--- @include "due"
--- @include "life"
--- @include "flow"
--- @include "token"
--- @include "place"
--- @include "withdraw"
--- @include "release"
--- @include "workflow"
--- @include "finish"

local flow, reason = flow_of(ARGV[3]), ARGV[4]
if not flow.left then return 'N' end
if flow.ended then
  -- after a lost answer our own end is no earlier one
  local no_culprit = struct.unpack('>I4', flow.ended, 8) == 0
  if ARGV[2] == '1' and byte(flow.ended) == 88 and no_culprit and sub(flow.ended, 12) == reason then return 'D' end
  return sub(flow.ended, 1, 1)
end
end_workflow(flow, 'X', nil, reason)
write_ends(true)
return 'D'
