#!lua flags=allow-oom
-- Cancels a job: ends it, or flags it if it is active.
-- KEYS: the prefix of all keys
-- ARGV: test clock, repeat (1 if the outcome of a first try is unknown), id, reason
-- Returns: N unknown, A flagged, D ended now, or the state (C, F, S, X, E) in which it had ended before
-- Events: pushes the end to who waits for it, or tells the workers
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

local id, reason = ARGV[3], ARGV[4]
local record, done = job_of(id)
if not record then return 'N' end
if done then
  -- after a lost answer our own end is no earlier one
  if ARGV[2] == '1' and byte(done) == 88 and sub(done, 10, 15) == ZERO6 and sub(done, 22) == reason then return 'D' end
  return sub(done, 1, 1)
end

local task = task_of(record)
local life = call('HGET', K.life, id)
local attempts, stalls = life_of(life)
if not withdraw(task, id, record, life, reason) then return 'A' end
finish(task, id, 'X', u32(attempts), u32(stalls), ZERO6, reason)
write_ends(true)
return 'D'
