-- Gates: how many jobs of a task run at once, how many start in a time, and whether it is paused. `gate:<task>` has the settings: `d` the
-- limit that workers declare, `o` the one that was set and takes precedence, `rd` and `ro` the same for the rate, `p` and `x` its pause, see
-- lib/pauses.lua, `l` its aliases, one a line; `k` what workers declare of each key (its limit or `-`, `!` if lanes are
-- ordered, and behind a blank the rate of each), `k<key>` the limit of one key that was set, `q<key>` its rate, `p<key>` and `x<key>` its
-- pause, `u<key>` until when it is closed (6). A rate
-- of keys ends with a blank, `n` and the number under which starts are counted. An alias has `g` instead: the task that has its gate. How many run is what
-- `active` says, so nothing is counted up or down. `closed` has the tasks and aliases whose gate has no room. These are not in `ready`,
-- and nothing wakes workers for them. Those that nothing but time keeps closed, because of their rate or a pause that ends by itself, are in
-- `opens`, by the time at which it opens.

local SETTINGS = { 'g', 'l', 'd', 'o', 'rd', 'ro', 'p', 'k', 'x' }
local OWN = { 'd', 'o', 'rd', 'ro', 'p', 'k' } -- without these and limits of single keys, there is no gate

local function by_field(values)
  local settings = {}
  for i, field in ipairs(SETTINGS) do settings[field] = values[i] end
  return settings
end

-- the name of the task that has the gate of this one, and its settings by field
local function read_settings(task)
  local values = call('HMGET', K.gate .. task, unpack(SETTINGS))
  if values[1] then
    task = values[1]
    values = call('HMGET', K.gate .. task, unpack(SETTINGS))
  end
  return task, by_field(values)
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

-- the key whose limit, rate or pause a field has; nothing for other fields
local function key_in(field)
  return match(field, '^[kqpux](.+)$')
end

-- What counts the starts of a key: the name, the rate, and the number that the name has; nothing without a rate. `declared` is what is
-- declared of each key, `own` what was set for this one.
local function counter_of(key, declared, own)
  local text, number = match(own or '', '^(.*) n(%d+)$')
  if not text then text, number = match(declared or '', ' (.*) n(%d+)$') end
  local its = rate.read(text)
  return its and { name = '\0' .. number .. '\0' .. key, rate = its, number = number } or nil
end

-- A setting that ends with a rate of keys, as it is stored. The number stays if the rate counts starts as that of `former` does.
local function numbered(text, rate_text, former)
  local is_alike = former and rate.is_alike(former.rate, rate.read(rate_text))
  return text .. ' n' .. (is_alike and former.number or digits(line.arrivals(1)))
end

-- The gate of a task or an alias, read once a call: its `name`, its `limit` and its `rate`, if it has one, whether it is paused, and until when
-- if that ends by itself (`pause_ends`, also when it has), what holds `per_key`, and the `lines` that share it. Nothing if it has none.
function gate.of(task)
  local known = S.gates or gathered('gates')
  if known[task] ~= nil then return known[task] or nil end
  local name, settings = read_settings(task)
  if known[name] == nil then
    local own = { name = name, limit = limit_in(settings.o) or limit_in(settings.d), rate = rate.of(settings) }
    local pause = pauses.read(settings.p, settings.x)
    if pause then own.is_paused, own.pause_ends = not pause.is_over, pause.ends end
    own.only_turns = settings.k and not match(settings.k, '^%d') and not find(settings.k, ' ', 1, true)
    own.per_key = settings.k and { max = limit_in(match(settings.k, '^%d+')), is_ordered = find(settings.k, '!', 1, true) ~= nil } or nil
    own.lines, own.declared, own.keys, own.fields = lines_of(name, settings.l), settings.k, {}, 0
    for _, value in pairs(settings) do own.fields = own.fields + (value and 1 or 0) end
    known[name] = (own.limit or own.rate or pause or own.per_key) and own
  end
  known[task] = known[name]
  return known[task] or nil
end

local function until_in(value)
  return value and #value == 6 and read('>I6', value) or 0
end

-- Whether a gate has settings of single keys; most have none.
function gate.has_single(own)
  if own.has_any == nil then own.has_any = call('HLEN', K.gate .. own.name) > own.fields end
  return own.has_any
end

-- whether nothing limits the keys of a gate, which only take turns
function gate.is_fair(own)
  return own.only_turns and not gate.has_single(own)
end

-- What holds for a key of a gate: whether it is paused, until when it is closed, its `limit`, and what counts its starts (`counter`), if it
-- has them.
function gate.key(own, key)
  local known = own.keys[key]
  if known then return known end
  -- a second key is a reason to ask
  local set = not (own.is_asked and not gate.has_single(own)) and call('HMGET', K.gate .. own.name, 'k' .. key, 'q' .. key, 'p' .. key, 'u' .. key, 'x' .. key) or {}
  known = own.per_key and {
    is_paused = pauses.holds(set[3], set[5]), closed_until = until_in(set[4]), limit = limit_in(set[1]) or own.per_key.max, counter = counter_of(key, own.declared, set[2]),
  } or { closed_until = 0 }
  own.keys[key], own.is_asked = known, true
  return known
end

-- Until when a key of a gate is closed (0: it is not), and when its pause ends by itself (0: it does not), also if its task has no limits by key
-- any more; then the name of the task that has the gate.
function gate.times_of(task, key)
  local closed, p, x, name = 'u' .. key, 'p' .. key, 'x' .. key, task
  local set = call('HMGET', K.gate .. task, closed, p, x, 'g')
  if set[4] then
    name = set[4]
    set = call('HMGET', K.gate .. name, closed, p, x)
  end
  local pause = pauses.read(set[2], set[3])
  return until_in(set[1]), pause and pause.ends or 0, name
end

-- `p` and `x` of the pause of a task, if it is paused. An alias has none.
function gate.pause_of(task)
  local set = call('HMGET', K.gate .. task, 'p', 'x', 'g')
  if set[3] or not pauses.holds(set[1], set[2]) then return nil end
  return set[1], set[2] or ''
end

-- Whether a key is paused, also if the gate has nothing else, and when that ends by itself.
function gate.pause_of_key(task, key)
  local set = call('HMGET', K.gate .. task, 'p' .. key, 'x' .. key, 'g')
  if set[3] then set = call('HMGET', K.gate .. set[3], 'p' .. key, 'x' .. key) end
  local pause = pauses.read(set[1], set[2])
  if not pause or pause.is_over then return false end
  return true, pause.ends
end

-- the settings of a gate, when its rate opens, how many run, what is declared of each key, and more about the pause; or the same of one key
-- (what is declared of it is in what is declared of each)
function gate.look(task, key)
  local name, settings = read_settings(task)
  local lines, opens = lines_of(name, settings.l), ''
  if key ~= '' then
    local set = call('HMGET', K.gate .. name, 'k' .. key, 'q' .. key, 'p' .. key, 'x' .. key)
    local at = lanes.opens(task, key)
    if at then opens = digits(at) end
    return {
      '', set[1] or '', '', match(set[2] or '', '^(.*) n%d+$') or '', opens, pauses.holds(set[3], set[4]) and set[3] or '',
      lanes.holders(lines, key), settings.k or '', set[4] or '',
    }
  end
  local own = gate.of(task)
  if own and own.rate then
    local left = rate.room(own)
    local wants = gate.wanted(own, task, left)
    if left < wants then opens = digits(rate.opens(own, wants)) end
  end
  return {
    settings.d or '', settings.o or '', settings.rd or '', settings.ro or '', opens,
    pauses.holds(settings.p, settings.x) and settings.p or '', gate.running(lines), settings.k or '', settings.x or '',
  }
end

-- Whether a task is closed although there is room, or the other way round, or opens at the wrong time.
function gate.is_wrong(task)
  local own = gate.of(task)
  local is_closed = call('SISMEMBER', K.closed, task) == 1
  local opens = tonumber(call('ZSCORE', K.opens, task) or '')
  if own then gate.room(own) end
  if not own or gate.is_open(own, task) then
    -- what time has opened, a worker will open
    return (is_closed or opens ~= nil) and not (is_closed and opens and opens <= now)
  end
  -- the next job costs more than is left, and no claim has met it yet
  if not is_closed and own.why == 'r' and own.left > 0 then return opens ~= nil end
  local at = gate.opens_at(own, task)
  -- another line of the gate may have a new first job. A time that is too early does no harm: the worker that it wakes sets it right
  if #own.lines > 1 and at and opens and opens < at then return not is_closed end
  return not is_closed or opens ~= at
end

-- The pause of an alias, or of a key of it, becomes that of this gate, unless it has its own or is over. Returns the gate's.
local function adopt_pause(name, alias, one)
  local p, x = 'p' .. one, 'x' .. one
  local own, theirs = call('HMGET', K.gate .. name, p, x), call('HMGET', K.gate .. alias, p, x)
  if not pauses.holds(own[1], own[2]) and pauses.holds(theirs[1], theirs[2]) then
    own = theirs
    call('HSET', K.gate .. name, p, theirs[1], x, theirs[2] or '')
    if not theirs[2] then call('HDEL', K.gate .. name, x) end
  end
  call('HDEL', K.gate .. alias, p, x)
  return own
end

-- A task becomes an alias of this gate: its limits, its rate and its pause stay, unless the gate has its own. Returns the aliases that
-- come with it, and the name of the gate that it had until now.
local function adopt(name, settings, alias)
  local key = K.gate .. alias
  local theirs = by_field(call('HMGET', key, unpack(SETTINGS)))
  local former = theirs.g
  if former and former ~= name then
    local kept = {}
    for _, one in ipairs(names_in(call('HGET', K.gate .. former, 'l'))) do
      if one ~= alias then kept[#kept + 1] = one .. '\n' end
    end
    if #kept > 0 then call('HSET', K.gate .. former, 'l', concat(kept)) else call('HDEL', K.gate .. former, 'l') end
  end
  local all = call('HGETALL', key)
  for i = 1, #all, 2 do
    if key_in(all[i]) and not match(all[i], '^[px]') then
      call('HSETNX', K.gate .. name, all[i], all[i + 1])
      call('HDEL', key, all[i])
    end
  end
  for i = 1, #all, 2 do
    local one = match(all[i], '^p(.*)$')
    if one then
      local own = adopt_pause(name, alias, one)
      if one == '' then settings.p, settings.x = own[1], own[2] end
    end
  end
  if rate.of(theirs) then
    if rate.of(settings) then rate.forget(alias) else rate.move(alias, name) end
  end
  for _, field in ipairs(OWN) do
    if theirs[field] and field ~= 'p' then
      if not settings[field] then
        settings[field] = theirs[field]
        call('HSET', K.gate .. name, field, theirs[field])
      end
      call('HDEL', key, field)
    end
  end
  if theirs.l then call('HDEL', key, 'l') end
  return names_in(theirs.l), former
end

-- What the fields of a pause become if these values are set for it (empty: none), and what it was: empty if none held. The first pause stays, and
-- ends when the later of both does.
local function pause_fields(key, p, changes)
  local x = 'x' .. sub(p, 2)
  local old = call('HMGET', key, p, x)
  local holds = pauses.holds(old[1], old[2])
  if changes[p] == '' then
    changes[x] = ''
  elseif holds then
    changes[p], changes[x] = old[1], pauses.joined(old[1], old[2], changes[p], changes[x])
  end
  return holds and old[1] or ''
end

-- Changes fields of a gate (their values; empty: none), which then has these aliases, too. One pause at most: `p` and `x`, of the task or of a
-- key. Returns the former values.
function gate.set(task, aliases, changes)
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
  if settings.p and not changes.p and not pauses.holds(settings.p, settings.x) then
    -- it has ended by itself
    call('HDEL', key, 'p', 'x')
    settings.p, settings.x = nil, nil
  end
  local before, old_rate, of_key, single, counters = {}, rate.of(settings), nil, call('HLEN', key), nil
  local of_keys = match(changes.k or '', ' (.*)$')
  if of_keys then changes.k = numbered(changes.k, of_keys, counter_of('', settings.k)) end
  for _, value in pairs(settings) do
    if value then single = single - 1 end
  end
  for field in pairs(changes) do
    if byte(field) == 112 then
      before[field] = pause_fields(key, field, changes)
      break
    end
  end
  for field, value in pairs(changes) do
    local one = key_in(field)
    local old = one and call('HGET', key, field) or settings[field] or ''
    before[field] = before[field] or old
    if byte(field) == 113 then
      local former = counter_of(one, settings.k, old)
      if value ~= '' then value = numbered(value, value, former) end
      changes[field] = value
      counters = { former, counter_of(one, settings.k, value) }
    end
    if one then
      of_key, single = one, single + (value ~= '' and 1 or 0) - (old ~= '' and 1 or 0)
    else
      settings[field] = value ~= '' and value or nil
    end
  end
  local is_gate = single > 0
  for _, field in ipairs(OWN) do is_gate = is_gate or settings[field] end
  if is_gate then
    -- what counts comes before what is bound
    if #lines > 1 then call('HSET', key, 'l', concat(lines, '\n', 2) .. '\n') end
    for _, alias in ipairs(joining) do call('HSET', K.gate .. alias, 'g', name) end
  end
  -- at once, because a pause without its end would not end
  local set, gone = {}, {}
  for field, value in pairs(changes) do
    if value ~= '' then set[#set + 1], set[#set + 2] = field, value else gone[#gone + 1] = field end
  end
  if #set > 0 then call('HSET', key, unpack(set)) end
  if #gone > 0 then call('HDEL', key, unpack(gone)) end
  if not is_gate then
    -- nothing is left of it
    for i = 2, #lines do
      local known = call('HGET', K.gate .. lines[i], 'g')
      if known == name or known and is_line[known] then call('HDEL', K.gate .. lines[i], 'g') end
    end
    call('HDEL', key, 'l', 'x')
  end
  if not rate.is_alike(old_rate, rate.of(settings)) then rate.forget(name) end
  if counters then rate.change(counters[1], counters[2]) end
  S.gates = nil
  for _, one in ipairs(lines) do
    gate.judge(one)
    if of_key then
      lanes.freed(one, of_key)
      gather.freed(one, gather.lane_of(of_key))
      line.leave_ready(one)
    end
    if changes.k or #joining > 0 then lanes.reopen(one, '-inf') end
  end
  for _, one in ipairs(judged) do
    gate.judge(one)
    lanes.reopen(one, '-inf')
  end
  return before
end
