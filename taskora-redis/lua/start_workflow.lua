#!lua
-- Starts workflows. A known id is left alone.
-- KEYS: the prefix of all keys
-- ARGV: test clock, repeat (1 if the outcome of a first try is unknown), number of workflows, then for each: stored id,
--   nonce (the same if this is repeated), deadline in milliseconds from now (empty: none), due time (empty: now; `+`
--   milliseconds from now or `@` milliseconds of the epoch), number of nodes, of joins, annotations, output, the roots as
--   entries of a slab, number of fields that were put aside, number of other fields, these and their values
-- Returns: one character per workflow: 1 started, 0 duplicate, L what was put aside is lost
-- Events: wakes a worker per task
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
--- @include "workflow"
--- @include "finish"

local deadlines, done = {}, {}

local function start(at)
  local id, nonce, staged = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 9])
  local key, aside = K.wf .. id, K.stage .. nonce
  -- after a lost answer our own workflow is no duplicate, and is not run again if it has come and gone
  if ARGV[2] == '1' and call('ZSCORE', K.wfgone, nonce) then return '1' end
  local known = flow_of(id).head
  if known then
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
  local deadline = ARGV[at + 2] == '' and 0 or now + tonumber(ARGV[at + 2])
  local due = ARGV[at + 3] == '' and 0 or tonumber(sub(ARGV[at + 3], 2))
  if byte(ARGV[at + 3]) == 43 then due = now + due end
  local nodes = tonumber(ARGV[at + 4])
  local head = '\1' .. now6 .. struct.pack('>I6I6I4I4', deadline, due, nodes, tonumber(ARGV[at + 5])) .. nonce .. ARGV[at + 6]
  local first, values = at + 11, 2 * tonumber(ARGV[at + 10])
  -- there are no more than one call brings
  call('HSET', key, 'm', struct.pack('>I4I4', nodes, 0) .. head, 'o', ARGV[at + 7], unpack(ARGV, first, first + values - 1))
  if deadline > 0 then
    deadlines[#deadlines + 1] = deadline
    deadlines[#deadlines + 1] = id
  end
  local flow = { id = id, key = key, head = head, ended = false, left = nodes, puts = false }
  FLOWS[id] = flow
  if nodes == 0 then
    end_workflow(flow, 'C')
    done[#done + 1] = now
    done[#done + 1] = id
  elseif staged > 0 then
    put_off('R', 'r', 0, flow)
  else
    spare_releases = nodes
    release(flow, { { name = 'r', is_whole = true, text = ARGV[at + 8], at = 1 } })
  end
  return '1'
end

local answer, at = {}, 4
for i = 1, tonumber(ARGV[3]) do
  answer[i] = start(at)
  at = at + 11 + 2 * tonumber(ARGV[at + 10])
end
pages(deadlines, function(...) call('ZADD', K.wfdue, ...) end)
write_ends(true)
pages(done, function(...) call('ZADD', K.wfdone, ...) end)
line_up()
wake_touched()
return table.concat(answer)
