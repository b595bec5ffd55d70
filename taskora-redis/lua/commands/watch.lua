-- flags: allow-oom
-- Returns how jobs and workflows have ended, and registers the caller as a waiter for the others. A workflow past its deadline
-- ends.
-- Arguments: tag of the waiting process; how many of the ids, the first ones, it watches; ids; for a workflow: `*<stored id>#`
-- Returns: for each id: its task and its end; an empty end if it has not ended; an empty task if it is unknown; `~` if a later
--   version wrote it; for a workflow: `w`, and its state as an end, or `+` and the milliseconds to its deadline if it has one;
--   then for each watched job the letter of its state (see lib/act.lua) and its progress, each empty if it has ended or there is none
function commands.watch()
  local answer, news, watches = {}, {}, tonumber(argv[A.watches])
  for i = A.ids, #argv do
    local id = argv[i]
    local task, done, wait, text, flow, number = '', nil, nil, nil, nil, nil
    local watched = byte(id) == 42 and match(id, '^%*(.*)#$')
    if watched then
      flow = workflow.of(watched)
      if workflow.is_newer(flow) then
        task, done = 'w', '~'
      elseif flow.left then
        task = 'w'
        workflow.expire_if_late(flow)
        if S.ended then ends.write(true) end
        local deadline = not flow.ended and workflow.head_of(flow) and read('>I6', flow.head, 8) or 0
        if deadline > 0 then wait = '+' .. digits(deadline - now) end
      end
      done = done or flow.ended and sub(flow.ended, 1, 1) .. ZERO4 .. ZERO4 .. ZERO6 .. sub(flow.ended, 2, 7)
    else
      text, done, flow, number = workflow.job_of(id)
      if text then task = record.is_readable(text) and record.task_of(text) or '?' end
      if text and not done and record.is_newer(text) then done = '~' end
    end
    local is_watched = i < A.ids + watches
    if task ~= '' and not done then waiters.add(id, argv[A.tag], is_watched) end
    if is_watched then
      local letter, progress = '', nil
      if text and not done and task ~= '?' then
        letter = act.state_of(task, id, text)
        progress = flow and call('HGET', flow.key, 'g' .. number) or not flow and call('HGET', K.progress, id)
      end
      news[#news + 1] = letter
      news[#news + 1] = progress or ''
    end
    answer[#answer + 1] = task
    answer[#answer + 1] = done or wait or ''
  end
  for _, value in ipairs(news) do answer[#answer + 1] = value end
  return answer
end
