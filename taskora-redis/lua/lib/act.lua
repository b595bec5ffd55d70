-- What operators do with single jobs. If something cannot be done, the answer says why: `N` the job is unknown, `W` and the stored id
-- of a workflow, of which it is a node; `?` a later version's; or its state: `w` waiting, `d` delayed, `r` retrying, `a` active, or the
-- letter of its end. `T`: the id of a job that was to replace it is known.

-- the letter of an unfinished job's state, its place, and the time of a delayed one
function act.state_of(task, id, text)
  local past = call('HGET', K.life, id)
  local place, at = active.place_of(task, id, text, past)
  local letter = sub(place, 1, 1)
  if place == 'behind' then letter = 'w' end
  if place == 'delayed' and history.of(past) > 0 then letter = 'r' end
  return letter, place, at
end

-- Why nothing can be done with this job in its state; then, unless it is unknown or unreadable, its task, record, and end, or place with
-- the time of a delayed one.
-- With `takes_nodes`, a node is a job like any other.
function act.on(id, takes_nodes)
  local flow = not takes_nodes and byte(id) == 42 and workflow.node_of(id)
  local text, done = workflow.job_of(id)
  if not text then return 'N' end
  if flow then return 'W' .. flow end
  if not record.is_readable(text) or record.is_newer(text) then return '?' end
  local task = record.task_of(text)
  if done then return sub(done, 1, 1), task, text, done end
  local letter, place, at = act.state_of(task, id, text)
  return letter, task, text, nil, place, at
end
