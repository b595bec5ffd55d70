-- Claims jobs: reads them in their lines, checks them, leases those that may run, and last removes all of them from their lines.
local MOST = 500 -- no batch begins behind so many jobs

-- The first jobs of several lines in one order: by priority, then by sequence number. Lines are read in pages that grow,
-- and only those that can have one of the first jobs. Skips tombstones. A batch takes one place of the limit.
local function merge(ready, limit)
  local ids, from, sources, opened, gave_up, late, timed = {}, {}, {}, 0, false, {}, {}
  local places, batch, batches = 0, nil, 0 -- `batch` is the source of the batch that is being read

  local function next_page(source)
    local list = nil
    local first, last = digits(source.read), digits(source.read + source.size - 1)
    source.size = math.min(source.size * 4, 64)
    if source.is_list then
      list = call('LRANGE', source.key, first, last)
      source.read = source.read + #list
      if (source.has_tombstones or source.expires) and #list > 0 then
        local page = {}
        for i, entry in ipairs(list) do page[i] = sub(entry, 7) end
        if source.has_tombstones then source.marks = call('SMISMEMBER', source.tombstones_key, unpack(page)) end
        if source.expires then source.deadlines = call('ZMSCORE', source.expires, unpack(page)) end
      end
    else
      list = call('ZRANGE', source.key, first, last, 'WITHSCORES')
      source.read = source.read + #list / 2
      if source.expires and #list > 0 then
        local page = {}
        for i = 1, #list, 2 do page[#page + 1] = list[i] end
        source.deadlines = call('ZMSCORE', source.expires, unpack(page))
      end
    end
    source.page, source.at = list, 1
  end

  -- Finds the source's next job: its `id` and its `score`, which is nothing if there is none; and its deadline to start, if it
  -- has one. Skips at most 1,000 tombstones.
  local function advance(source)
    while true do
      if source.at > #source.page then
        next_page(source)
        if #source.page == 0 then
          source.score = nil
          return
        end
      end
      local at = source.at
      local entry, deadlines = source.page[at], source.deadlines
      if not source.is_list then
        source.id, source.score, source.at = entry, tonumber(source.page[at + 1]), at + 2
        source.deadline = deadlines and deadlines[(at + 1) / 2]
        return
      end
      source.at = at + 1
      if not source.marks or source.marks[at] == 0 then
        source.id, source.score = sub(entry, 7), u48_at(entry, 1) or 0
        source.deadline = deadlines and deadlines[at]
        return
      elseif #source.tombstones == 1000 then
        gave_up, source.score = true, nil
        return
      end
      source.tombstones[#source.tombstones + 1] = sub(entry, 7)
      source.taken = source.taken + 1
    end
  end

  local function step(source)
    if source.is_lanes then turns.advance(source) else advance(source) end
    gave_up = gave_up or source.gave_up
  end

  local function add(owner, is_list, has_tombstones, expires)
    local task = owner.task
    local source = {
      owner = owner, is_list = is_list, key = (is_list and K.wait or K.prio) .. task, tombstones_key = has_tombstones and K.tombstones .. task,
      has_tombstones = has_tombstones, expires = expires, read = 0, size = 4, page = {}, at = 1, taken = 0, tombstones = {}, members = {},
    }
    advance(source)
    sources[#sources + 1] = source
  end

  local function open()
    opened = opened + 1
    local quota = caller.terms(ready[opened][1])
    if quota > 0 then
      local task = ready[opened][1]
      local owner = { task = task, quota = quota }
      -- most tasks have none of these
      local is_more = call('EXISTS', K.tombstones .. task, K.prio .. task, K.ttls .. task, K.gate .. task, K.turns .. task) > 0
      owner.gate = is_more and gate.of(task)
      -- lines that share a gate share its room
      if owner.gate and (owner.gate.room or gate.room(owner.gate)) <= 0 then return end
      local expires = is_more and call('EXISTS', K.ttls .. task) == 1 and K.ttls .. task
      add(owner, true, is_more and call('EXISTS', K.tombstones .. task) == 1, expires)
      if is_more then
        add(owner, false, false, expires)
        if call('EXISTS', K.turns .. task) == 1 then
          local source = turns.source(owner, expires)
          gave_up = gave_up or source.gave_up
          sources[#sources + 1] = source
        end
      end
    end
  end

  -- Takes a place for the next job of a source, unless its batch has one. Notes the number of the batch.
  local function take_place(source)
    local lane, owner = source.is_lanes and source.lane.is_batch and source.lane, source.owner
    if lane then gathered('batches')[source.id] = lane.number or batches end
    if lane and lane.number then
      local extra = gathered('extra')
      extra[owner.task] = (extra[owner.task] or 0) + 1
      return
    end
    if lane then lane.number, batches = batches, batches + 1 end
    places, owner.quota = places + 1, owner.quota - 1
  end

  while batch or places < limit do
    local best = batch
    for i = batch and 0 or #sources, 1, -1 do
      local source = sources[i]
      local owner = source.owner
      if source.is_lanes then turns.look_again(source) end
      if source.score and owner.quota > 0 and (not owner.gate or owner.gate.room > 0) and (not best or source.score < best.score) then
        best = source
      end
    end
    local nearest = not batch and ready[opened + 1]
    if nearest and (not best or nearest[2] <= best.score) then
      open()
    elseif not best then
      break
    else
      local id = best.id
      local is_late = best.deadline and tonumber(best.deadline) <= now
      local deadline = best.deadline
      if not is_late then take_place(best) end
      if best.is_lanes then turns.take(best, is_late) elseif not best.is_list then best.members[#best.members + 1] = id end
      best.taken = best.taken + 1
      local task = best.owner.task
      if is_late then
        -- too late to start
        late[#late + 1], late[#late + 2] = task, id
      else
        if best.owner.gate then best.owner.gate.room = best.owner.gate.room - 1 end
        ids[#ids + 1] = id
        from[#ids] = task
        if deadline then
          local list = timed[task] or {}
          timed[task] = list
          list[#list + 1] = id
        end
      end
      step(best)
      batch = best.goes_on and best.score and (not best.owner.gate or best.owner.gate.room > 0) and best
      if #late == 2 * expiry.PAGE or not batch and #ids > places and #ids >= MOST then
        gave_up = true
        break
      end
    end
  end
  return ids, from, sources, gave_up, late, timed
end

-- Removes the claimed jobs, and the tombstones before them, from the lines. Returns whether another batch may go.
local function leave_lines(sources, ids)
  local heads, leased, is_left = {}, nil, false
  for _, source in ipairs(sources) do
    local rest
    if source.is_lanes then
      if not leased then
        leased = {}
        for _, id in ipairs(ids) do leased[id] = true end
      end
      rest = turns.leave(source, leased)
      is_left = is_left or rest ~= nil
    elseif source.is_list then
      if source.taken > 0 then call('LTRIM', source.key, source.taken, -1) end
      pages(source.tombstones, function(...) call('SREM', source.tombstones_key, ...) end)
    else
      pages(source.members, function(...) call('ZREM', source.key, ...) end)
    end
    local task, head = source.owner.task, source.score
    if rest and not (head and head < rest) then head = rest end
    if head and (not heads[task] or head < heads[task]) then heads[task] = head end
  end
  -- so that the next claim reads no more lines than necessary
  for task, head in pairs(heads) do call('ZADD', K.ready, 'XX', format('%.0f', head), task) end
  return is_left
end

-- The node is in line because of a call that failed before it wrote the state of the node's join. That call's job will release it
-- again.
local function is_too_early(id, node)
  local flow, number = workflow.node_of(id)
  return flow and not workflow.is_released(workflow.of(flow), number, node)
end

-- After a failed call, a job may be in line that has ended, or that is leased, or whose turn has not come.
local function drop_taken(ids, from, texts, heads)
  local lives = fields_of(K.life, ids)
  for i, id in ipairs(ids) do
    if texts[i] and is_too_early(id, texts[i]) then texts[i] = false end
    if texts[i] then
      local _, _, _, last = history.of(lives[i])
      if workflow.end_of(id) or active.find(from[i], id, heads[i] or texts[i], last) then texts[i] = false end
    end
  end
end

-- drops jobs that cannot run: the record was removed by hand, or the workflow has ended
local function keep_runnable(ids, texts, from, heads)
  local kept, kept_texts, kept_from, kept_heads, seen = {}, {}, {}, {}, {}
  for i, id in ipairs(ids) do
    if texts[i] and not seen[id] then
      local at = #kept + 1
      seen[id] = true
      kept[at], kept_texts[at], kept_from[at], kept_heads[at] = id, texts[i], from[i], heads[i]
    end
  end
  return kept, kept_texts, kept_from, kept_heads
end

-- Leases these jobs. Returns token (8) and attempt (4) of each; nothing if all are first attempts with the first token.
local function lease(ids, texts, from, heads, is_plain, has_own, length)
  local lives, any_past = '', not is_plain and call('EXISTS', K.life) == 1
  local epoch, suffixes = tokens.epoch(), nil
  local suffix = space.suffix or ':' .. digits(tokens.first('', false, epoch))
  if any_past or has_own then
    local behind, packed = any_past and fields_of(K.life, ids) or {}, {}
    suffixes = {}
    for i, id in ipairs(ids) do
      local attempts, _, _, last = history.of(behind[i])
      local token = tokens.after(last, id, heads[i] or texts[i], epoch)
      suffixes[i] = ':' .. digits(token)
      packed[i] = pack('>I8I4', token, attempts + 1)
    end
    lives = concat(packed)
  end
  local leases, task, list, deadline, at, _ = {}, nil, nil, nil, nil, nil
  for i = 1, #ids do
    if from[i] ~= task then
      task = from[i]
      list = leases[task]
      if not list then
        list = { '+inf', active.SENTINEL }
        leases[task] = list
      end
      if not length or task ~= from[1] then _, length = caller.terms(task) end
      deadline = format('%.0f', now + length) -- as text, because a number would be formatted for each job
    end
    at = #list
    list[at + 1], list[at + 2] = deadline, ids[i] .. (suffixes and suffixes[i] or suffix)
  end
  active.enter(leases)
  return lives, leases
end

-- The stored data of a job (nothing if there is no such job), and its record if that can be read. For a node whose record cannot
-- be read, the stored data begins with that record. For a node of a later version, it is an unreadable value.
function claim.stored(id)
  if not id then return nil end
  if byte(id) ~= 42 then
    local stored = call('HGET', K.jobs, id)
    return stored or nil, stored and record.is_readable(stored) and stored or nil
  end
  local flow, number = workflow.node_of(id)
  local node = flow and call('HGET', K.wf .. flow, 'n' .. number)
  if not node then return nil end
  if byte(node, 9) == 255 or workflow.is_newer(workflow.of(flow)) then return '\255' end
  local text = workflow.record_in(node)
  return text or #node > 4 and sub(node, 5 + read('>I4', node)) or '', text
end

-- leaves a wake-up for each of these tasks, which have jobs in line
function claim.wake(names)
  if #names > 2 then
    local keys = {}
    for i, task in ipairs(names) do keys[i] = K.wake .. task end
    local there = 0
    pages(keys, function(...) there = there + call('EXISTS', ...) end)
    if there == #names then return end
  end
  for _, task in ipairs(names) do line.wake(task) end
end

-- how many places of each task were taken
local function count_by(names)
  local counts = {}
  for _, name in ipairs(names) do counts[name] = (counts[name] or 0) + 1 end
  for name, more in pairs(S.extra or {}) do counts[name] = (counts[name] or 0) - more end
  return counts
end

-- how many places these jobs take: those of a batch take one
function claim.places(ids)
  local count = #ids
  for _, more in pairs(S.extra or {}) do count = count - more end
  return count
end

-- Of the ready tasks beyond the first ones, wakes for one page per call, in turn: a worker that was woken for one of them may
-- have claimed jobs of others. A sweep wakes for all of them.
local function add_others(rest)
  local from = 65 + now % math.max(call('ZCARD', K.ready) - 65, 1)
  for _, task in ipairs(call('ZRANGE', K.ready, digits(from), digits(from + 63))) do
    if caller.has(task) then rest[#rest + 1] = task end
  end
end

-- Claims at most `limit` jobs. Returns ids, their stored data, their workflows' heads, the ends before them, histories, leases by
-- task, and whether there may be more.
function claim.run(limit, limit_text, is_plain)
  local ready, is_partial = caller.ready()
  local open, quota, length = {}, nil, nil
  if limit > 0 then
    for i = 1, #ready do
      local most, lease_length = caller.terms(ready[i][1])
      if most > 0 then open[#open + 1], quota, length = ready[i], most, lease_length end
    end
  end
  if limit > 0 and is_partial and #open == 0 then
    ready, is_partial = caller.all_of(K.ready), false
    open = ready
  end
  local ids, from, texts, heads, befores, changed = {}, {}, {}, {}, {}, {}
  local unfinished, sources, entries, only, taken, is_left = false, nil, nil, nil, 0, false
  local has_nodes, has_own, has_written, late, timed = false, false, false, nil, nil
  local lives, leases, has_batches = '', {}, false
  if #open == 1 then
    local task = open[1][1]
    local others = call('EXISTS', K.prio .. task, K.tombstones .. task, K.ttls .. task, K.gate .. task, K.turns .. task)
    local own = others > 0 and gate.of(task)
    if own then
      -- the gate is one of them
      others, quota = others - 1, math.min(quota, gate.room(own))
    end
    if others == 0 then
      only, changed[task] = task, true
      -- one more, which shows whether some are left; numbers are passed as text, which saves formatting them
      entries = call('LRANGE', K.wait .. task, '0', limit <= quota and limit_text or digits(quota))
      local most = limit <= quota and limit or quota
      is_left = #entries > most
      taken = is_left and most or #entries
      if own then own.room = own.room - taken end
      for i = 1, taken do
        local entry = entries[i]
        ids[i], from[i] = sub(entry, 7), task
        local kind = byte(entry, 7) or 0
        if kind > 41 then -- not a UUID v7 of our time
          if kind == 42 then has_nodes = true elseif kind == 61 then has_own = true end
        end
      end
    end
  end
  if #open > 0 and not only then
    ids, from, sources, unfinished, late, timed = merge(open, limit)
    has_nodes = true
    for _, source in ipairs(sources) do
      local task = source.owner.task
      local is_changed = source.taken > 0 or (source.skipped or 0) > 0
      if source.score then changed[task] = 'more' elseif is_changed and not changed[task] then changed[task] = true end
    end
  end
  S.is_claiming = true
  if late and #late > 0 then expiry.end_claimed(late) end
  if #ids > 0 then
    if has_nodes then
      texts, heads, befores = workflow.claimable(ids, from)
      for i = 1, has_own and 0 or #ids do
        if tokens.is_own(ids[i]) then
          has_own = true
          break
        end
      end
    else
      texts = fields_of(K.jobs, ids)
    end
    if S.careful then drop_taken(ids, from, texts, heads) end
    for i = 1, #ids do
      if not texts[i] or S.careful then
        ids, texts, from, heads = keep_runnable(ids, texts, from, heads)
        unfinished = true
        break
      end
    end
    if S.ends or S.ended or S.cancels or S.is_moved then
      ends.write(true)
      has_written = true
    end
    if #ids > 0 then
      lives, leases = lease(ids, texts, from, heads, is_plain, has_own, only and length)
      if S.gates then gate.start(from) end
    end
    -- last, remove the jobs from their lines
    if sources then has_batches = leave_lines(sources, ids) elseif taken > 0 then call('LTRIM', K.wait .. only, digits(taken), '-1') end
  elseif sources then
    if S.ends or S.ended then
      ends.write(true)
      has_written = true
    end
    has_batches = leave_lines(sources, ids)
  end
  for task, list in pairs(timed or {}) do expiry.leave(task, list) end
  S.is_claiming = false
  for task in pairs(S.heads or {}) do line.clear_head(task) end
  local rest, taken_of, shut = {}, nil, S.gates and gate.close_full() or {}
  local is_full = claim.places(ids) >= limit
  if has_batches and not is_full then unfinished = true end
  for _, found in ipairs(ready) do
    local task = found[1]
    local is_ready = not changed[task]
    if shut[task] then
      is_ready = false
    elseif task == only and not has_written then
      is_ready = is_left
      if not is_left then line.close(task) end
    elseif changed[task] == 'more' and not has_written then
      is_ready = true
    elseif changed[task] or has_written then
      -- an end may have emptied any line, because it cancels the other nodes of its workflow
      is_ready = line.still_ready(task)
    end
    if is_ready then
      rest[#rest + 1] = task
      if limit > 0 and is_full and not unfinished then
        -- a higher limit would have returned more of it, if its own is not reached
        taken_of = taken_of or count_by(from)
        unfinished = caller.terms(task) > (taken_of[task] or 0)
      end
    end
  end
  if is_partial then
    unfinished = unfinished or #ids > 0 and not is_full
    add_others(rest)
  end
  claim.wake(rest)
  return ids, texts, heads, befores, lives, leases, unfinished
end
