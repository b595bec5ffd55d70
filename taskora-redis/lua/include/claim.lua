-- What a claim needs beyond jobs of one task in a list.

-- Takes jobs out of the lines of several tasks, in one order: by priority, then by sequence number. Steps over cancelled ones.
local function merge(open, limit, ids, from)
  -- A source is a task's list or sorted set, read in pages that grow; both give scores that compare.
  local function next_page(source)
    local from, to = source.read, source.read + source.size - 1
    source.size = math.min(source.size * 4, 64)
    source.page, source.at = {}, 1
    if source.is_list then
      local entries = call('LRANGE', source.key, from, to)
      source.read = source.read + #entries
      local ids, stale = {}, nil
      for i, entry in ipairs(entries) do ids[i] = sub(entry, 7) end
      if source.has_stale and #ids > 0 then stale = call('SMISMEMBER', source.stale, unpack(ids)) end
      for i, entry in ipairs(entries) do
        local is_stale = stale and stale[i] == 1
        source.page[i] = { score = struct.unpack('>I6', entry), id = ids[i], stale = is_stale }
      end
    else
      local list = call('ZRANGE', source.key, from, to, 'WITHSCORES')
      source.read = source.read + #list / 2
      for i = 1, #list, 2 do
        source.page[#source.page + 1] = { score = tonumber(list[i + 1]), id = list[i] }
      end
    end
  end

  -- the source's next job, if any; steps over the tombstones of cancelled jobs, at most 1,000 of them
  local function peek(source)
    while true do
      if source.at > #source.page then
        next_page(source)
        if #source.page == 0 then return nil end
      end
      local entry = source.page[source.at]
      if not entry.stale then return entry end
      if #source.tombstones == 1000 then
        source.gave_up = true
        return nil
      end
      source.tombstones[#source.tombstones + 1] = entry.id
      source.at = source.at + 1
      source.taken = source.taken + 1
    end
  end

  local sources, quota, unfinished = {}, {}, false
  for _, task in ipairs(open) do
    quota[task] = terms(task)
    for _, is_list in ipairs({ true, false }) do
      local key = is_list and K.wait .. task or K.prio .. task
      sources[#sources + 1] = {
        task = task, is_list = is_list, key = key, stale = K.stale .. task,
        has_stale = is_list and call('EXISTS', K.stale .. task) == 1,
        read = 0, size = 4, page = {}, at = 1, taken = 0, tombstones = {}, members = {},
      }
    end
  end
  while #ids < limit do
    local best, best_entry
    for i = #sources, 1, -1 do
      local source = sources[i]
      if not source.closed and quota[source.task] > 0 then
        local entry = peek(source)
        if not entry then
          source.closed = true
          if source.gave_up then unfinished = true end
        elseif not best or entry.score < best_entry.score then
          best, best_entry = source, entry
        end
      end
    end
    if not best then break end
    best.at = best.at + 1
    best.taken = best.taken + 1
    if not best.is_list then best.members[#best.members + 1] = best_entry.id end
    quota[best.task] = quota[best.task] - 1
    ids[#ids + 1] = best_entry.id
    from[#ids] = best.task
  end
  local changed = {}
  for _, source in ipairs(sources) do
    if source.taken > 0 then
      changed[source.task] = true
      if source.is_list then
        call('LPOP', source.key, source.taken)
        pages(source.tombstones, function(...) call('SREM', source.stale, ...) end)
      else
        pages(source.members, function(...) call('ZREM', source.key, ...) end)
      end
    end
  end
  return changed, unfinished
end

-- leaves out the jobs that cannot run: somebody removed the record by hand, or the workflow has ended
local function runnable(ids, records, from, heads)
  local kept, kept_records, kept_from, kept_heads = {}, {}, {}, {}
  for i, id in ipairs(ids) do
    if records[i] then
      local at = #kept + 1
      kept[at], kept_records[at], kept_from[at], kept_heads[at] = id, records[i], from[i], heads[i]
    end
  end
  return kept, kept_records, kept_from, kept_heads
end

-- Who has room is told the earliest time among those that nobody else was told; who has none passes its own on.
local function take_timer(dues, worker, has_room)
  if #dues == 0 then return -1 end
  local tasks, next_due = {}, -1
  for i, due in ipairs(dues) do tasks[i] = due[1] end
  local timers = {}
  pages(tasks, function(...)
    for _, timer in ipairs(call('HMGET', K.timer, ...)) do timers[#timers + 1] = timer end
  end)
  for i, due in ipairs(dues) do
    local task, at = due[1], due[2]
    local told, holder = nil, nil
    if timers[i] then
      told, holder = match(timers[i], '^(%d+) (.*)$')
      told = tonumber(told)
    end
    -- one that is a second late belongs to a worker that is gone
    if not told or holder == worker or told > at or told + 1000 < now then
      if has_room then
        if told ~= at or holder ~= worker then
          call('HSET', K.timer, task, string.format('%.0f %s', at, worker))
          -- a wake-up that stood for this time has been heard
          if call('SISMEMBER', K.ready, task) == 0 then call('DEL', K.wake .. task) end
        end
        local wait = math.max(at - now, 0)
        if next_due < 0 or wait < next_due then next_due = wait end
      else
        if told then call('HDEL', K.timer, task) end
        wake(task)
      end
    end
  end
  return next_due
end
