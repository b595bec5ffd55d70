#!lua
-- Starts a workflow. A known id is left alone.
-- KEYS: the prefix of all keys
-- ARGV: test clock, stored id, nonce (the same if this is repeated), deadline in milliseconds from now (empty: none), due
--   time (empty: now; `+` milliseconds from now or `@` milliseconds of the epoch), number of nodes, of joins, annotations,
--   output, the roots' numbers in ranges (first and last, 4 each), number of fields that were put aside, other fields and
--   values
-- Returns: 1 started, 0 duplicate, L what was put aside is lost
-- Events: wakes a worker per task
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

local id, nonce, staged = ARGV[2], ARGV[3], tonumber(ARGV[11])
local key, aside = K.wf .. id, K.stage .. ARGV[3]
local known = call('HGET', key, 'm')
if known then
  -- after a lost answer our own workflow is no duplicate
  if sub(known, 28, 43) == nonce then return '1' end
  if staged > 0 then call('UNLINK', aside) end
  return '0'
end
if staged > 0 then
  if call('HLEN', aside) ~= staged then
    call('UNLINK', aside)
    return 'L'
  end
  call('RENAME', aside, key)
  call('PERSIST', key)
end
local deadline = ARGV[4] == '' and 0 or now + tonumber(ARGV[4])
local due = ARGV[5] == '' and 0 or tonumber(sub(ARGV[5], 2))
if byte(ARGV[5]) == 43 then due = now + due end
local nodes = tonumber(ARGV[6])
local head = '\1' .. now6 .. struct.pack('>I6I6I4I4', deadline, due, nodes, tonumber(ARGV[7])) .. nonce .. ARGV[8]
local fields = { 'm', head, 'o', ARGV[9], 'l', nodes, 'jr', 0, 'cr', ARGV[10] }
for i = 12, #ARGV do fields[#fields + 1] = ARGV[i] end
pages(fields, function(...) call('HSET', key, ...) end)
if deadline > 0 then call('ZADD', K.wfdue, deadline, id) end

local flow = flow_of(id)
if nodes == 0 then
  end_workflow(flow, 'C')
  call('ZADD', K.wfdone, now, id)
elseif staged > 0 then
  put_off('R', 'r', 0, flow)
else
  -- no more than one call brings
  spare_releases = nodes
  release_some(flow, { 'r' })
end
wake_touched()
return '1'
