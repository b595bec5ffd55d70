-- What every script begins with: the prefix of all keys, and the server's clock in milliseconds.
-- ARGV[1] is `1` only for adapters that were built with a test clock; nobody else pays for reading its key.
local p = KEYS[1]
local call = redis.call
local sub, byte, find, match = string.sub, string.byte, string.find, string.match
local clock = call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
if ARGV[1] == '1' then
  now = now + tonumber(call('GET', K.clock) or 0)
end
local now6 = struct.pack('>I6', now)

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
