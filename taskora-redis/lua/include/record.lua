-- A job's record: version, created (6), flags, priority (2), max stalls, max attempts (2), task length, task, the rest.
local function task_of(record)
  return sub(record, 15, 14 + byte(record, 14))
end

local function priority_of(record)
  local high, low = byte(record, 9, 10)
  local value = high * 256 + low
  if value >= 32768 then return value - 65536 end
  return value
end
