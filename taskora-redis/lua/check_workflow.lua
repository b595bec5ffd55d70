#!lua flags=no-writes
-- A page of a workflow's nodes and joins, at one moment.
-- KEYS: the prefix of all keys
-- ARGV: test clock, stored id, number of the first node and join, number of nodes and joins
-- Returns: nothing if it is unknown, else: head, its end, nodes that have not ended, score in `wfdue`, in `wfdone` (each
--   empty if there is none), 1 if `todo` has something about it, then nodes, then joins. Of a node: what `n` says before
--   the entry and the name, `?` if it cannot be read; state of its end; its home; its task; its stamp. Of a join: its `j`,
--   how many nodes it waits for in all if that is none, and 1 if it has a `c`
--- @include "start"
--- @include "record"
--- @include "life"
--- @include "token"
--- @include "flow"
--- @include "pending"
--- @include "facts"

local id, from, count = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local flow = flow_of(id)
if call('EXISTS', flow.key) == 0 then return {} end
local answer = {
  head_of(flow) or '', flow.ended or '', flow.left and digits(flow.left) or '', call('ZSCORE', K.wfdue, id) or '',
  call('ZSCORE', K.wfdone, id) or '', is_pending(id) and 1 or 0, {}, {},
}
if not flow.head then return answer end
local total, joins = struct.unpack('>I4I4', flow.head, 20)
local ids = {}
for number = from, math.min(from + count, total) - 1 do ids[#ids + 1] = '*' .. id .. '#' .. number end
local list = answer[7]
for _, f in ipairs(facts_of(ids)) do
  local is_whole = f.record and #f.node >= 13 and not f.unreadable
  local about = '?'
  if is_whole then
    local last = 13 + 4 * struct.unpack('>I4', f.node, 10)
    about = #f.node - #f.record >= last and sub(f.node, 5, last) or '?'
  end
  local home = is_whole and home_of(f) or ''
  if home == 'prio' and not f.prio then home = 'lost' end
  list[#list + 1] = { about, f.done or '', home, f.task or '', stamp_of(f) }
end
list = answer[8]
local function look_at_join(join)
  local open, members = call('HGET', flow.key, 'j' .. join), ''
  local is_kept = call('HSTRLEN', flow.key, 'c' .. join) >= 8
  if not open and is_kept then members = digits(struct.unpack('>I4', call('HGET', flow.key, 'c' .. join))) end
  list[#list + 1] = { open or '', members, is_kept and 1 or 0 }
end
for join = from, math.min(from + count, joins) - 1 do look_at_join(join) end
if from == 0 then look_at_join('r') end
return answer
