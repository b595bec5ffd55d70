#!lua flags=allow-oom
-- Takes back jobs whose lease has passed, makes due jobs ready, ends workflows that are late, wakes workers, removes what
-- has ended.
-- KEYS: the prefix of all keys
-- ARGV: test clock, own tasks, age and number of completed jobs to keep, of failed ones, and of workflows
-- Returns: rescued, stalled, more (0 or 1)
-- Events: pushes ends to who waits for them; wakes a worker per task with jobs waiting
--- @include "start"
--- @include "record"
--- @include "line"
--- @include "moves"
--- @include "due"
local OWN = 2
--- @include "own"
--- @include "flow"
--- @include "promote"
--- @include "life"
--- @include "active"
--- @include "token"
--- @include "place"
--- @include "withdraw"
--- @include "release"
--- @include "workflow"
--- @include "finish"
--- @include "todo"
--- @include "retire"

local RESCUES, REMOVALS = 100, 256
local rescued, stalled, more = 0, 0, false

local function rescue(task)
  local key = K.active .. task
  local late = call('ZRANGEBYSCORE', key, '-inf', now, 'LIMIT', 0, RESCUES)
  if #late == 0 then return end
  -- the last one to return goes first: the one that was claimed first must be that one
  for i = #late, 1, -1 do
    local member = late[i]
    local id, token = match(member, '^(.*):(%d+)$')
    local record = record_of(id)
    if record then
      local attempts, stalls, message = life_of(call('HGET', K.life, id))
      stalls = stalls + 1
      local reason = call('HGET', K.cancel, id)
      if reason then
        finish(task, id, 'X', u32(attempts), u32(stalls), ZERO6, reason)
      elseif stalls > (byte(record, 11) or 0) then
        finish(task, id, 'S', u32(attempts), u32(stalls), ZERO6, '')
        stalled = stalled + 1
      else
        live_on(id, tonumber(token), attempts, stalls, message)
        to_front(task, id, priority_of(record))
        rescued = rescued + 1
      end
    end
    call('ZREM', key, member)
  end
  tidy_active(task)
  if #late == RESCUES then more = true end
end

local function remove_completed(task, age, keep)
  local key = K.completed .. task
  local length = call('LLEN', key)
  if length == 0 then return end
  local count = math.max(length - keep, 0)
  if count < REMOVALS then
    for i, entry in ipairs(call('LRANGE', key, count, REMOVALS - 1)) do
      if struct.unpack('>I6', entry) > now - age then break end
      count = count + 1
    end
  end
  if count > 0 then drop_completed(task, count) end
  if count >= REMOVALS then more = true end
end

local function remove_ended(task, index, age, keep)
  local length = call('ZCARD', index)
  if length == 0 then return end
  local old = call('ZRANGEBYSCORE', index, '-inf', now - age, 'LIMIT', 0, REMOVALS)
  local extra = math.min(length - keep, REMOVALS)
  if extra > #old then old = call('ZRANGE', index, 0, extra - 1) end
  if drop_ended(task, index, old) == REMOVALS then more = true end
end

local tasks = own_names()
local late = call('ZRANGEBYSCORE', K.wfdue, '-inf', now, 'LIMIT', 0, 16)
for _, id in ipairs(late) do
  local flow = flow_of(id)
  if flow.left then expire_if_late(flow) else call('ZREM', K.wfdue, id) end
end
if #late == 16 then more = true end
for _, task in ipairs(tasks) do rescue(task) end
write_ends(true)
if work_off(256) then more = true end
if promote(own_due(), 256) then more = true end
for _, task in ipairs(own_ready()) do wake(task) end
wake_touched()

local completed_age, completed_keep = tonumber(ARGV[3]), tonumber(ARGV[4])
local failed_age, failed_keep = tonumber(ARGV[5]), tonumber(ARGV[6])
for _, task in ipairs(tasks) do
  remove_completed(task, completed_age, completed_keep)
  for _, state in ipairs({ 'F', 'X', 'E' }) do
    remove_ended(task, index_of(state, task), failed_age, failed_keep)
  end
end
local flows_age, flows_keep = tonumber(ARGV[7]), tonumber(ARGV[8])
local flows = call('ZRANGEBYSCORE', K.wfdone, '-inf', now - flows_age, 'LIMIT', 0, 128)
local beyond = math.min(call('ZCARD', K.wfdone) - flows_keep, 128)
if beyond > #flows then flows = call('ZRANGE', K.wfdone, 0, beyond - 1) end
local before = #flows == 128 and call('ZCARD', K.wfdone)
if retire(flows) or before and call('ZCARD', K.wfdone) < before then more = true end
return { rescued, stalled, more and 1 or 0 }
