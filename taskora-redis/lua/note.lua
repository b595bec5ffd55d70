#!lua flags=allow-oom
-- Keeps a handler's progress and log lines, while its lease is valid.
-- KEYS: the prefix of all keys
-- ARGV: test clock, repeat (1 if the outcome of a first try is unknown), lines to keep, then for each note: task,
--   `<id>:<token>`, id, progress (empty: none), number of lines, the lines
-- Returns: one character per note: 1 kept, 0 refused
--- @include "start"

local keep = tonumber(ARGV[3])

-- whether a log has these lines, one after the other, as far as it would have kept them
local function has(key, lines)
  local log, skip = call('LRANGE', key, -keep, -1), math.max(#lines - keep, 0)
  for first = #log - #lines + skip, 0, -1 do
    local line = skip + 1
    while line <= #lines and log[first + line - skip] == lines[line] do line = line + 1 end
    if line > #lines then return true end
  end
  return false
end

local answer, i = {}, 4
while i <= #ARGV do
  local task, member, id, progress, count = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], tonumber(ARGV[i + 4])
  if call('ZSCORE', K.active .. task, member) then
    answer[#answer + 1] = '1'
    if byte(id) == 42 then
      -- what belongs to a node goes with its workflow
      local flow, number = match(id, '^%*(.*)#(%d+)$')
      if progress ~= '' then call('HSET', K.wf .. flow, 'g' .. number, progress) end
      if count > 0 then call('SADD', K.noted .. flow, number) end
    -- an entry without progress says that there are lines
    elseif progress ~= '' then
      call('HSET', K.progress, id, progress)
    elseif count > 0 then
      call('HSETNX', K.progress, id, '')
    end
    local lines = {}
    for line = i + 5, i + 4 + count do lines[#lines + 1] = ARGV[line] end
    -- after a lost answer our own lines are there already
    if count > 0 and not (ARGV[2] == '1' and has(K.log .. id, lines)) then
      pages(lines, function(...) call('RPUSH', K.log .. id, ...) end)
      call('LTRIM', K.log .. id, -keep, -1)
    end
  else
    answer[#answer + 1] = '0'
  end
  i = i + 5 + count
end
return table.concat(answer)
