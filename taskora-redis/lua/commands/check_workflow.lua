-- flags: no-writes
-- A snapshot of a page of a workflow's nodes and joins.
-- Arguments: stored id; number of the first node and join; number of nodes and joins
-- Returns: nothing if it is unknown, `~` if it is a later version's, else: head, its end, nodes that have not ended, score in
--   `wfdue`, in `wfdone`, in `wfrun` (each empty if there is none), 1 if `deferred` has something about it, then nodes, then
--   joins. For a node: the part of `n` before the entry and the name, `?` if it cannot be read, `~` if it is a later version's;
--   state of its end; its home; its task; its stamp; 1 if it is missing from `ttls`. For a join: its `j`, or, if there is none,
--   how many nodes it waits for in total; and 1 if it has a `c`
local LARGE = 65536 -- longer payloads are not read

function commands.check_workflow()
  local id, from, count = argv[A.id], tonumber(argv[A.from]), tonumber(argv[A.count])
  local flow = workflow.of(id)
  if call('EXISTS', flow.key) == 0 then return {} end
  if flow.newer == '~' or workflow.has_newer_head(flow) then return { '~' } end
  local head, size = workflow.head_of(flow), call('HLEN', flow.key)
  -- it cannot have more nodes and joins than fields
  if head and (u32_at(head, 20) > size or u32_at(head, 24) > size) then head = false end
  local answer = {
    head or '', flow.ended or '', flow.left and digits(flow.left) or '',
    call('ZSCORE', K.wfdue, id) or '', call('ZSCORE', K.wfdone, id) or '', call('ZSCORE', K.wfrun, id) or '',
    deferred.has(id) and 1 or 0, {}, {},
  }
  if not head then return answer end
  local total, joins = read('>I4I4', head, 20)
  local ids = {}
  for number = from, math.min(from + count, total) - 1 do ids[#ids + 1] = '*' .. id .. '#' .. digits(number) end
  local list = answer[8]
  for _, f in ipairs(snapshot.of(ids)) do
    local is_whole = f.record and #f.node >= 13 and not f.unreadable
    local about = f.is_newer and '~' or '?'
    if is_whole and not f.is_newer then
      local last = 13 + 4 * read('>I4', f.node, 10)
      about = #f.node - #f.record >= last and sub(f.node, 5, last) or '?'
      if record.has_payload_aside(f.record) then
        local length = call('HSTRLEN', flow.key, f.b)
        if length > 0 and length <= LARGE and record.is_envelope(call('HGET', flow.key, f.b), 1) then about = '~' end
      end
    end
    local home = is_whole and not f.is_newer and snapshot.home_of(f) or ''
    if home == 'prio' and not f.prio then home = 'lost' end
    local lacks = home ~= '' and home ~= 'lost' and snapshot.expires(f) and not f.ttls
    list[#list + 1] = { about, f.done or '', home, f.task or '', snapshot.stamp_of(f), lacks and 1 or 0 }
  end
  list = answer[9]
  local function look_at_join(join)
    local open, members = call('HGET', flow.key, 'j' .. join), ''
    local slab = call('HGET', flow.key, 'c' .. join)
    local is_kept = slab and workflow.is_slab(slab, 9, total)
    if not open and is_kept then members = digits(read('>I4', slab)) end
    list[#list + 1] = { open or '', members, is_kept and 1 or 0 }
  end
  for join = from, math.min(from + count, joins) - 1 do look_at_join(digits(join)) end
  if from == 0 then look_at_join('r') end
  return answer
end
