-- A snapshot of jobs: their data, where each of them belongs, and what is wrong with them. These rules decide what `check`
-- reports, and `repair` verifies them before it touches anything.
snapshot.PLACES = {
  wait = true, prio = true, delayed = true, active = true, ttls = true, behind = true, laned = true,
  completed = true, failed = true, cancelled = true, expired = true,
  owncompleted = true, ownfailed = true, owncancelled = true, ownexpired = true,
}
local ENDS_IN = { C = 'completed', F = 'failed', S = 'failed', X = 'cancelled', E = 'expired' }
local LARGE = 4096 -- longer ends are not read: the indexes show their states

-- whether `repair` has put this entry in the place of a wrong one, because nothing can be removed from the middle of a list
local function is_filler(id)
  return byte(id) == 33 and #id < 16
end

-- reads one hash for a list of snapshots; `field` names the property that has the hash's field
local function read_facts(key, list, field, into)
  local fields, at = {}, 0
  for i, f in ipairs(list) do fields[i] = f[field] end
  pages(fields, function(...)
    for _, value in ipairs(call('HMGET', key, ...)) do
      at = at + 1
      list[at][into] = value
    end
  end)
end

-- reads ends, without long results, which would cost as much as everything else together
local function read_ends(key, list, field)
  local short = {}
  for _, f in ipairs(list) do
    f.end_size = call('HSTRLEN', key, f[field])
    if f.end_size > 0 and f.end_size <= LARGE then short[#short + 1] = f end
  end
  read_facts(key, short, field, 'ended')
end

local function read_nodes(id, list)
  local flow, reached = workflow.of(id), {}
  if not workflow.head_of(flow) then
    for _, f in ipairs(list) do f.is_newer = flow.newer or flow.left and true or nil end
    return
  end
  if flow.newer == '~' then
    for _, f in ipairs(list) do f.is_newer = true end
  end
  for _, f in ipairs(list) do
    f.flow, f.is_over = flow, flow.ended
    f.d, f.n, f.b = 'd' .. f.number, 'n' .. f.number, 'b' .. f.number
  end
  read_facts(flow.key, list, 'n', 'node')
  read_ends(flow.key, list, 'd')
  for _, f in ipairs(list) do
    f.record = workflow.record_in(f.node)
    if workflow.is_newer_node(f.node) then f.is_newer = true end
    if f.record and #f.node >= 13 then
      local after = read('>I4', f.node, 5)
      after = after == 4294967295 and 'r' or digits(after)
      if reached[after] == nil then
        local open = call('HGET', flow.key, 'j' .. after)
        reached[after] = workflow.reach_of(open) or after == 'r' and not open and math.huge or 0
      end
      f.released = reached[after] > tonumber(f.number)
    end
  end
end

local function names_of(list)
  local ids = {}
  for i, f in ipairs(list) do ids[i] = f.id end
  return ids
end

function snapshot.of(ids)
  local facts, plain, flows, tasks = {}, {}, {}, {}
  for i, id in ipairs(ids) do
    local f = { id = id }
    facts[i] = f
    if byte(id) == 42 then
      local flow
      flow, f.number = workflow.node_of(id)
      f.is_node = true
      if flow then
        flows[flow] = flows[flow] or {}
        table.insert(flows[flow], f)
      end
    else
      plain[#plain + 1] = f
    end
  end
  read_facts(K.jobs, plain, 'id', 'record')
  read_ends(K.done, plain, 'id')
  for flow, list in pairs(flows) do read_nodes(flow, list) end
  read_facts(K.life, facts, 'id', 'life')
  if call('EXISTS', K.keyed) == 1 then read_facts(K.keyed, facts, 'id', 'keyed') end
  for _, f in ipairs(facts) do
    if f.record and record.is_newer(f.record) then f.is_newer = true end
    if f.record and not record.is_readable(f.record) then
      if not f.is_newer then f.unreadable = 'record' end
    elseif f.record then
      f.task = record.task_of(f.record)
      f.line = record.is_listed(f.record) and 'wait' or 'prio'
      if f.life and not history.is_readable(f.life) then f.unreadable = 'life' end
      local _, _, _, last = history.of(f.life)
      f.last = last
      f.leases = tokens.candidates(f.id, f.is_node and f.flow.head or f.record, last)
      tasks[f.task] = tasks[f.task] or {}
      table.insert(tasks[f.task], f)
    end
  end
  for task, list in pairs(tasks) do
    local function mark(command, key, field, into)
      local names, at = {}, 0
      for i, f in ipairs(list) do names[i] = f[field] end
      pages(names, function(...)
        for _, found in ipairs(call(command, key, ...)) do
          at = at + 1
          list[at][into] = found and found ~= 0
        end
      end)
    end
    local names, owners = {}, {}
    for _, f in ipairs(list) do
      for _, lease in ipairs(f.leases) do
        names[#names + 1] = lease
        owners[#owners + 1] = f
      end
    end
    local at = 0
    pages(names, function(...)
      for _, score in ipairs(call('ZMSCORE', K.active .. task, ...)) do
        at = at + 1
        if score and not owners[at].active then owners[at].active = names[at] end
      end
    end)
    mark('ZMSCORE', K.delayed .. task, 'id', 'delayed')
    mark('ZMSCORE', K.prio .. task, 'id', 'prio')
    if call('EXISTS', K.laned .. task) == 1 then
      for i, key in ipairs(fields_of(K.laned .. task, names_of(list))) do
        list[i].laned = key and lanes.is_in(task, key, list[i].id, true)
      end
    end
    if call('EXISTS', K.behind .. task) == 1 then mark('ZMSCORE', K.behind .. task, 'id', 'behind') end
    if call('EXISTS', K.ttls .. task) == 1 then mark('ZMSCORE', K.ttls .. task, 'id', 'ttls') end
    for _, place in ipairs({ 'failed', 'cancelled', 'expired', 'ownfailed', 'owncancelled', 'ownexpired' }) do
      if call('EXISTS', K[place] .. task) == 1 then mark('ZMSCORE', K[place] .. task, 'id', place) end
    end
    mark('SMISMEMBER', K.tombstones .. task, 'id', 'tombstones')
  end
  for _, f in ipairs(facts) do
    if f.ended and #f.ended >= 21 and match(f.ended, '^%u') and not ENDS_IN[sub(f.ended, 1, 1)] then
      f.is_newer, f.done = true, '?'
    elseif f.ended and (#f.ended < 21 or not ENDS_IN[sub(f.ended, 1, 1)]) then
      f.unreadable, f.done = 'done', '?'
    elseif f.ended then
      f.done = sub(f.ended, 1, 1)
      if f.done == 'C' and record.is_envelope(f.ended, 22) then f.is_newer = true end
    elseif f.end_size and f.end_size > 0 then
      f.done = (f.failed or f.ownfailed) and 'F' or (f.cancelled or f.owncancelled) and 'X' or 'C'
    end
  end
  return facts
end

-- where a job belongs; `none` if it belongs in no index
function snapshot.home_of(f)
  if f.done then
    local place = not f.is_node and ENDS_IN[f.done]
    return place and (byte(f.id) == 61 and 'own' .. place or place) or 'none'
  end
  if f.is_node and not f.released then return 'none' end
  if f.active then return 'active' end
  if f.delayed then return 'delayed' end
  if f.behind and keyed.front_of(f.id, f.keyed) then return 'behind' end
  return f.laned and 'laned' or f.line
end

-- whether it has not been started, and expires if it is not
function snapshot.expires(f)
  local home = snapshot.home_of(f)
  return (home == 'wait' or home == 'prio' or home == 'laned' or home == 'delayed' or home == 'behind') and record.ttl_at(f.record) ~= nil
end

-- A value that stays the same while a job stays in its place, and changes when it leaves: a job that was seen twice with the same
-- stamp has been there all the time.
function snapshot.stamp_of(f)
  if not f.record then return '' end
  local created = f.flow and f.flow.head or f.record
  return sub(created, 2, 7) .. pack('>I8', f.last or 0) .. (f.ended and sub(f.ended, 1, 21) or f.end_size or '')
end

-- what is wrong with an entry of an index: D no such job, M the job does not belong here, T it is marked as a tombstone but is
-- not one. `marked`: whether the list's own task has the mark.
function snapshot.wrong_entry(place, task, f, token, marked)
  if is_filler(f.id) and (place == 'completed' or place == 'owncompleted' or marked) then return nil end
  if f.is_newer then return nil end
  if not f.record then return not marked and 'D' or nil end
  if f.unreadable then return nil end
  local fits = f.task == task
  if place == 'ttls' then fits = fits and snapshot.expires(f) else fits = fits and snapshot.home_of(f) == place end
  if fits and place == 'active' then fits = f.id .. ':' .. digits(token) == f.active end
  if fits then return marked and 'T' or nil end
  -- a tombstone, perhaps of a job that was replaced or revived since
  if marked and (f.done or f.line == 'prio') then return nil end
  return 'M'
end

-- what is wrong with a job: L it is in no index; or the name of a list if only a pass over that list can tell
function snapshot.wrong_job(f)
  local home = snapshot.home_of(f)
  if f.is_newer then return nil end
  if home == 'wait' or home == 'completed' or home == 'owncompleted' then return home end
  if home == 'none' or home == 'active' or home == 'delayed' or f[home] then return nil end
  return 'L'
end

-- whether a part of a job is no longer needed
function snapshot.is_leftover(part, f)
  if f.is_newer then return false end
  if not f.record then return true end
  if f.unreadable then return false end
  if part == 'keyed' then
    local role = keyed.split(f.keyed)
    return f.done ~= nil or not role or keyed.waits(role) and snapshot.home_of(f) ~= 'behind'
  end
  if part == 'held' then
    local key = call('HGET', K.held, f.id)
    if not f.active and (not f.delayed or key and gather.is_lane(key)) then return true end
    return key and not lanes.is_in(f.task, key, f.id, false)
  end
  if part == 'cancel' then return not f.active end
  if part == 'blobs' then return not record.has_payload_aside(f.record) end
  if part == 'life' or part == 'waiters' then return f.done ~= nil or f.is_node and not f.released end
  return false
end

-- a log is removed with its job, if the job knows about it
function snapshot.wrong_log(f)
  if call('EXISTS', K.log .. f.id) == 0 then return nil end
  if f.is_newer then return nil end
  if not f.record then return 'O' end
  if f.is_node then return call('SISMEMBER', K.noted .. f.flow.id, f.number) == 0 and 'G' or nil end
  return call('HEXISTS', K.progress, f.id) == 0 and 'G' or nil
end

-- whether a job or a mark is still where it was when it had this stamp
function snapshot.has_stayed(place, task, f, stamp)
  if snapshot.stamp_of(f) ~= stamp then return false end
  if place == 'tombstones' then return call('SISMEMBER', K.tombstones .. task, f.id) == 1 end
  return f.record and not f.unreadable and not f.is_newer and f.task == task and snapshot.home_of(f) == place
end
