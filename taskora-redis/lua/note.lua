#!lua flags=allow-oom
-- Keeps a handler's progress and log lines, while its lease is valid.
-- KEYS: the prefix of all keys
-- ARGV: test clock, lines to keep, then for each note: task, `<id>:<token>`, id, progress (empty: none), number of
--   lines, the lines
-- Returns: one character per note: 1 kept, 0 refused
--- @include "start"

local keep = tonumber(ARGV[2])
local answer, i = {}, 3
while i <= #ARGV do
  local task, member, id, progress, count = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], tonumber(ARGV[i + 4])
  if call('ZSCORE', K.active .. task, member) then
    answer[#answer + 1] = '1'
    -- an entry without progress says that there are lines
    if progress ~= '' then
      call('HSET', K.progress, id, progress)
    elseif count > 0 then
      call('HSETNX', K.progress, id, '')
    end
    local lines = {}
    for line = i + 5, i + 4 + count do lines[#lines + 1] = ARGV[line] end
    pages(lines, function(...) call('RPUSH', K.log .. id, ...) end)
    if count > 0 then call('LTRIM', K.log .. id, -keep, -1) end
  else
    answer[#answer + 1] = '0'
  end
  i = i + 5 + count
end
return table.concat(answer)
