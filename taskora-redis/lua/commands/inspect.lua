-- flags: no-writes
-- What is known about a job.
-- Arguments: id
-- Returns: nothing if it is unknown, else: record (for a node: its `n`), history, end without a result, progress (each empty if
--   there is none), place of an unfinished job, due time of a delayed job, the id of the job that it waits behind, or why a waiting
--   one cannot be claimed (`p` paused, `l` limit, `k` and the key whose limit it is, `g` it gathers), for a node its workflow's head
function commands.inspect()
  local id = argv[A.id]
  local text, done, flow, number = workflow.job_of(id)
  if not text then return {} end
  local past, place, at = call('HGET', K.life, id), nil, nil
  if done then
    if byte(done) == 67 then done = sub(done, 1, 21) end
  elseif record.is_readable(text) then
    place, at = active.place_of(record.task_of(text), id, text, past)
    if place == 'waiting' then
      local task = record.task_of(text)
      local key = call('HGET', K.laned .. task, id)
      at = gate.why(task) or key and lanes.why(task, key)
    end
    if place == 'behind' then at = keyed.front_of(id, call('HGET', K.keyed, id)) end
    at = place == 'delayed' and digits(math.min(math.max(tonumber(at), 0), 281474976710655)) or at
  end
  local progress
  if flow then
    text, progress = unpack(call('HMGET', flow.key, 'n' .. number, 'g' .. number))
  else
    progress = call('HGET', K.progress, id)
  end
  return { text, past or '', done or '', progress or '', place or '', at or '', flow and workflow.head_of(flow) or '' }
end
