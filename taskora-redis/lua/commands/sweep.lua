-- flags: allow-oom
-- Rescues jobs whose lease has expired, expires jobs that were not started in time, opens gates that have room, makes due jobs
-- ready, ends workflows past their deadline, wakes workers, trims finished jobs. All tasks share one budget: the answer says with
-- which task the next call begins. Some tasks that nobody serves are looked after, too.
-- Arguments: own tasks; number of the task to begin with; whether a task before it has more (0 or 1); age and number of completed
--   jobs to keep, of failed ones, and of workflows; name of the process, its description (see lib/processes.lua); id of the worker (empty: it says
--   nothing of itself), what it says (see lib/workers.lua), whether it keeps a history (0 or 1), what it has counted (see `sums.given`)
-- Returns: rescued, stalled, more (0 or 1), number of the task to continue with, whether a task before it has more (0 or 1), ids
--   of the first rescued jobs, of the first stalled jobs, level of the namespace, who raised it, when it was created, whether a schedule is due
--   (0 or 1), whether the worker is to claim nothing (0 or 1)
-- Events: pushes ends to waiters; wakes a worker per task with waiting jobs
local RESCUES, REMOVALS, TASKS, NAMED = 100, 256, 128, 5

local function count_stalled(counts, task, id)
  counts.stalled[#counts.stalled + 1] = id
  counts.failed[task] = (counts.failed[task] or 0) + 1
end

-- rescues jobs of a task with expired leases, at most `budget`; returns how many it looked at
local function rescue(task, budget, counts)
  local key = K.active .. task
  local late = call('ZRANGEBYSCORE', key, '-inf', now, 'LIMIT', 0, budget)
  if #late == 0 then return 0 end
  local front, ranked, pasts, newer = {}, {}, {}, {}
  -- the last job to return goes first, so the job that was claimed first must return last
  local number = line.returns(#late)
  for i = #late, 1, -1 do
    number = number - 1
    local member = late[i]
    local id, token = match(member, '^(.*):(%d+)$')
    token = tonumber(token or '')
    local stored, text = claim.stored(id)
    local past = stored and call('HGET', K.life, id)
    local attempts, stalls, message, last = history.of(past)
    if not stored or past and last >= token or workflow.end_of(id) then
      -- it names no job, or a failed call has settled it
    elseif record.is_newer(stored) then
      -- it waits for a worker of that later version
      newer[#newer + 1] = now + 5000
      newer[#newer + 1] = id
      pasts[#pasts + 1] = id
      pasts[#pasts + 1] = history.of_leaving(token, attempts, stalls, message)
    elseif not text then
      -- damaged: no worker can run it
      ends.add_idle(task, id, 'S', past, 1, '')
      count_stalled(counts, task, id)
    else
      local reason = call('HGET', K.cancel, id)
      if reason then
        ends.add_idle(task, id, 'X', past, 1, reason)
      elseif stalls + 1 > record.stalls_allowed(text) then
        ends.add_idle(task, id, 'S', past, 1, '')
        count_stalled(counts, task, id)
      else
        local key, rule = lanes.key_of(task, text, true)
        if key then
          lanes.enter(task, key, { lanes.score_of(task, key, id, text, true, number), id }, true, rule)
        elseif record.is_listed(text) then
          front[#front + 1] = pack('>I6', number) .. id
        else
          ranked[#ranked + 1] = number - record.priority_of(text) * line.BAND
          ranked[#ranked + 1] = id
        end
        pasts[#pasts + 1] = id
        pasts[#pasts + 1] = history.of_leaving(token, attempts, stalls + 1, message)
        counts.rescued[#counts.rescued + 1] = id
        events.add('k', task, id, u32(stalls + 1))
        waiters.add_news(task, id, 'w')
        timeline.add(id, timeline.step('K', attempts + 1, ZERO6, now6), 1)
        local deadline = expiry.of(id, text)
        if deadline then expiry.add(task, id, deadline) end
      end
    end
  end
  expiry.write()
  if #front + #ranked > 0 then line.enter(task, nil, front, ranked) end
  if #newer > 0 then due.enter(task, newer) end
  pages(pasts, function(...) call('HSET', K.life, ...) end)
  timeline.write()
  counts.leaving[#counts.leaving + 1] = { task, late }
  return #late
end

-- removes completed jobs that are too old or too many, at most `budget`; returns how many it removed
local function remove_completed(key, budget, age, keep)
  local length = call('LLEN', key)
  if length == 0 then return 0 end
  local count = math.min(math.max(length - keep, 0), budget)
  if count < budget then
    for _, entry in ipairs(call('LRANGE', key, count, budget - 1)) do
      if (u48_at(entry, 1) or 0) > now - age and byte(entry, 7) ~= 33 then break end
      count = count + 1
    end
  end
  return count > 0 and ends.drop_completed(key, count) or 0
end

local function remove_ended(task, key, budget, age, keep)
  local length = call('ZCARD', key)
  if length == 0 then return 0 end
  local old = call('ZRANGEBYSCORE', key, '-inf', now - age, 'LIMIT', 0, budget)
  local extra = math.min(length - keep, budget)
  if extra > #old then old = call('ZRANGE', key, 0, extra - 1) end
  return ends.drop_ended(task, key, old)
end

-- removes finished jobs of a task, at most `budget`; returns how many more may be removed
local function trim(task, budget, age, keep)
  if call('EXISTS', K.completed .. task, K.owncompleted .. task) > 0 then
    budget = budget - remove_completed(K.completed .. task, budget, age.C, keep.C)
    if budget > 0 then budget = budget - remove_completed(K.owncompleted .. task, budget, age.C, ends.OWN_LIMIT) end
  end
  if call('EXISTS', K.failed .. task, K.cancelled .. task, K.expired .. task,
    K.ownfailed .. task, K.owncancelled .. task, K.ownexpired .. task) > 0 then
    for _, state in ipairs({ 'failed', 'cancelled', 'expired' }) do
      if budget > 0 then budget = budget - remove_ended(task, K[state] .. task, budget, age.F, keep.F) end
      if budget > 0 then budget = budget - remove_ended(task, K['own' .. state] .. task, budget, age.F, ends.OWN_LIMIT) end
    end
  end
  return budget
end

local function first_of(list)
  local some = {}
  for i = 1, math.min(#list, NAMED) do some[i] = list[i] end
  return some
end

function commands.sweep()
  S.tasks = argv[A.tasks]
  local names, counts, more = caller.names(), { rescued = {}, stalled = {}, failed = {}, leaving = {} }, false
  local age, keep = {}, {}
  age.C, keep.C = tonumber(argv[A.completed_age]), tonumber(argv[A.completed_keep])
  age.F, keep.F = tonumber(argv[A.failed_age]), tonumber(argv[A.failed_keep])
  S.careful = call('EXISTS', K.damaged) == 1
  processes.sign(argv[A.process], argv[A.about])
  local is_quiet = workers.sign(argv[A.worker], argv[A.worker_about])
  if workflow.expire_late() then more = true end

  -- the tasks in turn, within the budget
  local rescues, removals, expiries = RESCUES, REMOVALS, expiry.PAGE
  local at, carry = tonumber(argv[A.from]), argv[A.carry] == '1'
  local last = math.min(at + TASKS, #names)
  local visited = {}
  while at < last and rescues > 0 and expiries > 0 do
    at = at + 1
    local task = names[at]
    rescues = rescues - rescue(task, rescues, counts)
    expiries = expiries - expiry.sweep(task, expiries)
    visited[#visited + 1] = task
  end
  local keeps_history = argv[A.history] == '1'
  local unseen = registry.sign(visited, age, keep, keeps_history)
  -- once a round, some tasks that nobody serves
  local strangers = at == #names and rescues > 0 and expiries > 0 and registry.strangers(age, keep) or {}
  for _, stranger in ipairs(strangers) do
    if rescues > 0 then rescues = rescues - rescue(stranger.task, rescues, counts) end
    if expiries > 0 then expiries = expiries - expiry.sweep(stranger.task, expiries) end
  end
  ends.write(true)
  local has_held = call('EXISTS', K.held) == 1
  for _, left in ipairs(counts.leaving) do
    if has_held then lanes.let_leases_go({ [left[1]] = left[2] }) end
    active.leave(left[1], left[2])
    active.tidy(left[1])
  end
  if call('EXISTS', K.closed) == 1 then
    local own = {}
    for _, task in ipairs(visited) do own[task] = true end
    for _, stranger in ipairs(strangers) do own[stranger.task] = true end
    gate.reopen(own)
  end
  if deferred.work_off(256) then more = true end
  if call('EXISTS', K.due) == 1 then
    local dues = due.first()
    if #dues > 0 and dues[1][2] <= now and due.promote(dues, 128) then more = true end
  end
  for _, task in ipairs(visited) do
    if removals > 0 then removals = trim(task, removals, age, keep) end
  end
  for _, stranger in ipairs(strangers) do
    if removals > 0 then removals = trim(stranger.task, removals, stranger.age, stranger.keep) end
  end
  registry.tidy(strangers)
  if rescues <= 0 or removals <= 0 or expiries <= 0 then carry = true end
  if at < #names then
    more = true
  else
    -- the round is over; another one follows if any task has more
    more, at, carry = more or carry, 0, false
  end
  claim.wake(caller.present_in(K.ready))
  if retire.old(tonumber(argv[A.workflows_age]), tonumber(argv[A.workflows_keep])) then more = true end
  local changes, texts = sums.given(A.sums)
  for _, task in ipairs(unseen) do table.insert(list_in(changes, task), sums.depth(task)) end
  if keeps_history then
    for task, jobs in pairs(counts.failed) do table.insert(list_in(changes, task), sums.failed(jobs)) end
  end
  sums.write(changes, texts)
  local level = processes.level()
  -- `due` may be wrong after an error
  local look = caller.has(schedules.SELF) and tonumber(call('ZRANGE', K.schednext, 0, 0, 'WITHSCORES')[2] or '')
  return {
    #counts.rescued, #counts.stalled, more and 1 or 0, at, carry and 1 or 0,
    first_of(counts.rescued), first_of(counts.stalled), level[1], level[2], level[3], look and look <= now and 1 or 0,
    is_quiet and 1 or 0,
  }
end
