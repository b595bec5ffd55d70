-- Stores new jobs. A known id is left alone.
-- Arguments: repeat (1 if the outcome of a first try is unknown); the task of all jobs if their ids differ and none has what
--   flags announce or a priority (else empty); number of jobs (at most 500); their ids; their records without layout and
--   creation time; then, in the order of the jobs, what their flags announce: the payload (flag 1), the due time (flag 4: `+`
--   milliseconds from now or `@` milliseconds of the epoch)
-- Returns: one character per job: 1 stored, 0 duplicate, T the id is another task's, and the names of these tasks
-- Events: wakes a worker per task
local REPLACES = 64 -- the flag of a job that takes the place of one that has failed, was cancelled or has expired
local RANKED = 32
local CALL = 60000 -- for how long a call may be repeated, in milliseconds

-- Removes a job that has ended without completing. Answers when the new one counts as created, so that its tokens lie above
-- the old one's, and whether it cannot go to the list.
local function replace(id, task, before, ended)
  local created = math.max(now, (u48_at(before, R.created) or 0) + 1)
  ends.forget({ id })
  call('ZREM', ends.index_of(sub(ended, 1, 1), task, id), id)
  if not tokens.is_own(id) then
    call('HSET', K.life, id, history.of_leaving(created * tokens.SHARE, 0, 0, false))
  end
  -- its tombstone is still in the list
  return pack('>I6', created), call('SISMEMBER', K.tombstones .. task, id) == 1
end

-- jobs that differ in nothing that would have to be looked at, all of them new
local function store_alike(task, count, first)
  local head = '\1' .. now6
  if count == 1 then
    local id = argv[A.ids]
    line.enter(task, { pack('>I6', first + 1) .. id })
    if call('HSETNX', K.jobs, id, head .. argv[A.ids + 1]) == 1 then return '1' end
    -- it is known, and has its place
    call('RPOP', K.wait .. task)
    line.still_ready(task)
    return false
  end
  for _, known in ipairs(call('HMGET', K.jobs, unpack(argv, A.ids, A.ids - 1 + count))) do
    if known then return false end
  end
  local new, back, at = {}, {}, 0
  for i = 1, count do
    local id = argv[A.ids - 1 + i]
    new[at + 1], new[at + 2] = id, head .. argv[A.ids - 1 + count + i]
    at = at + 2
    back[i] = pack('>I6', first + i) .. id
  end
  line.enter(task, back)
  call('HSET', K.jobs, unpack(new))
  return string.rep('1', count)
end

-- a record as its dispatch sent it: without a deadline
local function as_sent(text)
  local at = record.ttl_at(text)
  return sub(at and record.with_deadline(text, at, ZERO6) or text, 8)
end

-- a list in a map of lists
local function list_of(map, task)
  local list = map[task]
  if not list then
    list = {}
    map[task] = list
  end
  return list
end

function commands.enqueue()
  local alike, count, again = argv[A.alike], tonumber(argv[A.count]), argv[A.again] == '1'
  -- each has a number, also those that need none: numbers only have to grow
  local first = line.arrivals(count)
  local answer = alike ~= '' and store_alike(alike, count, first)
  if answer then return answer end

  local known = call('HMGET', K.jobs, unpack(argv, A.ids, A.ids - 1 + count))
  local new, seen, blobs, waits, prios, delays, taken = {}, {}, {}, {}, {}, {}, {}
  local extra = A.ids - 1 + 2 * count
  answer = {}
  for i = 1, count do
    local id, rest = argv[A.ids - 1 + i], argv[A.ids - 1 + count + i]
    local flags, high, low, _, _, _, length = byte(rest, 1, 7)
    local task, payload, at = sub(rest, 8, 7 + length), nil, nil
    if flags % 2 == 1 then
      extra = extra + 1
      payload = argv[extra]
    end
    if flags % 8 >= 4 then
      extra = extra + 1
      at = argv[extra]
    end
    local before = known[i]
    local ended = before and flags % 128 >= REPLACES and call('HGET', K.done, id)
    if seen[id] then
      answer[i] = seen[id] == task and '0' or 'T'
      if seen[id] ~= task then taken[#taken + 1] = seen[id] end
    elseif before and again and as_sent(before) == rest and ((u48_at(before, R.created) or 0) > now - CALL or not ended) then
      -- after a lost answer our own job is no duplicate
      answer[i] = '1'
    elseif before and record.is_readable(before) and record.task_of(before) ~= task then
      answer[i] = 'T'
      taken[#taken + 1] = record.task_of(before)
    elseif before and (not ended or not match(ended, '^[FSXE]') or record.is_newer(before)) then
      answer[i] = '0'
    else
      answer[i] = '1'
      local is_ranked, created = false, now6
      if before then
        created, is_ranked = replace(id, task, before, ended)
        if is_ranked then rest = pack('B', flags + RANKED) .. sub(rest, 2) end
      end
      if payload then
        blobs[#blobs + 1] = id
        blobs[#blobs + 1] = payload
      end
      local time = 0
      if at then
        time = tonumber(sub(at, 2))
        if byte(at) == 43 then time = now + time end
      end
      local text = '\1' .. created .. rest
      local rule = flags % 32 >= 16 and record.ttl_at(text)
      if rule then
        local deadline = expiry.sum(math.max(time, now), (read('>I6', text, rule + 1)))
        text = record.with_deadline(text, rule, pack('>I6', deadline))
        expiry.add(task, id, deadline)
      end
      new[#new + 1] = id
      new[#new + 1] = text
      if time > now then
        local list = list_of(delays, task)
        list[#list + 1] = time
        list[#list + 1] = id
      elseif high == 0 and low == 0 and not is_ranked then
        local list = list_of(waits, task)
        list[#list + 1] = pack('>I6', first + i) .. id
      else
        local priority = high * 256 + low
        if priority >= 32768 then priority = priority - 65536 end
        local list = list_of(prios, task)
        list[#list + 1] = first + i - priority * line.BAND
        list[#list + 1] = id
      end
    end
    if answer[i] == '1' then seen[id] = task end
  end
  expiry.write()
  for task, list in pairs(waits) do line.enter(task, list) end
  for task, list in pairs(prios) do line.enter(task, nil, nil, list) end
  for task, list in pairs(delays) do due.enter(task, list) end
  if #blobs > 0 then call('HSET', K.blobs, unpack(blobs)) end
  if #new > 0 then call('HSET', K.jobs, unpack(new)) end
  answer = concat(answer)
  if #taken == 0 then return answer end
  return { answer, unpack(taken) }
end
