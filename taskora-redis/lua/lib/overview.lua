-- What is known about a task as a whole. Most keys do not exist, so several are asked for at once.

-- whether a task has only a line of priority 0, without tombstones, and no gate
local function is_plain(task)
  return call('EXISTS', K.tombstones .. task, K.prio .. task, K.behind .. task, K.laned .. task, K.gate .. task) == 0
end

-- how many jobs are waiting, delayed and active
function overview.depth(task, has_line_only)
  local waiting = call('LLEN', K.wait .. task)
  if not has_line_only then
    waiting = math.max(waiting - call('SCARD', K.tombstones .. task), 0) + call('ZCARD', K.prio .. task)
      + call('ZCARD', K.behind .. task) + call('HLEN', K.laned .. task)
  end
  local delayed, leases = call('ZCARD', K.delayed .. task), call('ZCARD', K.active .. task)
  -- the sentinel is none
  if leases > 0 then leases = call('ZCOUNT', K.active .. task, '-inf', '(+inf') end
  return waiting, delayed, leases
end

-- the same, and how many have completed, failed, were cancelled and have expired
function overview.counts(task, has_line_only)
  local waiting, delayed, leases = overview.depth(task, has_line_only)
  local completed, ended = call('LLEN', K.completed .. task), { 0, 0, 0 }
  if call('EXISTS', K.failed .. task, K.cancelled .. task, K.expired .. task, K.owncompleted .. task, K.ownfailed .. task,
    K.owncancelled .. task, K.ownexpired .. task) > 0 then
    completed = completed + call('LLEN', K.owncompleted .. task)
    for i, state in ipairs({ 'failed', 'cancelled', 'expired' }) do
      ended[i] = call('ZCARD', K[state] .. task) + call('ZCARD', K['own' .. state] .. task)
    end
  end
  return { waiting, delayed, leases, completed, unpack(ended) }
end

-- the first job in lanes that take turns or are parked
local function first_in_lanes(task)
  local score, first
  for _, key in ipairs({ K.turns .. task, K.parked .. task }) do
    local page = call('ZRANGE', key, 0, 0, 'WITHSCORES')
    if page[1] and not (score and score <= tonumber(page[2])) then first, score = page[1], tonumber(page[2]) end
  end
  return first and call('ZRANGE', lanes.name_of(task, first), 0, 0)[1]
end

-- when the oldest of the jobs was created that are first, one of each line; nothing if there is none
local function oldest_of(task, has_line_only)
  local ids = {}
  if has_line_only then
    ids[1] = sub(call('LINDEX', K.wait .. task, '0') or '', 7)
  else
    ids[1] = line.head(task)
    for _, id in ipairs({
      call('ZRANGE', K.prio .. task, 0, 0)[1] or '', call('ZRANGE', K.behind .. task, 0, 0)[1] or '', first_in_lanes(task) or '',
    }) do
      if id ~= '' then ids[#ids + 1] = id end
    end
  end
  local texts, heads = workflow.stored_of(ids)
  local oldest
  for i in ipairs(ids) do
    local dated = heads[i] or texts[i]
    local created = dated and byte(dated) == 1 and u48_at(dated, R.created)
    if created and not (oldest and oldest <= created) then oldest = created end
  end
  return oldest
end

-- A task: what `counts` says, the age of the oldest of the first jobs in milliseconds (-1: none waits), why no job may be claimed (`p`, `l` or
-- `r`, or empty), and `p` and `x` of its pause.
function overview.of(task)
  local has_line_only = is_plain(task)
  local counts = overview.counts(task, has_line_only)
  local created = counts[1] > 0 and oldest_of(task, has_line_only)
  local own = not has_line_only and gate.of(task)
  local pause = own and own.is_paused and call('HMGET', K.gate .. own.name, 'p', 'x') or {}
  return { task, counts, created and math.max(now - created, 0) or -1, own and gate.why(task) or '', pause[1] or '', pause[2] or '' }
end
