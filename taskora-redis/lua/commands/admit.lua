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

-- a job of the arguments
local function job_at(at)
  local job = { id = argv[at], rest = argv[at + 1], payload = argv[at + 2], at = argv[at + 3], key = argv[at + 4], rule = argv[at + 5] }
  if job.payload == '' then job.payload = nil end
  job.task = intake.task_of(job.rest)
  return job
end

-- stores a job, which owns the key of this field if there is one
local function store(job, time, field)
  local batch, is_ready = intake.batch(), time <= now
  if field then keyed.own(job.id, field) end
  intake.add(batch, job.id, job.rest, job.payload, time, is_ready and line.arrivals(1) + 1, job.before)
  intake.write(batch)
  return '1'
end

local function throttle(job)
  local key, max, window = K.throttle .. job.task .. '\0' .. job.key, read('>I4I6', job.rule, 2)
  -- a key of the wrong type must not block anything
  local length = try('LLEN', key)
  if type(length) ~= 'number' then
    call('RENAME', key, K.aside .. sub(key, #K.aside - 5))
    length = 0
  end
  local bar = length >= max and u48_at(call('LINDEX', key, -max) or '', 1)
  if bar and bar + window > now then return 'W' .. digits(math.min(bar + window - now, window)) end
  call('RPUSH', key, now6)
  if length >= max then call('LTRIM', key, -max, -1) end
  if call('PTTL', key) < window then call('PEXPIRE', key, digits(window)) end
  return store(job, intake.time_of(job.at))
end

local function debounce(job)
  local delay, longest = read('>I6I6', job.rule, 2)
  local field = 'd' .. job.task .. '\0' .. job.key
  local id, before, first = keyed.owner(field, true)
  local at = id and not record.is_newer(before) and tonumber(call('ZSCORE', K.delayed .. job.task, id) or '')
  if not at then return store(job, now + delay, field) end
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
  intake.replace(id, before, job.rest, job.payload, at, false)
  return 'R' .. id
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
    intake.replace(id, before, job.rest, job.payload, now, false)
    return 'R' .. id
  end
  local batch = intake.batch()
  keyed.put_behind(job.task, job.id, owner)
  intake.add(batch, job.id, job.rest, job.payload, 0, nil, job.before, true)
  intake.write(batch)
  return '1'
end

local function deduplicate(job)
  local states, otherwise = byte(job.rule, 2, 3)
  local field = 'u' .. job.task .. '\0' .. job.key
  local id, before = keyed.owner(field, true)
  if not id then return store(job, intake.time_of(job.at), field) end
  if otherwise == 0 and states == 15 or record.is_newer(before) then return 'O' .. id end
  local place, state, was_claimed, ready = state_of(job.task, id, before)
  if floor(states / state) % 2 == 0 then return store(job, intake.time_of(job.at), field) end
  if otherwise == 0 or otherwise == 1 and was_claimed then return 'O' .. id end
  if not was_claimed then
    intake.replace(id, before, job.rest, job.payload, ready, place == 'waiting')
    return 'R' .. id
  end
  local answer = follow(job, id)
  if otherwise == 3 then
    workflow.withdraw(job.task, id, before, call('HGET', K.life, id), REASON)
    ends.write(true)
  end
  return answer
end

-- stores the key of a stored job
local function hold(job)
  local _, life, fingerprint = read('>BI6c8', job.rule, 2)
  once.hold('j' .. job.task .. '\0' .. job.key, life, fingerprint, job.id)
end

local function store_once(job)
  local keeps, _, fingerprint = read('>BI6c8', job.rule, 2)
  local name = 'j' .. job.task .. '\0' .. job.key
  local id, is_same = once.holder(name, fingerprint)
  -- a failed try may have left the key without its job
  if id and id ~= job.id then return (is_same and 'O' or 'K') .. id end
  if keeps == 0 then call('HSET', K.keyed, job.id, 'i\0' .. name) end
  store(job, intake.time_of(job.at))
  hold(job)
  return '1'
end

local RULES = { T = throttle, D = debounce, U = deduplicate, I = store_once }

function commands.admit()
  local again, answer = argv[A.again] == '1', {}
  for at = A.jobs, #argv, 6 do
    local job = job_at(at)
    local before = call('HGET', K.jobs, job.id)
    local letter, other = intake.judge(job.id, job.rest, before, again)
    -- our own, although another job has replaced it since the lost answer: a UUID occurs only once
    if again and letter == '0' and byte(job.id) ~= 61 then letter = '1' end
    if letter == '1' and byte(job.rule) == 73 then hold(job) end
    if letter then
      answer[#answer + 1] = letter .. (other or '')
    else
      job.before = before
      answer[#answer + 1] = RULES[sub(job.rule, 1, 1)](job)
    end
  end
  return answer
end
