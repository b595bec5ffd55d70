-- flags: no-writes
-- Reads a page of one key, and a snapshot of the jobs in it.
-- Arguments: what the key contains (`jobs`; a part of jobs; an index's place; `tombstones`; `uniq`; `workflows`; `sched`,
--   `schedrun`, `schednext`; `lane`, `came`, with the key behind the task; `turns`; `parked`; `opening`; `rules`; `line`: a list that is only read); type;
--   key; task; cursor (for a list: how many entries from its tail were seen); number of entries
-- Returns: next cursor (0: that was all), entries seen, findings (each: code, role, task, entry, more), candidates that only a
--   pass over a list can check (each: place, task, id, stamp), for a list of jobs its entries, and how many values of a later
--   version were seen

-- a page of entries, and the next cursor
local function read_page(kind, key, cursor, count)
  if kind == 'list' then
    -- From the tail: nothing leaves a list there, so no entry that stays is missed.
    local from = tonumber(cursor)
    local page = call('LRANGE', key, -from - count, -from - 1)
    return page, #page == count and digits(from + count) or '0'
  end
  local page = call(kind == 'hash' and 'HSCAN' or kind == 'zset' and 'ZSCAN' or 'SSCAN', key, cursor, 'COUNT', count)
  local found, values = {}, {}
  for i = 1, #page[2], kind == 'set' and 1 or 2 do
    found[#found + 1] = page[2][i]
    if kind == 'hash' then values[#found] = page[2][i + 1] end
  end
  return found, page[1], values
end

-- whether a later version wrote this part of a job
local function is_newer_part(role, value)
  if role == 'blobs' then return record.is_envelope(value, 1) end
  local state = role == 'done' and #value >= 21 and match(value, '^%u')
  return state and (not find('CFSXE', state, 1, true) or state == 'C' and record.is_envelope(value, 22)) or false
end

function commands.check()
  local role, kind, key, task = argv[A.role], argv[A.kind], argv[A.key], argv[A.task]
  local findings, candidates, seen, newer = {}, {}, {}, 0
  local page, cursor, values = read_page(kind, key, argv[A.cursor], tonumber(argv[A.count]))
  local looked = #page
  for i = 1, #page do
    if values and values[i] and is_newer_part(role, values[i]) then newer = newer + 1 end
  end

  local function report(code, entry, more)
    findings[#findings + 1] = { code, role, task, entry, more or '' }
  end

  if role == 'workflows' then
    for _, entry in ipairs(page) do
      if call('EXISTS', K.wf .. entry) == 0 then report('W', entry) end
    end
    return { cursor, looked, findings, candidates, seen, 0 }
  end

  if role == 'sched' or role == 'schedrun' or role == 'schednext' then
    for i, entry in ipairs(schedules.of(page)) do
      local code = schedules.wrong(role, entry)
      if code then report(code, page[i]) end
      if role == 'sched' and entry and entry.is_newer then newer = newer + 1 end
    end
    return { cursor, looked, findings, candidates, seen, newer }
  end

  if role == 'lane' or role == 'came' then
    local key
    task, key = match(task, '^(%Z*)%z(.*)$')
    for _, id in ipairs(lanes.strays(task, key, page, role == 'came')) do report('M', id, key) end
    if cursor == '0' and lanes.is_wrong(task, key) then report('q', key) end
    return { cursor, looked, findings, candidates, seen, 0 }
  end

  if role == 'rules' then
    for _, field in ipairs(page) do
      local lane = match(field, '^!?(.*)$')
      if not gather.is_lane(lane) then report('?', field) elseif lanes.is_wrong(task, lane) then report('q', lane) end
    end
    return { cursor, looked, findings, candidates, seen, 0 }
  end

  if role == 'turns' or role == 'parked' or role == 'opening' then
    for _, key in ipairs(page) do
      if lanes.is_wrong(task, key) then report('q', key) end
    end
    return { cursor, looked, findings, candidates, seen, 0 }
  end

  if role == 'uniq' then
    for i, entry in ipairs(page) do
      if not keyed.owner(entry) then report('k', entry, sub(values[i], 7)) end
    end
    return { cursor, looked, findings, candidates, seen, 0 }
  end

  local ids, kept, given = {}, {}, {}
  for _, entry in ipairs(page) do
    local id, token = entry, nil
    if role == 'active' then
      id, token = match(entry, '^(.*):(%d+)$')
    elseif kind == 'list' then
      id = #entry > 6 and sub(entry, 7)
    elseif role == 'waiters' and byte(entry) == 42 and match(entry, '^%*(.*)#$') then
      -- waiters for a workflow
      local flow = workflow.of((match(entry, '^%*(.*)#$')))
      if not workflow.is_newer(flow) and (not flow.left or flow.ended) then report('O', entry) end
      id = nil
    end
    if id and role ~= 'line' then
      local at = #ids + 1
      ids[at], kept[at], given[at] = id, entry, tonumber(token)
    elseif not id and role ~= 'waiters' and entry ~= active.SENTINEL then
      report('?', entry)
    end
  end
  if kind == 'list' then seen = page end
  if role == 'line' then return { cursor, looked, findings, candidates, seen, 0 } end

  local facts, marks, at = snapshot.of(ids), {}, 0
  if role == 'wait' or role == 'tombstones' then
    pages(ids, function(...)
      for _, is_marked in ipairs(call('SMISMEMBER', K.tombstones .. task, ...)) do
        at = at + 1
        marks[at] = is_marked == 1
      end
    end)
  end
  for i, f in ipairs(facts) do
    if role == 'jobs' then
      if f.is_node then
        report('?', kept[i])
      elseif f.is_newer then
        -- if its end is from a later version, that is counted
        if f.record and record.is_newer(f.record) then newer = newer + 1 end
      elseif f.unreadable then
        report('R', f.id, f.unreadable)
      elseif f.record then
        task = f.task
        if snapshot.expires(f) and not f.ttls then report('L', f.id, 'ttls') end
        local what = snapshot.wrong_job(f)
        if what == 'L' then
          report('L', f.id, snapshot.home_of(f))
        elseif what then
          candidates[#candidates + 1] = { what, task, f.id, snapshot.stamp_of(f) }
        end
        if record.has_payload_aside(f.record) and not f.done and call('HEXISTS', K.blobs, f.id) == 0 then report('P', f.id) end
      end
    elseif role == 'tombstones' then
      if f.record and not f.unreadable and not f.is_newer and not f.done and f.line == 'wait' then
        report('T', f.id)
      else
        candidates[#candidates + 1] = { 'tombstones', task, f.id, snapshot.stamp_of(f) }
      end
    elseif snapshot.PLACES[role] then
      local code = snapshot.wrong_entry(role, task, f, given[i], marks[i])
      if code then report(code, kept[i]) end
    elseif snapshot.is_leftover(role, f) then
      report('O', kept[i])
    end
  end
  return { cursor, looked, findings, candidates, seen, newer }
end
