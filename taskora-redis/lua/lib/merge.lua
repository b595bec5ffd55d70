-- How a claim reads the lines of several tasks in one order, and removes from them what it has taken.
local MOST = 500 -- no batch begins behind so many jobs

-- The next job of a gate may cost more than its rate has left after a claim.
local function look_ahead(sources)
  local nexts = {}
  for _, source in ipairs(sources) do
    local own = source.owner.gate
    local is_next = own and own.rate and source.score and not (nexts[own] and nexts[own].score <= source.score)
    if is_next then nexts[own] = source end
  end
  for own, source in pairs(nexts) do
    if gate.has_room(own) then gate.fits(own, source.id) end
  end
end

-- The first jobs of several lines in one order: by priority, then by sequence number. Lines are read in pages that grow,
-- and only those that can have one of the first jobs. Skips tombstones. A batch takes one place of the limit.
function merge.lines(ready, limit)
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
    if source.owner.gate and source.owner.gate.rate then
      local page = {}
      for i = 1, #list, source.is_list and 1 or 2 do page[#page + 1] = source.is_list and sub(list[i], 7) or list[i] end
      cost.load(page)
    end
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
      if owner.gate and not gate.may_begin(owner.gate, task) then return end
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
      if source.score and owner.quota > 0 and (not owner.gate or gate.has_room(owner.gate)) and (not best or source.score < best.score) then
        best = source
      end
    end
    local nearest = not batch and ready[opened + 1]
    if nearest and (not best or nearest[2] <= best.score) then
      open()
    elseif not best then
      break
    elseif not best.owner.gate or gate.fits(best.owner.gate, best.id) then
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
        if best.owner.gate then gate.take(best.owner.gate, id) end
        ids[#ids + 1] = id
        from[#ids] = task
        if deadline then
          local list = timed[task] or {}
          timed[task] = list
          list[#list + 1] = id
        end
      end
      step(best)
      batch = best.goes_on and best.score and (not best.owner.gate or gate.has_room(best.owner.gate)) and best
      if #late == 2 * expiry.PAGE or not batch and #ids > places and #ids >= MOST then
        gave_up = true
        break
      end
    end
  end
  look_ahead(sources)
  return ids, from, sources, gave_up, late, timed
end

-- Removes the claimed jobs, and the tombstones before them, from the lines; `has_written`: jobs have left lines since these were read.
-- Returns whether another batch may go.
function merge.leave(sources, ids, has_written)
  local heads, leased, is_left = {}, nil, false
  for _, source in ipairs(sources) do
    local rest
    if source.is_lanes then
      if not leased then
        leased = {}
        for _, id in ipairs(ids) do leased[id] = true end
      end
      rest = turns.leave(source, leased, has_written)
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
