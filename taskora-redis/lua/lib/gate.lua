-- Gates: how many jobs of a task run at once, and whether it is paused. `gate:<task>` has the settings: `d` the limit that workers
-- declare, `o` the one that was set and takes precedence, `p` since when the task is paused (6) and why, `l` its aliases, one a line.
-- An alias has `g` instead: the task that has its gate. How many run is what `active` says, so nothing is counted up or down.
-- `closed` has the tasks and aliases whose gate has no room. These are not in `ready`, and nothing wakes workers for them.

local SINCE = 6 -- the length of the time at which a pause began
local SETTINGS = { 'g', 'd', 'o', 'p', 'l' }

-- the name of the task that has the gate of this one, and its settings by field
local function read_settings(task)
  local values = call('HMGET', K.gate .. task, unpack(SETTINGS))
  if values[1] then
    task = values[1]
    values = call('HMGET', K.gate .. task, unpack(SETTINGS))
  end
  local settings = {}
  for i, field in ipairs(SETTINGS) do settings[field] = values[i] end
  return task, settings
end

-- the names in a list, one a line
local function names_in(list)
  local names = {}
  for name in string.gmatch(list or '', '[^\n]+') do names[#names + 1] = name end
  return names
end

-- a task, and its aliases
local function lines_of(name, aliases)
  return { name, unpack(names_in(aliases)) }
end

-- a limit; nothing if the value is none
local function limit_in(text)
  local number = whole(text, U32)
  return number and number > 0 and number or nil
end

-- The gate of a task or an alias, read once a call: its `limit`, if it has one, whether it is paused, and the `lines` that share it.
-- Nothing if it has none.
function gate.of(task)
  local known = gathered('gates')
  if known[task] ~= nil then return known[task] or nil end
  local name, settings = read_settings(task)
  if known[name] == nil then
    local limit = limit_in(settings.o) or limit_in(settings.d)
    local own = { limit = limit, is_paused = settings.p and #settings.p >= SINCE or false }
    own.lines = lines_of(name, settings.l)
    known[name] = (limit or own.is_paused) and own
  end
  known[task] = known[name]
  return known[task] or nil
end

-- how many jobs of these lines run; leases that this call ends leave `active` last, and no longer count
local function running(lines)
  local count = 0
  for _, task in ipairs(lines) do
    count = count + call('ZCOUNT', K.active .. task, '-inf', '(+inf')
    local left = S.left and S.left[task]
    if left then count = count - #left end
  end
  return count
end

-- how many more jobs may be claimed; also noted as `room` of the gate, for a claim to count down
function gate.room(own)
  own.room = own.is_paused and 0 or own.limit and math.max(own.limit - running(own.lines), 0) or math.huge
  return own.room
end

-- why no job of a task may be claimed: `p` it is paused, `l` its limit; nothing if one may
function gate.why(task)
  local own = gate.of(task)
  return own and gate.room(own) <= 0 and (own.is_paused and 'p' or 'l') or nil
end

-- takes a line out of reach: claims do not see it
local function close(task)
  call('SADD', K.closed, task)
  call('ZREM', K.ready, task)
  -- a wake-up may be for a delayed job
  if call('EXISTS', K.delayed .. task) == 0 then call('DEL', K.wake .. task) end
end

local function open(task)
  if call('SREM', K.closed, task) == 0 then return end
  if line.still_ready(task) then
    -- below the score of the first job
    call('ZADD', K.ready, '-inf', task)
    line.wake(task)
  end
  local first = call('ZRANGE', K.delayed .. task, 0, 0, 'WITHSCORES')[2]
  if first then due.announce(task, tonumber(first)) end
end

-- Opens or closes the lines that share the gate of this task. Whatever changes a gate, or how many run, calls this.
function gate.judge(task)
  local own = gate.of(task)
  local move = own and gate.room(own) <= 0 and close or open
  for _, one in ipairs(own and own.lines or { task }) do move(one) end
end

-- Leases of these tasks (the keys) have ended. `closed` exists.
function gate.reopen(tasks)
  for task in pairs(tasks) do
    if call('SISMEMBER', K.closed, task) == 1 then gate.judge(task) end
  end
end

-- After a claim: closes the gates that it has met and that have no room. Returns the closed lines.
function gate.close_full()
  local shut = {}
  for _, own in pairs(S.gates or {}) do
    -- what was claimed may have been dropped since, so a gate that seems full is counted again
    if own and own.room and own.room <= 0 and not own.is_judged then
      own.is_judged = true
      if gate.room(own) <= 0 then
        for _, task in ipairs(own.lines) do
          close(task)
          shut[task] = true
        end
      end
    end
  end
  return shut
end

-- the settings of a gate, and how many run
function gate.look(task)
  local name, settings = read_settings(task)
  return { settings.d or '', settings.o or '', settings.p or '', running(lines_of(name, settings.l)) }
end

-- whether a task is closed although there is room, or the other way round
function gate.is_wrong(task)
  local own = gate.of(task)
  return (call('SISMEMBER', K.closed, task) == 1) ~= (own ~= nil and gate.room(own) <= 0)
end

-- A task becomes an alias of this gate: its limits and its pause stay, unless the gate has its own. Returns the aliases that come with
-- it, and the name of the gate that it had until now.
local function adopt(name, settings, alias)
  local key = K.gate .. alias
  local former, declared, set, paused, aliases = unpack(call('HMGET', key, unpack(SETTINGS)))
  if former and former ~= name then
    local kept = {}
    for _, one in ipairs(names_in(call('HGET', K.gate .. former, 'l'))) do
      if one ~= alias then kept[#kept + 1] = one .. '\n' end
    end
    if #kept > 0 then call('HSET', K.gate .. former, 'l', concat(kept)) else call('HDEL', K.gate .. former, 'l') end
  end
  for field, value in pairs({ d = declared, o = set, p = paused }) do
    if value then
      if not settings[field] then
        settings[field] = value
        call('HSET', K.gate .. name, field, value)
      end
      call('HDEL', key, field)
    end
  end
  if aliases then call('HDEL', key, 'l') end
  return names_in(aliases), former
end

-- Changes a field of a gate, which then has these aliases, too; the first pause stays. Returns the former value.
function gate.set(task, aliases, field, value)
  local name, settings = read_settings(task)
  local key, lines, is_line, joining, judged = K.gate .. name, { name }, { [name] = true }, {}, {}
  local function add(alias)
    if is_line[alias] then return end
    is_line[alias] = true
    lines[#lines + 1] = alias
  end
  for _, alias in ipairs(names_in(settings.l)) do add(alias) end
  for _, alias in ipairs(names_in(aliases)) do
    if alias ~= name then
      local more, former = adopt(name, settings, alias)
      judged[#judged + 1] = former or nil
      for _, one in ipairs({ alias, unpack(more) }) do
        add(one)
        joining[#joining + 1] = one
      end
    end
  end
  local before = settings[field] or ''
  if field == 'p' and #before < SINCE then before = '' end
  if field == 'p' and value ~= '' and before ~= '' then value = before end
  settings[field] = value ~= '' and value or nil
  if settings.d or settings.o or settings.p then
    -- what counts comes before what is bound
    if #lines > 1 then call('HSET', key, 'l', concat(lines, '\n', 2) .. '\n') end
    for _, alias in ipairs(joining) do call('HSET', K.gate .. alias, 'g', name) end
    if value ~= '' then call('HSET', key, field, value) else call('HDEL', key, field) end
  else
    -- nothing is left of it
    call('HDEL', key, field)
    for i = 2, #lines do
      local known = call('HGET', K.gate .. lines[i], 'g')
      if known == name or known and is_line[known] then call('HDEL', K.gate .. lines[i], 'g') end
    end
    call('HDEL', key, 'l')
  end
  S.gates = nil
  for _, one in ipairs(lines) do gate.judge(one) end
  for _, one in ipairs(judged) do gate.judge(one) end
  return before
end
