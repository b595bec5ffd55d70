-- Shared by all commands: short names, the state of one call, and small helpers. `build` runs once per library, or once per call
-- if the server refuses functions, so nothing here depends on the call.
local call, try = redis.call, redis.pcall
local sub, byte, find, match, format = string.sub, string.byte, string.find, string.match, string.format
local pack, read, concat, floor = struct.pack, struct.unpack, table.concat, math.floor
local unpack = table.unpack or unpack

-- The state of this call: the keys of its namespace, its arguments, the server's time in milliseconds and in six bytes, what is
-- known about its namespace from earlier calls, and `S`, which has everything else.
local K, argv, now, now6, space, S

local ZERO4, ZERO6 = '\0\0\0\0', '\0\0\0\0\0\0'

-- calls `fn` for each page of at most 500 values, so that no `unpack` grows with the work
local function pages(list, fn)
  if #list <= 500 then
    if #list > 0 then fn(unpack(list)) end
    return
  end
  for first = 1, #list, 500 do
    fn(unpack(list, first, math.min(first + 499, #list)))
  end
end

-- the values of these fields of a hash, in order
local function fields_of(key, fields)
  if #fields <= 500 then return #fields > 0 and call('HMGET', key, unpack(fields)) or {} end
  local values = {}
  pages(fields, function(...)
    for _, value in ipairs(call('HMGET', key, ...)) do values[#values + 1] = value end
  end)
  return values
end

-- the scores of these members of a sorted set, in order
local function scores_of(key, members)
  if #members <= 500 then return #members > 0 and call('ZMSCORE', key, unpack(members)) or {} end
  local scores = {}
  pages(members, function(...)
    for _, score in ipairs(call('ZMSCORE', key, ...)) do scores[#scores + 1] = score end
  end)
  return scores
end

-- a whole number as text; cached for small ones, which are frequent
local DIGITS = {}
local function digits(number)
  if number > 15 then return format('%.0f', number) end
  local text = DIGITS[number]
  if not text then
    text = format('%.0f', number)
    DIGITS[number] = text
  end
  return text
end

local function u32(number)
  return pack('>I4', number)
end

-- numbers of six and four bytes at a position of a string; nothing if it is too short
local function u48_at(text, at)
  return #text >= at + 5 and read('>I6', text, at) or nil
end

local function u32_at(text, at)
  return #text >= at + 3 and read('>I4', text, at) or nil
end

-- a stored count below a limit; nothing if it is not one (`tonumber` would accept `nan`)
local function whole(text, below)
  local number = text and match(text, '^%d+$') and tonumber(text)
  return number and number < below and number or nil
end
local U32 = 4294967296

-- byte order, as in a sorted set; `<` would use the server's locale
local function is_before(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = byte(a, i), byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

-- a list in a map of lists, made at its first use
local function list_in(map, key)
  local list = map[key]
  if not list then
    list = {}
    map[key] = list
  end
  return list
end

-- a list in `S`
local function gathered(name)
  return list_in(S, name)
end
