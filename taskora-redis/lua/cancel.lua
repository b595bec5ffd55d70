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
--- @include "finish"
--- @include "place"

local id, reason = ARGV[3], ARGV[4]
local record = call('HGET', K.jobs, id)
if not record then return 'N' end
local done = call('HGET', K.done, id)
if done then
  -- after a lost answer our own end is no earlier one
  if ARGV[2] == '1' and byte(done) == 88 and sub(done, 10, 15) == ZERO6 and sub(done, 22) == reason then return 'D' end
  return sub(done, 1, 1)
end

local task = task_of(record)
local claims, attempts, stalls = life_of(call('HGET', K.life, id))
local place = place_of(task, id, claims)
if place == 'active' then
  call('HSETNX', K.cancel, id, reason)
  -- best effort: a worker that is not told learns it when it renews
  redis.pcall('PUBLISH', K.cancels, id)
  return 'A'
end
if place == 'delayed' then
  call('ZREM', K.delayed .. task, id)
  plan(task)
elseif priority_of(record) ~= 0 then
  call('ZREM', K.prio .. task, id)
  still_ready(task)
else
  -- to find its place in the list would cost as much as the list is long: it stays behind as a tombstone
  local wait, stale = K.wait .. task, K.stale .. task
  call('SADD', stale, id)
  if call('LLEN', wait) <= call('SCARD', stale) then
    call('UNLINK', wait, stale)
    still_ready(task)
  end
end
finish(task, id, 'X', u32(attempts), u32(stalls), ZERO6, reason)
write_ends(true)
return 'D'
