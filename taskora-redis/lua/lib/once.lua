-- Keys that stand for a job of a task, or for a workflow, for a limited time: until (6), fingerprint of the payload (8), id.
-- Their names are `j`, task, a zero byte and the key for jobs, `w` and the key for workflows. The server drops them; the time in
-- the value decides.

-- What a key stands for, and whether it has this fingerprint; nothing if the key is free.
function once.holder(name, fingerprint)
  local value = try('GET', K.idem .. name)
  if type(value) == 'table' then
    -- a key of the wrong type must not block anything
    call('RENAME', K.idem .. name, K.aside .. sub(K.idem .. name, #K.aside - 5))
    return nil
  end
  if not value or #value < 15 or read('>I6', value) <= now then return nil end
  return sub(value, 15), sub(value, 7, 14) == fingerprint
end

function once.hold(name, life, fingerprint, id)
  call('SET', K.idem .. name, pack('>I6', expiry.sum(now, life)) .. fingerprint .. id, 'PX', digits(life))
end

-- the key stands for another job from now on
function once.pass_on(name, from, to)
  local value = try('GET', K.idem .. name)
  if type(value) == 'string' and sub(value, 15) == from then call('SET', K.idem .. name, sub(value, 1, 14) .. to, 'KEEPTTL') end
end

-- frees the key of a job or workflow that has ended without completing
function once.free(name, id)
  local value = try('GET', K.idem .. name)
  if type(value) == 'string' and sub(value, 15) == id then call('DEL', K.idem .. name) end
end
