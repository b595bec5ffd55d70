-- Claims jobs: reads them in their lines, checks them, leases those that may run, and last removes all of them from their lines.

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

-- Takes the first entries of a line whose task has a gate, as many as its rate lets start. Returns how many.
local function take(own, entries, count)
  if not own.rate then
    own.room = own.room - count
    return count
  end
  local ids = {}
  for i, entry in ipairs(entries) do ids[i] = sub(entry, 7) end
  cost.load(ids)
  for i = 1, count do
    if not gate.fits(own, ids[i]) then return i - 1 end
    gate.take(own, ids[i])
  end
  -- what comes next may cost more than is left
  if ids[count + 1] and gate.has_room(own) then gate.fits(own, ids[count + 1]) end
  return count
end

-- those of these jobs that have a deadline to start; nothing if one is too late
local function deadlines_of(task, ids)
  local list = {}
  for i, deadline in ipairs(scores_of(K.ttls .. task, ids)) do
    if deadline then
      if tonumber(deadline) <= now then return nil end
      list[#list + 1] = ids[i]
    end
  end
  return list
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
      others, quota = others - 1, gate.may_begin(own, task) and math.min(quota, own.room, own.left) or 0
    end
    -- deadlines to start are another
    local expires = others == 1 and not own and call('EXISTS', K.ttls .. task) == 1
    if others == 0 or expires then
      only, changed[task] = task, true
      -- one more, which shows whether some are left; numbers are passed as text, which saves formatting them
      entries = call('LRANGE', K.wait .. task, '0', limit <= quota and limit_text or digits(quota))
      local most = limit <= quota and limit or quota
      is_left = #entries > most
      taken = is_left and most or #entries
      if own then
        taken = take(own, entries, taken)
        is_left = taken < #entries
      end
      for i = 1, taken do
        local entry = entries[i]
        ids[i], from[i] = sub(entry, 7), task
        local kind = byte(entry, 7) or 0
        if kind > 41 then -- not a UUID v7 of our time
          if kind == 42 then has_nodes = true elseif kind == 61 then has_own = true end
        end
      end
      local list = expires and deadlines_of(task, ids)
      if expires and not list then
        -- those that are too late are read the long way
        only, changed[task], ids, from, taken, is_left, has_nodes, has_own = nil, nil, {}, {}, 0, false, false, false
      elseif list then
        timed = { [task] = list }
      end
    end
  end
  if #open > 0 and not only then
    ids, from, sources, unfinished, late, timed = merge.lines(open, limit)
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
      if S.gates then gate.start(from, ids) end
      if S.heard and events.are_heard('s') then
        for i, id in ipairs(ids) do events.add('s', from[i], id, lives ~= '' and sub(lives, 12 * i - 3, 12 * i) or '\0\0\0\1') end
      end
    end
    -- last, remove the jobs from their lines
    if sources then has_batches = merge.leave(sources, ids, has_written) elseif taken > 0 then call('LTRIM', K.wait .. only, digits(taken), '-1') end
  elseif sources then
    if S.ends or S.ended then
      ends.write(true)
      has_written = true
    end
    has_batches = merge.leave(sources, ids, has_written)
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
