#!lua
-- Starts workflows. A known id is left alone.
-- KEYS: the prefix of all keys
-- ARGV: test clock, repeat (1 if the outcome of a first try is unknown), number of workflows, then for each: stored id,
--   times (empty: it has no deadline and is due now; else milliseconds from now to its deadline or nothing, a space, and its
--   due time: nothing, `+` milliseconds from now or `@` milliseconds of the epoch), what its head has after the times (number
--   of nodes (4), of joins (4), nonce (16, the same if this is repeated), annotations), number of nodes, output, the roots
--   as entries of a slab, number of fields that were put aside, number of other fields, these and their values
-- Returns: one character per workflow: 1 started, 0 duplicate, L what was put aside is lost
-- Events: wakes a worker per task
--- @include "start"
--- @include "line"
--- @include "due"
--- @include "flow"
--- @include "release"

local NO_TIMES = string.rep('\0', 12)
local deadlines, empty = {}, {}

-- workflows without nodes have completed; the functions are made here, so that other starts need not
local function end_empty()
  --- @include "record"
  --- @include "moves"
  --- @include "life"
  --- @include "token"
  --- @include "place"
  --- @include "withdraw"
  --- @include "workflow"
  --- @include "finish"
  local done = {}
  for i, flow in ipairs(empty) do
    end_workflow(flow, 'C')
    done[2 * i - 1], done[2 * i] = now, flow.id
  end
  write_ends(true)
  pages(done, function(...) call('ZADD', K.wfdone, ...) end)
end

local function start(at)
  local id, times, rest, nodes, staged = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3]), tonumber(ARGV[at + 6])
  local nonce = sub(rest, 9, 24)
  local key, aside = K.wf .. id, K.stage .. nonce
  -- after a lost answer our own workflow is no duplicate, and is not run again if it has come and gone
  if ARGV[2] == '1' and call('ZSCORE', K.wfgone, nonce) then return '1' end
  if call('EXISTS', key) == 1 then
    if sub(call('HGET', key, 'm') or '', 28, 43) == nonce then return '1' end
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
  local deadline, due = 0, 0
  if times ~= '' then
    local ends, kind, time = match(times, '^(%d*) ([+@]?)(%d*)$')
    if ends ~= '' then deadline = now + tonumber(ends) end
    if kind ~= '' then due = tonumber(time) + (kind == '+' and now or 0) end
    times = struct.pack('>I6I6', deadline, due)
  else
    times = NO_TIMES
  end
  local head = '\1' .. now6 .. times .. rest
  local first, values = at + 8, 2 * tonumber(ARGV[at + 7])
  -- there are no more than one call brings
  call('HSET', key, 'l', ARGV[at + 3], 'm', head, 'o', ARGV[at + 4], unpack(ARGV, first, first + values - 1))
  if deadline > 0 then
    deadlines[#deadlines + 1] = deadline
    deadlines[#deadlines + 1] = id
  end
  local flow = { id = id, key = key, head = head, ended = false, left = nodes, puts = false }
  FLOWS[id] = flow
  if nodes == 0 then
    empty[#empty + 1] = flow
  elseif staged > 0 then
    put_off('R', 'r', 0, flow)
  else
    spare_releases = nodes
    release(flow, { { name = 'r', is_whole = true, text = ARGV[at + 5], at = 1 } })
  end
  return '1'
end

local answer, at = {}, 4
for i = 1, tonumber(ARGV[3]) do
  answer[i] = start(at)
  at = at + 8 + 2 * tonumber(ARGV[at + 7])
end
pages(deadlines, function(...) call('ZADD', K.wfdue, ...) end)
if #empty > 0 then end_empty() end
line_up()
wake_touched()
return table.concat(answer)
