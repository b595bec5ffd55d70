-- Events are written while somebody listens: `ears` says to what, `events` is a stream with one entry for each command that had some.
-- `ears` is the time in `WINDOW`s in which somebody has listened last, the kinds of that time and of the one before (bits), and when
-- the stream was begun. The ids of the stream's entries are that time and a number that counts up, so a missing entry shows.
--
-- An entry is the time (6), then for each event: its kind (1), length (1) and task, length (1) and id, length (2) and the rest.
-- Kinds and their rest: `e` enqueued: due (6; 0 at once); `s` started: attempt (4); `p` progress: JSON; `c` completed: attempts (4); `r`
-- retrying: attempt (4), due (6), error; `f` failed: attempts (4), stalls (4; 0: it did not stall), error; `x` cancelled: reason; `t` expired;
-- `l` released: due (6); `k` rescued: stalls (4); `v` revived: due (6); `d` deleted; `w` a workflow started: nodes (4); `z` one ended: its state; `o`
-- paused: reason; `n` resumed; `u` a worker has come up; `y` one has shut down; `g` one is lost; `B` somebody began to listen to these kinds (4).
events.WINDOW = 30000
local KEPT = '10000' -- how many entries are kept
local LIFE = '3600000' -- how long the stream is kept after the last one has listened
local TEXT = 1024 -- the longest error or reason
local MOST = 4096 -- longer progress is not told
local BITS = {
  e = 1, s = 2, p = 4, c = 8, r = 16, f = 32, x = 64, t = 128, l = 256, k = 512, v = 1024, d = 2048, w = 4096, z = 8192, o = 16384,
  n = 32768, u = 65536, y = 131072, g = 262144,
}
local ALL = 524288 -- the first bit beyond them

local function has(kinds, bit)
  return floor(kinds / bit) % 2 == 1
end

-- the kinds that are in one of these sets and, with `but`, not in that one
local function join(one, other, but)
  local sum, bit = 0, 1
  while bit < ALL do
    if (has(one, bit) or has(other, bit)) and not (but and has(but, bit)) then sum = sum + bit end
    bit = bit * 2
  end
  return sum
end

-- the time in which somebody has listened last, the kinds of it and of the one before, and when the stream was begun
local function parse()
  local text = try('GET', K.ears)
  S.has_ears = text ~= false
  if type(text) ~= 'string' then return nil end
  local time, last, before, begun = match(text, '^(%d+) (%d+) (%d+) (%d+)$')
  return tonumber(time), tonumber(last), tonumber(before), begun
end

-- what somebody listens to now, if anybody does
local function heard()
  if S.heard ~= nil then return S.heard end
  local time, last, before, begun = parse()
  S.heard = false
  if time then
    local passed = floor(now / events.WINDOW) - time
    if passed <= 0 then S.heard = join(last, before) elseif passed == 1 then S.heard = last end
    S.begun = begun
  end
  return S.heard
end

-- whether there is a key that says who listens, perhaps to nothing any more
function events.has_ears()
  heard()
  return S.has_ears
end

function events.are_heard(kind)
  local kinds = heard()
  return kinds and has(kinds, BITS[kind])
end

local function put(kind, task, id, rest)
  local list = gathered('told')
  list[#list + 1] = kind .. pack('B', #task) .. task .. pack('B', #id) .. id .. pack('>I2', #rest) .. rest
end

-- Tells an event, if somebody listens to its kind. `one` and `other` are joined to what it says.
function events.add(kind, task, id, one, other)
  if not events.are_heard(kind) then return end
  local rest = one or ''
  if other then rest = rest .. sub(other, 1, TEXT) end
  if #rest <= MOST then put(kind, task, id, rest) end
end

-- The same of an end, in the form of lib/ends.lua.
function events.add_end(task, id, state, text)
  if state == 'C' then return events.add('c', task, id, sub(text, 2, 5)) end
  if state == 'F' then return events.add('f', task, id, sub(text, 2, 5) .. ZERO4, sub(text, 22)) end
  if state == 'S' then return events.add('f', task, id, sub(text, 2, 9)) end
  if state == 'X' then return events.add('x', task, id, nil, sub(text, 22)) end
  events.add('t', task, id)
end

-- when a job is due, in the form of an event
function events.due(at)
  return at > now and pack('>I6', at) or ZERO6
end

-- Writes what this command has told, unless the stream is gone: then the next one who listens begins another one.
function events.write()
  local text = now6 .. concat(S.told)
  S.told = nil
  try('XADD', K.events, 'NOMKSTREAM', 'MAXLEN', '~', KEPT, S.begun .. '-*', 'e', text)
  try('PUBLISH', K.told, '1')
end

-- This command has failed after it may have changed something.
function events.lose()
  if not heard() then return end
  S.told = nil
  put('B', '', '', u32(ALL - 1))
  events.write()
end

-- Somebody listens to these kinds. Returns the id of the last entry.
function events.hear(kinds)
  local known = heard() or 0
  local time, last, before = parse()
  local this = floor(now / events.WINDOW)
  local passed = time and this - time or 2
  if passed <= 0 then kinds, this = join(kinds, last), time
  elseif passed == 1 then before = last
  else before = 0 end
  local newest = call('XREVRANGE', K.events, '+', '-', 'COUNT', '1')[1]
  -- a stream has one beginning, whatever becomes of `ears`
  local begun = newest and match(newest[1], '^(%d+)%-') or digits(now)
  call('SET', K.ears, digits(this) .. ' ' .. digits(kinds) .. ' ' .. digits(before) .. ' ' .. begun, 'PX', digits(2 * events.WINDOW))
  S.begun = begun
  local fresh = newest and join(kinds, 0, known) or ALL - 1
  local id = newest and newest[1]
  if fresh > 0 then
    put('B', '', '', u32(fresh))
    id = call('XADD', K.events, 'MAXLEN', '~', KEPT, begun .. '-*', 'e', now6 .. concat(S.told))
    S.told = nil
  end
  call('PEXPIRE', K.events, LIFE)
  return id
end
