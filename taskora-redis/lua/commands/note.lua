-- flags: allow-oom
-- Stores a handler's progress and log lines, while its lease is valid.
-- Arguments: repeat (1 if the outcome of a first try is unknown); lines to keep; then for each note: task, `<id>:<token>`, id,
--   progress (empty: none), number of lines, the lines
-- Returns: one character per note: 1 kept, 0 refused

-- whether a log already has these lines, in this order, as far as it would have kept them
local function has(key, lines, keep)
  local log, skip = call('LRANGE', key, -keep, -1), math.max(#lines - keep, 0)
  for first = #log - #lines + skip, 0, -1 do
    local at = skip + 1
    while at <= #lines and log[first + at - skip] == lines[at] do at = at + 1 end
    if at > #lines then return true end
  end
  return false
end

function commands.note()
  local keep, again = tonumber(argv[A.keep]), argv[A.again] == '1'
  local answer, i = {}, A.notes
  while i <= #argv do
    local task, member, id, progress, count = argv[i], argv[i + 1], argv[i + 2], argv[i + 3], tonumber(argv[i + 4])
    if call('ZSCORE', K.active .. task, member) then
      answer[#answer + 1] = '1'
      if progress ~= '' then
        events.add('p', task, id, progress)
        waiters.add_news(task, id, 'a', progress)
      end
      if byte(id) == 42 then
        -- a node's data is removed with its workflow
        local flow, number = workflow.node_of(id)
        if progress ~= '' then call('HSET', K.wf .. flow, 'g' .. number, progress) end
        if count > 0 then call('SADD', K.noted .. flow, number) end
      -- an empty entry says that there are only log lines
      elseif progress ~= '' then
        call('HSET', K.progress, id, progress)
      elseif count > 0 then
        call('HSETNX', K.progress, id, '')
      end
      local lines = {}
      for at = i + 5, i + 4 + count do lines[#lines + 1] = argv[at] end
      -- after a lost answer, our own lines may already be there
      if count > 0 and not (again and has(K.log .. id, lines, keep)) then
        pages(lines, function(...) call('RPUSH', K.log .. id, ...) end)
        call('LTRIM', K.log .. id, -keep, -1)
      end
    else
      answer[#answer + 1] = '0'
    end
    i = i + 5 + count
  end
  return concat(answer)
end
