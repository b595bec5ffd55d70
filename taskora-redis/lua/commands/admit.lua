-- Stores jobs under keys, each as its rule says, one after the other.
-- Arguments: repeat (1 if the outcome of a first try is unknown); for each job (at most 500): id, record without layout and
--   creation time, payload (empty if it is in the record), due time (empty: now; else as `enqueue` takes it), key, rule. Rules:
--   `T` most jobs (4) and window (6); `D` delay (6) and longest wait (6, zero if there is none); `U` states in which an owner
--   keeps the job out (bits: 1 waiting, 2 delayed, 4 active, 8 retrying) and what happens to it then (0 nothing, 1 replace, 2
--   follow, 3 follow and cancel); `I` whether the key stays if the job ends without completing (1: 0 no, 1 yes), life of the key
--   (6) and fingerprint of the payload (8)
-- Returns: for each: 1 stored, 0 duplicate, `T` and the task that its id belongs to, `O` and the id of the job that keeps it out,
--   `R` and the id of the job that it has replaced, `K` and the id of the job that its key stands for, which has another payload,
--   `W` and the milliseconds until it would be stored
-- Events: wakes a worker per task; pushes ends to waiters, or tells the workers
local REASON = 'superseded by a later dispatch of its key'

local FIELDS = { D = 'd', U = 'u', I = 'j' } -- how the name of a rule's key begins

-- a job of the arguments
local function job_at(at)
  local job = { id = argv[at], rest = argv[at + 1], payload = argv[at + 2], at = argv[at + 3], key = argv[at + 4], rule = argv[at + 5] }
  if job.payload == '' then job.payload = nil end
  job.task = intake.task_of(job.rest)
  job.kind = sub(job.rule, 1, 1)
  job.field = FIELDS[job.kind] and FIELDS[job.kind] .. job.task .. '\0' .. job.key
  return job
end

-- stores the key of a stored job
local function hold(job)
  local _, life, fingerprint = read('>BI6c8', job.rule, 2)
  once.hold(job.field, life, fingerprint, job.id)
end

-- Jobs are stored together, at the end of the call, or before a job that has the id or the key of one of them, or that changes another job.
local function flush()
  if S.batch then
    keyed.write()
    intake.write(S.batch)
    for _, job in ipairs(S.once or {}) do hold(job) end
  end
  S.batch, S.once = nil, nil
end

-- stores a job, which owns the key of this field if there is one
local function store(job, time, field)
  S.batch = S.batch or intake.batch()
  if field then keyed.own(job.id, field) end
  intake.add(S.batch, job.id, job.rest, job.payload, time, time <= now and line.arrivals(1) + 1, job.before)
  return '1'
end

-- The answers to throttled jobs that this call has rejected, by rule, for a task and a key. They hold until this call stores a throttled job
-- of the task.
local function rejections_of(task, key)
  return list_in(list_in(gathered('rejections'), task), key)
end

-- when the first of the last `max` jobs under a key was stored, if there were so many
local function bar_of(name, max)
  local entry = try('LINDEX', name, format('%.0f', -max))
  if type(entry) ~= 'table' then return u48_at(entry or '', 1) end
  -- a key of the wrong type must not block anything
  call('RENAME', name, K.aside .. sub(name, #K.aside - 5))
  return nil
end

local function throttle(job)
  local name, max, window = K.throttle .. job.task .. '\0' .. job.key, read('>I4I6', job.rule, 2)
  local bar = bar_of(name, max)
  if bar and bar + window > now then
    local answer = 'W' .. digits(math.min(bar + window - now, window))
    rejections_of(job.task, job.key)[job.rule] = answer
    return answer
  end
  if call('RPUSH', name, now6) > max then call('LTRIM', name, format('%.0f', -max), '-1') end
  if call('PTTL', name) < window then call('PEXPIRE', name, digits(window)) end
  if S.rejections then S.rejections[job.task] = nil end
  local letter = store(job, intake.time_of(job.at))
  -- a call that fails has used up the place of one job at most
  flush()
  return letter
end

-- an unfinished job gets what this one has
local function replace(job, id, before, ready, is_in_line)
  flush()
  S.is_stale = true
  intake.replace(id, before, job.rest, job.payload, ready, is_in_line)
  return 'R' .. id
end

local function debounce(job)
  local delay, longest = read('>I6I6', job.rule, 2)
  local id, before, first = keyed.owner(job.field, true, job.owner)
  local at = id and not record.is_newer(before) and tonumber(call('ZSCORE', K.delayed .. job.task, id) or '')
  if not at then return store(job, now + delay, job.field) end
  -- a job that is already due keeps its due time
  if at > now then
    local last = at
    at = now + delay
    if longest > 0 then at = math.min(at, first + longest) end
    if at ~= last then
      call('ZADD', K.delayed .. job.task, digits(at), id)
      local earliest = due.plan(job.task)
      if at < last then due.announce(job.task, earliest) end
    end
  end
  return replace(job, id, before, at, false)
end

-- where an unfinished job is, its state's bit, whether a worker has ever claimed it, and when it is ready
local function state_of(task, id, text)
  local past = call('HGET', K.life, id)
  local place, at = active.place_of(task, id, text, past)
  if place == 'active' then return place, 4, true, now end
  local attempts, was_claimed = history.of(past), history.was_claimed(past, text)
  if place == 'delayed' then return place, attempts > 0 and 8 or 2, was_claimed, math.max(tonumber(at), now) end
  return place, 1, was_claimed, now
end

-- stores a job behind another one, or replaces the job that already waits there
local function follow(job, owner)
  local id = keyed.follower(owner)
  local before = id and call('HGET', K.jobs, id)
  if before and not record.is_newer(before) then
    return replace(job, id, before, now, false)
  end
  flush()
  S.is_stale = true
  local batch = intake.batch()
  keyed.put_behind(job.task, job.id, owner)
  intake.add(batch, job.id, job.rest, job.payload, 0, nil, job.before, true)
  intake.write(batch)
  return '1'
end

local function deduplicate(job)
  local states, otherwise = byte(job.rule, 2, 3)
  local id, before = keyed.owner(job.field, true, job.owner)
  if not id then return store(job, intake.time_of(job.at), job.field) end
  if otherwise == 0 and states == 15 or record.is_newer(before) then return 'O' .. id end
  local place, state, was_claimed, ready = state_of(job.task, id, before)
  if floor(states / state) % 2 == 0 then return store(job, intake.time_of(job.at), job.field) end
  if otherwise == 0 or otherwise == 1 and was_claimed then return 'O' .. id end
  if not was_claimed then
    return replace(job, id, before, ready, place == 'waiting')
  end
  local answer = follow(job, id)
  if otherwise == 3 then
    workflow.withdraw(job.task, id, before, call('HGET', K.life, id), REASON)
    ends.write(true)
  end
  return answer
end

local function store_once(job)
  local keeps, _, fingerprint = read('>BI6c8', job.rule, 2)
  local id, is_same = once.holder(job.field, fingerprint)
  -- a failed try may have left the key without its job
  if id and id ~= job.id then return (is_same and 'O' or 'K') .. id end
  if keeps == 0 then call('HSET', K.keyed, job.id, 'i\0' .. job.field) end
  local letter, jobs = store(job, intake.time_of(job.at)), gathered('once')
  jobs[#jobs + 1] = job
  return letter
end

local RULES = { T = throttle, D = debounce, U = deduplicate, I = store_once }

-- the answer to a throttled job if this call has rejected one like it
local function rejection_at(at)
  local rule = argv[at + 5]
  if byte(rule) ~= 84 then return nil end
  local of_task = S.rejections[intake.task_of(argv[at + 1])]
  local of_key = of_task and of_task[argv[at + 4]]
  return of_key and of_key[rule]
end

-- Reads at once what all jobs need. Returns the records that are stored under their ids, and, by place, the jobs with debounced or unique
-- keys, each with the value of its key in `uniq`.
local function read_all()
  local ids, jobs, places, fields = {}, {}, {}, {}
  for at = A.jobs, #argv, 6 do
    local place, kind = #ids + 1, byte(argv[at + 5])
    ids[place] = argv[at]
    if kind == 85 or kind == 68 then
      jobs[place] = job_at(at)
      places[#places + 1], fields[#fields + 1] = place, jobs[place].field
    end
  end
  for i, owner in ipairs(fields_of(K.uniq, fields)) do jobs[places[i]].owner = owner end
  return fields_of(K.jobs, ids), jobs
end

local function admit(job, again)
  if S.seen[job.id] or job.field and S.seen[job.field] then
    flush()
    S.is_stale = true
  end
  -- what was read for all jobs may have changed
  if S.is_stale then job.before, job.owner = call('HGET', K.jobs, job.id), nil end
  local letter, other = intake.judge(job.id, job.rest, job.before, again)
  -- our own, although another job has replaced it since the lost answer: a UUID occurs only once
  if again and letter == '0' and byte(job.id) ~= 61 then letter = '1' end
  if letter == '1' and job.kind == 'I' then hold(job) end
  if letter then return letter .. (other or '') end
  S.seen[job.id] = true
  if job.field then S.seen[job.field] = true end
  return RULES[job.kind](job)
end

function commands.admit()
  local again, answer, befores, jobs = argv[A.again] == '1', {}, read_all()
  S.seen = {}
  for i, before in ipairs(befores) do
    local at = A.jobs + 6 * (i - 1)
    answer[i] = S.rejections and not before and not S.seen[argv[at]] and rejection_at(at)
    if not answer[i] then
      local job = jobs[i] or job_at(at)
      job.before = before
      answer[i] = admit(job, again)
    end
  end
  flush()
  return answer
end
