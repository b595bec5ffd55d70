-- What a job has behind it that left `active` without ending: claims, attempts, stalls (4 each), and `1` with the last
-- error, or `0`. A job without an entry has nothing behind it.
local ZERO4, ZERO6 = '\0\0\0\0', '\0\0\0\0\0\0'

local function life_of(value)
  if not value then return 0, 0, 0, false end
  local claims, attempts, stalls, has_error = struct.unpack('>I4I4I4B', value)
  return claims, attempts, stalls, has_error == 1 and sub(value, 14)
end

local function live_on(id, claims, attempts, stalls, message)
  local head = struct.pack('>I4I4I4', claims, attempts, stalls)
  call('HSET', K.life, id, head .. (message and '\1' .. message or '\0'))
end

local function u32(number)
  return struct.pack('>I4', number)
end
