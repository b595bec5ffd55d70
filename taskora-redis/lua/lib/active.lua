-- The active set of a task: `<id>:<token>` scored by the lease's deadline. The sentinel, 65 bytes long, makes
-- Redis use a skip list from the first member on; a small sorted set is otherwise a flat list with linear costs.
active.SENTINEL = string.rep('~', 65)

-- Removes leases from the active set. This is the only way to leave it, and the last write of a transition: after an error before
-- it, the job is still here, so it is never in no place.
function active.leave(task, members)
  pages(members, function(...) call('ZREM', K.active .. task, ...) end)
end

-- the sentinel is removed with the last lease
function active.tidy(task)
  local key = K.active .. task
  if call('ZCARD', key) == 1 then call('ZREM', key, active.SENTINEL) end
end

-- `leases`: per task, deadlines and members, alternating, after the sentinel
function active.enter(leases)
  for task, list in pairs(leases) do
    pages(list, function(...) call('ZADD', K.active .. task, 'NX', ...) end)
  end
end

-- the lease of a job, if it has one
function active.find(task, id, dated, last)
  local candidates = tokens.candidates(id, dated, last)
  for i, score in ipairs(call('ZMSCORE', K.active .. task, unpack(candidates))) do
    if score then return candidates[i] end
  end
end

-- Where an unfinished job is: `active`, `delayed` (with its time), `behind` or `waiting`.
function active.place_of(task, id, text, past)
  local dated = text
  if byte(id) == 42 then dated = workflow.head_of(workflow.of((workflow.node_of(id)))) end
  local _, _, _, last = history.of(past)
  if active.find(task, id, dated, last) then return 'active' end
  local at = call('ZSCORE', K.delayed .. task, id)
  if at then return 'delayed', at end
  if call('ZSCORE', K.behind .. task, id) then return 'behind' end
  return 'waiting'
end
