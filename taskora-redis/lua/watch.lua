#!lua flags=allow-oom
-- Answers how jobs have ended, and notes who waits for the others.
-- KEYS: the prefix of all keys
-- ARGV: test clock, tag of the process that waits, ids
-- Returns: for each id: its task and its end; an empty end if it has not ended; an empty task if it is unknown
--- @include "start"
--- @include "record"

local tag = ARGV[2]
local answer = {}
for i = 3, #ARGV do
  local id = ARGV[i]
  local record = call('HGET', K.jobs, id)
  local done = record and call('HGET', K.done, id)
  if record and not done then
    local tags = call('HGET', K.waiters, id)
    if not tags then
      call('HSET', K.waiters, id, tag)
    elseif not find(' ' .. tags .. ' ', ' ' .. tag .. ' ', 1, true) then
      call('HSET', K.waiters, id, tags .. ' ' .. tag)
    end
  end
  answer[#answer + 1] = record and task_of(record) or ''
  answer[#answer + 1] = done or ''
end
return answer
