-- Fencing tokens. A job's claims count on from its first token. Ids that we made never come again, so theirs is 1. An own id
-- (`=`), or a node of a workflow with one (`*=`), may come again once it was trimmed: its tokens begin where no earlier job of
-- this id has had any, by when it was created. `text` holds that time, at this place. Exact until the year 2248.
local TOKENS = 1024 -- for each millisecond; no job is claimed more often

local function is_own(id)
  return byte(id) == 61 or byte(id) == 42 and byte(id, 2) == 61
end

local function first_token(id, text, at)
  if is_own(id) then return struct.unpack('>I6', text, at) * TOKENS + 1 end
  return 1
end
