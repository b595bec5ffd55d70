-- What is known about a task as a whole. Most keys do not exist, so several are asked for at once.

-- how many jobs are waiting, delayed, active, completed, failed, cancelled and expired
function overview.counts(task)
  local waiting, ended = call('LLEN', K.wait .. task), { 0, 0, 0 }
  if call('EXISTS', K.tombstones .. task, K.prio .. task, K.behind .. task, K.laned .. task) > 0 then
    waiting = math.max(waiting - call('SCARD', K.tombstones .. task), 0) + call('ZCARD', K.prio .. task)
      + call('ZCARD', K.behind .. task) + call('HLEN', K.laned .. task)
  end
  local delayed, leases, completed = call('ZCARD', K.delayed .. task), call('ZCARD', K.active .. task), call('LLEN', K.completed .. task)
  -- the sentinel is none
  if leases > 0 then leases = call('ZCOUNT', K.active .. task, '-inf', '(+inf') end
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

-- when the oldest of the jobs was created that are first in a line, each line has one; nothing if there is none
function overview.oldest(task)
  local ids = { (line.head(task)) }
  if call('EXISTS', K.prio .. task, K.behind .. task, K.laned .. task) > 0 then
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

-- why no job of a task may be claimed (`p`, `l` or `r`, or empty), and, if it is paused, since when (6) and why
function overview.gate(task)
  local own = gate.of(task)
  if not own then return '', '' end
  return gate.why(task) or '', own.is_paused and call('HGET', K.gate .. own.name, 'p') or ''
end
