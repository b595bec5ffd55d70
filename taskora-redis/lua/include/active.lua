-- The active set of a task: `<id>:<token>` scored by the lease's deadline. The sentinel, 65 bytes long, makes
-- Redis use a skip list from the first member on; a small sorted set is otherwise a flat list with linear costs.
local SENTINEL = string.rep('~', 65)

-- the set goes with its last lease
local function tidy_active(task)
  local key = K.active .. task
  if call('ZCARD', key) == 1 then call('ZREM', key, SENTINEL) end
end
