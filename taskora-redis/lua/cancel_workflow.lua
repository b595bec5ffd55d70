#!lua flags=allow-oom
-- Cancels a workflow: it has ended at once, and its nodes end here or in later calls.
-- KEYS: the prefix of all keys
-- ARGV: test clock, stored id, reason
-- Returns: N unknown, D ended now, or the state (C, F, X, E) in which it had ended before
-- Events: pushes ends to who waits for them, and tells the workers of active nodes
--- @include "start"
--- @include "record"
--- @include "line"
--- @include "moves"
--- @include "due"
--- @include "life"
--- @include "flow"
--- @include "place"
--- @include "withdraw"
--- @include "workflow"
--- @include "finish"

local flow = flow_of(ARGV[2])
if not flow.head then return 'N' end
if flow.ended then return sub(flow.ended, 1, 1) end
end_workflow(flow, 'X', nil, ARGV[3])
write_ends(true)
return 'D'
