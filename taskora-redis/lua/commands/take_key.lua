-- flags: allow-oom
-- A worker has found the key of a job that it has claimed, and that does not hold one.
-- Arguments: task; `<id>:<token>`; id; key
-- Returns: G the job may go, W it waits in the lane of its key, and the lease is over, S the lease is not valid
-- Events: wakes a worker if a job may go
function commands.take_key()
  local task, member, id, key = argv[A.task], argv[A.lease], argv[A.id], argv[A.key]
  if not call('ZSCORE', K.active .. task, member) then return 'S' end
  local own = gate.of(task)
  if not own or not own.per_key or call('HEXISTS', K.held, id) == 1 or call('HEXISTS', K.cancel, id) == 1 then return 'G' end
  local _, text = claim.stored(id)
  if not text or record.is_newer(text) or record.rule_of(text) then return 'G' end
  if record.key_of(text) then
    key = record.key_of(text)
  else
    text = record.with_key(text, key)
    if byte(id) == 42 then
      local flow, number = workflow.node_of(id)
      local node = call('HGET', K.wf .. flow, 'n' .. number)
      call('HSET', K.wf .. flow, 'n' .. number, sub(node, 1, 4 + read('>I4', node)) .. text)
    else
      call('HSET', K.jobs, id, text)
    end
  end
  if lanes.take(task, key, id) then return 'G' end
  local attempts, stalls, message = history.of(call('HGET', K.life, id))
  local deadline = expiry.of(id, text)
  if deadline then expiry.add(task, id, deadline) end
  expiry.write()
  line.to_back(task, id, text)
  call('HSET', K.life, id, history.of_leaving(tonumber(match(member, '(%d+)$')), attempts, stalls, message))
  S.left = { [task] = { member } }
  if call('EXISTS', K.closed) == 1 then gate.reopen(S.left) end
  active.leave(task, { member })
  active.tidy(task)
  events.add('l', task, id, ZERO6)
  return 'W'
end
