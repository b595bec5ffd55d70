-- Makes delayed jobs ready whose time has come, in the order of their times, then of their ids.

-- at most `budget` jobs of the tasks in `dues`; answers whether more are due, and whether any were
local function promote(dues, budget)
  local tasks = {}
  for _, due in ipairs(dues) do
    if due[2] <= now then tasks[#tasks + 1] = due[1] end
  end
  if #tasks == 0 then return false, false end

  -- byte order, which is the order of a sorted set; `<` would ask the server's locale
  local function bytes_before(a, b)
    for i = 1, math.min(#a, #b) do
      local x, y = byte(a, i), byte(b, i)
      if x ~= y then return x < y end
    end
    return #a < #b
  end

  local function due_before(a, b)
    if a.at ~= b.at then return a.at < b.at end
    return bytes_before(a.id, b.id)
  end

  -- a full page hides what comes after its end: nothing beyond the nearest such end is promoted in this call
  local jobs, horizon = {}, nil
  local page = math.max(16, math.floor(budget / #tasks))
  for _, task in ipairs(tasks) do
    local list = call('ZRANGEBYSCORE', K.delayed .. task, '-inf', now, 'WITHSCORES', 'LIMIT', 0, page)
    for i = 1, #list, 2 do
      jobs[#jobs + 1] = { id = list[i], at = tonumber(list[i + 1]), task = task }
    end
    if #list == page * 2 and (not horizon or due_before(jobs[#jobs], horizon)) then horizon = jobs[#jobs] end
  end
  if #tasks > 1 then table.sort(jobs, due_before) end
  local count = 0
  for i, job in ipairs(jobs) do
    if i > budget or (horizon and due_before(horizon, job)) then break end
    count = i
  end

  local ids = {}
  for i = 1, count do ids[i] = jobs[i].id end
  local records = records_of(ids)
  local seq = BASE + call('INCRBY', K.seq, count) - count
  local gone, waits, prios = {}, {}, {}
  for i = 1, count do
    local id, task, record = ids[i], jobs[i].task, records[i]
    if not gone[task] then gone[task], waits[task], prios[task] = {}, {}, {} end
    table.insert(gone[task], id)
    if record and byte(id) == 42 then record = record_in(record) end
    if record then
      local priority = priority_of(record)
      if priority == 0 then
        table.insert(waits[task], struct.pack('>I6', seq + i) .. id)
      else
        table.insert(prios[task], seq + i - priority * BAND)
        table.insert(prios[task], id)
      end
    end
  end
  for task, list in pairs(gone) do
    pages(list, function(...) call('ZREM', K.delayed .. task, ...) end)
    pages(waits[task], function(...) call('RPUSH', K.wait .. task, ...) end)
    pages(prios[task], function(...) call('ZADD', K.prio .. task, ...) end)
    if #waits[task] + #prios[task] > 0 then call('SADD', K.ready, task) end
    plan(task)
  end
  return horizon ~= nil or count < #jobs, true
end
