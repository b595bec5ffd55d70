-- Stores new jobs. A known id is left alone.
-- Arguments: repeat (1 if the outcome of a first try is unknown); the task of all jobs if their ids differ and none has a
--   priority or data that flags announce (else empty); number of jobs (at most 500); their ids; their records without layout and
--   creation time; then, in the order of the jobs, the data that their flags announce: the payload (flag 1), the due time (flag
--   4: `+` milliseconds from now or `@` milliseconds of the epoch)
-- Returns: one character per job: 1 stored, 0 duplicate, T the id belongs to another task; then the names of these tasks
-- Events: wakes a worker per task

-- stores jobs that need no individual treatment, if all of them are new
local function store_alike(task, count, first)
  local head = '\1' .. now6
  if count == 1 then
    local id = argv[A.ids]
    line.enter(task, { pack('>I6', first + 1) .. id })
    if call('HSETNX', K.jobs, id, head .. argv[A.ids + 1]) == 1 then
      events.add('e', task, id, ZERO6)
      return '1'
    end
    -- it is known, and already has its place
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
  if events.are_heard('e') then
    for i = 1, #new, 2 do events.add('e', task, new[i], ZERO6) end
  end
  return string.rep('1', count)
end

function commands.enqueue()
  local alike, count, again = argv[A.alike], tonumber(argv[A.count]), argv[A.again] == '1'
  -- each job uses up a number, even if it needs none: numbers only have to grow
  local first = line.arrivals(count)
  local answer = alike ~= '' and store_alike(alike, count, first)
  if answer then return answer end

  local known = call('HMGET', K.jobs, unpack(argv, A.ids, A.ids - 1 + count))
  local batch, seen, taken, extra = intake.batch(), {}, {}, A.ids - 1 + 2 * count
  answer = {}
  for i = 1, count do
    local id, rest = argv[A.ids - 1 + i], argv[A.ids - 1 + count + i]
    local flags, payload, at = byte(rest), nil, nil
    if flags % 2 == 1 then
      extra = extra + 1
      payload = argv[extra]
    end
    if flags % 8 >= 4 then
      extra = extra + 1
      at = argv[extra]
    end
    local letter, other
    if seen[id] then
      letter, other = seen[id] == intake.task_of(rest) and '0' or 'T', seen[id]
    else
      letter, other = intake.judge(id, rest, known[i], again)
      if not letter then
        letter = '1'
        intake.add(batch, id, rest, payload, intake.time_of(at), first + i, known[i])
      end
      if letter == '1' then seen[id] = intake.task_of(rest) end
    end
    answer[i] = letter
    if letter == 'T' then taken[#taken + 1] = other end
  end
  intake.write(batch)
  answer = concat(answer)
  if #taken == 0 then return answer end
  return { answer, unpack(taken) }
end
