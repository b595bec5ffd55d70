-- What a job has behind it that left `active` without ending: its last token (8), attempts and stalls (4 each), and `1` with
-- the last error, or `0`. A job without an entry has nothing behind it.
local ZERO4, ZERO6 = '\0\0\0\0', '\0\0\0\0\0\0'

local function life_of(value)
  if not value then return 0, 0, false end
  local _, attempts, stalls, has_error = struct.unpack('>I8I4I4B', value)
  return attempts, stalls, has_error == 1 and sub(value, 18)
end

local function live_on(id, token, attempts, stalls, message)
  local head = struct.pack('>I8I4I4', token, attempts, stalls)
  call('HSET', K.life, id, head .. (message and '\1' .. message or '\0'))
end

local function u32(number)
  return struct.pack('>I4', number)
end
