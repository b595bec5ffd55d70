#!lua
-- Stores new jobs. A known id is left alone.
-- KEYS: the prefix of all keys
-- ARGV: test clock, repeat (1 if the outcome of a first try is unknown), number of jobs (at most 500), for each job: id and
--   record without version and creation time; then, in the order of the jobs, what their flags announce: the payload
--   (flag 1), the due time (flag 4: `+` milliseconds from now or `@` milliseconds of the epoch)
-- Returns: one character per job: 1 stored, 0 duplicate
-- Events: wakes a worker per task
--- @include "start"
--- @include "line"

local count = tonumber(ARGV[3])
local ids = {}
for i = 1, count do ids[i] = ARGV[2 + 2 * i] end
local known = call('HMGET', K.jobs, unpack(ids))

-- each has a number, also those that need none: numbers only have to grow
local first = BASE + call('INCRBY', K.seq, ARGV[3]) - count
local head, pack = '\1' .. now6, struct.pack
local answer, new, at, seen = {}, {}, 0, {}
local waits = {}
local blobs, prios, delays -- few have some
local extra = 4 + 2 * count
for i = 1, count do
  local id, rest = ids[i], ARGV[3 + 2 * i]
  local flags, high, low, _, _, _, length = byte(rest, 1, 7)
  local payload, due
  if flags % 2 == 1 then payload, extra = ARGV[extra], extra + 1 end
  if flags >= 4 then due, extra = ARGV[extra], extra + 1 end
  if seen[id] then
    answer[i] = '0'
  elseif known[i] then
    -- after a lost answer our own job is no duplicate
    answer[i] = ARGV[2] == '1' and sub(known[i], 8) == rest and '1' or '0'
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
      local list = waits[task]
      if list then
        list[#list + 1] = pack('>I6', first + i) .. id
      else
        waits[task] = { pack('>I6', first + i) .. id }
      end
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
for task, list in pairs(waits) do
  call('RPUSH', K.wait .. task, unpack(list))
  if call('SADD', K.ready, task) == 1 then call('SADD', K.tasks, task) end
  wake(task)
end
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
