-- The waiting line of a task: a list for priority 0, a sorted set for the others, both ordered by sequence number.
-- Numbers of arrivals grow from `BASE`, those of returned jobs fall from it, so that these go first.
local BASE = 2199023255552 -- 2^41
local BAND = 4398046511104 -- 2^42: one priority's share of the scores; 1,000 of them are exact in a double

-- leaves a marker that wakes one worker; false if there is one
local function wake(task)
  local key = K.wake .. task
  return call('EXISTS', key) == 0 and call('LPUSH', key, '1')
end
