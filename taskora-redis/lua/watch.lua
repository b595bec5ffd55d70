#!lua flags=allow-oom
-- Answers how jobs and workflows have ended, and notes who waits for the others.
-- KEYS: the prefix of all keys
-- ARGV: test clock, tag of the process that waits, ids; of a workflow: `*<stored id>#`
-- Returns: for each id: its task and its end; an empty end if it has not ended; an empty task if it is unknown;
--   of a workflow: `w`, and its state as an end
--- @include "start"
--- @include "record"
--- @include "life"
--- @include "flow"

local tag = ARGV[2]
local answer = {}
for i = 3, #ARGV do
  local id = ARGV[i]
  local task, done = '', nil
  local watched = byte(id) == 42 and match(id, '^%*(.*)#$')
  if watched then
    local flow = flow_of(watched)
    if flow.left then task = 'w' end
    done = flow.ended and sub(flow.ended, 1, 1) .. ZERO4 .. ZERO4 .. ZERO6 .. sub(flow.ended, 2, 7)
  else
    local record
    record, done = job_of(id)
    if record then task = task_of(record) end
  end
  if task ~= '' and not done then
    local tags = call('HGET', K.waiters, id)
    if not tags then
      call('HSET', K.waiters, id, tag)
    elseif not find(' ' .. tags .. ' ', ' ' .. tag .. ' ', 1, true) then
      call('HSET', K.waiters, id, tags .. ' ' .. tag)
    end
  end
  answer[#answer + 1] = task
  answer[#answer + 1] = done or ''
end
return answer
