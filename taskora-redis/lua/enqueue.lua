#!lua
-- Stores new jobs. A known id is left alone.
-- KEYS: the prefix of all keys
-- ARGV: test clock, repeat (1 if the outcome of a first try is unknown), number of jobs, for each job: id and record
--   without version and creation time; then, in the order of the jobs, what their flags announce: the payload
--   (flag 1), the due time (flag 4: `+` milliseconds from now or `@` milliseconds of the epoch)
-- Returns: one character per job: 1 stored, 0 duplicate
-- Events: wakes a worker per task
--- @include "start"
--- @include "line"
--- @include "due"

local count = tonumber(ARGV[3])
local head = '\1' .. now6
local ids = {}
for i = 1, count do ids[i] = ARGV[2 + 2 * i] end
local known = {}
pages(ids, function(...)
  for _, record in ipairs(call('HMGET', K.jobs, ...)) do known[#known + 1] = record end
end)

local answer, new, blobs, seen = {}, {}, {}, {}
local waits, prios, delays, ready = {}, {}, {}, 0
local order, tasks = {}, {}
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
    local task = sub(rest, 8, 7 + length)
    if not tasks[task] then
      tasks[task] = true
      order[#order + 1] = task
      waits[task], prios[task], delays[task] = {}, {}, {}
    end
    new[#new + 1] = id
    new[#new + 1] = head .. rest
    if payload then
      blobs[#blobs + 1] = id
      blobs[#blobs + 1] = payload
    end
    local at = 0
    if due then
      at = tonumber(sub(due, 2))
      if byte(due) == 43 then at = now + at end
    end
    if at > now then
      local list = delays[task]
      list[#list + 1] = at
      list[#list + 1] = id
    else
      ready = ready + 1
      if high == 0 and low == 0 then
        local list = waits[task]
        list[#list + 1] = ready
        list[#list + 1] = id
      else
        local priority = high * 256 + low
        if priority >= 32768 then priority = priority - 65536 end
        local list = prios[task]
        list[#list + 1] = ready - priority * BAND
        list[#list + 1] = id
      end
    end
  end
end
if #new == 0 then return table.concat(answer) end

local first = BASE
if ready > 0 then first = first + call('INCRBY', K.seq, ready) - ready end
pages(new, function(...) call('HSET', K.jobs, ...) end)
pages(blobs, function(...) call('HSET', K.blobs, ...) end)
for _, task in ipairs(order) do
  local list, entries = waits[task], {}
  for i = 1, #list, 2 do
    entries[#entries + 1] = struct.pack('>I6', first + list[i]) .. list[i + 1]
  end
  pages(entries, function(...) call('RPUSH', K.wait .. task, ...) end)
  list = prios[task]
  for i = 1, #list, 2 do list[i] = first + list[i] end
  pages(list, function(...) call('ZADD', K.prio .. task, ...) end)
  if #entries + #list > 0 then
    if call('SADD', K.ready, task) == 1 then call('SADD', K.tasks, task) end
    wake(task)
  end
  list = delays[task]
  if #list > 0 then
    pages(list, function(...) call('ZADD', K.delayed .. task, ...) end)
    call('SADD', K.tasks, task)
    announce(task, plan(task))
  end
end
return table.concat(answer)
