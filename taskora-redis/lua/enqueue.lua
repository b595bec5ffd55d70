#!lua
-- Stores new jobs. A known id is left alone.
-- KEYS: the prefix of all keys
-- ARGV: test clock, repeat (1 if the outcome of a first try is unknown), the task of all jobs if none has what flags announce or a
--   priority (else empty), number of jobs (at most 500), their ids, their records without version and creation time; then,
--   in the order of the jobs, what their flags announce: the payload (flag 1), the due time (flag 4: `+` milliseconds from now
--   or `@` milliseconds of the epoch)
-- Returns: one character per job: 1 stored, 0 duplicate
-- Events: wakes a worker per task
--- @include "start"
--- @include "line"

local alike, count = ARGV[3], tonumber(ARGV[4])
local head, pack = '\1' .. now6, struct.pack
local argv = ARGV -- a local is read faster

-- each has a number, also those that need none: numbers only have to grow
local first = BASE + call('INCRBY', K.seq, argv[4]) - count

-- The members of a line; it and its task are known if somebody was there before. Where nobody is being woken, that is made
-- sure of: a worker would not find the line otherwise.
local function join(task, list)
  local length = call('RPUSH', K.wait .. task, unpack(list))
  if (wake(task) or length == #list) and call('SADD', K.ready, task) == 1 then call('SADD', K.tasks, task) end
end

-- the usual case: jobs that are alike and new
if alike ~= '' then
  if count == 1 then
    if call('HSETNX', K.jobs, argv[5], head .. argv[6]) == 1 then
      join(alike, { pack('>I6', first + 1) .. argv[5] })
      return '1'
    end
  else
    local is_new = true
    for _, known in ipairs(call('HMGET', K.jobs, unpack(argv, 5, 4 + count))) do
      if known then
        is_new = false
        break
      end
    end
    if is_new then
      local new, list, at = {}, {}, 0
      for i = 1, count do
        local id = argv[4 + i]
        new[at + 1], new[at + 2] = id, head .. argv[4 + count + i]
        at = at + 2
        list[i] = pack('>I6', first + i) .. id
      end
      if call('HSET', K.jobs, unpack(new)) == count then
        join(alike, list)
        return string.rep('1', count)
      end
      -- an id is there twice: the first of its jobs is to be stored, and this was the last
      call('HDEL', K.jobs, unpack(argv, 5, 4 + count))
    end
  end
end

local known = call('HMGET', K.jobs, unpack(argv, 5, 4 + count))
local answer, new, at, seen = {}, {}, 0, {}
local waits = {}
local blobs, prios, delays -- few have some
local extra = 4 + 2 * count
for i = 1, count do
  local id, rest = argv[4 + i], argv[4 + count + i]
  local flags, high, low, _, _, _, length = byte(rest, 1, 7)
  local payload, due
  if flags % 2 == 1 then
    extra = extra + 1
    payload = argv[extra]
  end
  if flags % 8 >= 4 then
    extra = extra + 1
    due = argv[extra]
  end
  if seen[id] then
    answer[i] = '0'
  elseif known[i] then
    -- after a lost answer our own job is no duplicate
    answer[i] = argv[2] == '1' and sub(known[i], 8) == rest and '1' or '0'
  else
    answer[i] = '1'
    seen[id] = true
    new[at + 1], new[at + 2] = id, head .. rest
    at = at + 2
    if payload then
      blobs = blobs or {}
      blobs[#blobs + 1] = id
      blobs[#blobs + 1] = payload
    end
    local task, time = sub(rest, 8, 7 + length), 0
    if due then
      time = tonumber(sub(due, 2))
      if byte(due) == 43 then time = now + time end
    end
    if time > now then
      delays = delays or {}
      local list = delays[task] or {}
      delays[task] = list
      list[#list + 1] = time
      list[#list + 1] = id
    elseif high == 0 and low == 0 then
      local list = waits[task] or {}
      waits[task] = list
      list[#list + 1] = pack('>I6', first + i) .. id
    else
      local priority = high * 256 + low
      if priority >= 32768 then priority = priority - 65536 end
      prios = prios or {}
      local list = prios[task] or {}
      prios[task] = list
      list[#list + 1] = first + i - priority * BAND
      list[#list + 1] = id
    end
  end
end
answer = table.concat(answer)
if at == 0 then return answer end

call('HSET', K.jobs, unpack(new))
if blobs then call('HSET', K.blobs, unpack(blobs)) end
for task, list in pairs(waits) do join(task, list) end
for task, list in pairs(prios or {}) do
  call('ZADD', K.prio .. task, unpack(list))
  if call('SADD', K.ready, task) == 1 then call('SADD', K.tasks, task) end
  wake(task)
end
if delays then
  --- @include "due"
  for task, list in pairs(delays) do
    call('ZADD', K.delayed .. task, unpack(list))
    call('SADD', K.tasks, task)
    announce(task, plan(task))
  end
end
return answer
