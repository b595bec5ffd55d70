-- Jobs that were stored under keys. `uniq` has the owner of a key: when the key was last free (6), and the owner's id. Its fields
-- begin with `u` for keys of one unfinished job and with `d` for debounced ones, then task, a zero byte and the key. `keyed` has
-- a job's relation to keys until it has ended: its role, another job's id with its length (1), and the field. Roles: `u` it was
-- stored as the owner, and the other job waits for its end; `d` the same for a debounced key, without another job; `b` it waits
-- behind the other job; `m` the same, and after that id follow the length (1) and the id of a job that waits behind it in turn;
-- `i` the field names an idempotency key (see lib/once.lua), which is freed if the job ends without completing. Runs of a schedule
-- that wait for each other have a field of this kind, with an empty task and the schedule's name.
local OF_SCHEDULE = 'u\0'

-- role, the other job's id, field, and the id of the job behind this one; nothing if it cannot be read
function keyed.split(value)
  local role, length = byte(value or '', 1, 2)
  if not length or #value < length + 4 then return nil end
  role = match(sub(value, 1, 1), '[udbmi]')
  local other, rest = sub(value, 3, 2 + length), sub(value, 3 + length)
  if role ~= 'm' then return role, other, rest, role == 'u' and other ~= '' and other or nil end
  local next_length = byte(rest)
  if #rest < next_length + 3 then return nil end
  return role, other, sub(rest, 2 + next_length), sub(rest, 2, 1 + next_length)
end

local function pack_role(role, other, field)
  return role .. pack('B', #other) .. other .. field
end

-- of a job that waits behind another one, and has one behind it or not
local function pack_waiting(front, next_id, field)
  if not next_id then return pack_role('b', front, field) end
  return pack_role('m', front, pack('B', #next_id) .. next_id .. field)
end

-- whether a job waits behind another one
function keyed.waits(role)
  return role == 'b' or role == 'm'
end

-- The owner of a key, if it has not ended: its id, record, and when the key was last free. With `for_dispatch`, a key that a failed
-- call has left to an ended job is freed, so that the job behind that one has it first. `value` is what `uniq` has, if that is known.
function keyed.owner(field, for_dispatch, value)
  if value == nil then value = call('HGET', K.uniq, field) end
  if not value or #value < 7 then return nil end
  local id = sub(value, 7)
  local _, _, owned = keyed.split(call('HGET', K.keyed, id))
  if owned ~= field then return nil end
  if workflow.end_of(id) then
    if not for_dispatch then return nil end
    keyed.release({ id })
    return keyed.owner(field)
  end
  local text = claim.stored(id)
  if not text then return nil end
  return id, text, read('>I6', value)
end

-- A job that will be stored owns this key; `keyed.write` must run before that.
function keyed.own(id, field)
  local owners, roles = gathered('owners'), gathered('roles')
  owners[#owners + 1], owners[#owners + 2] = field, now6 .. id
  roles[#roles + 1], roles[#roles + 2] = id, pack_role(sub(field, 1, 1), '', field)
end

function keyed.write()
  pages(S.owners or {}, function(...) call('HSET', K.uniq, ...) end)
  pages(S.roles or {}, function(...) call('HSET', K.keyed, ...) end)
  S.owners, S.roles = nil, nil
end

-- The job that waits for this one to end, and the one behind that; nothing if there is none, or if a failed call did not store it.
function keyed.follower(id)
  local _, _, _, next_id = keyed.split(call('HGET', K.keyed, id))
  if not next_id then return nil end
  local role, front, _, last = keyed.split(call('HGET', K.keyed, next_id))
  if not keyed.waits(role) or front ~= id or call('HEXISTS', K.jobs, next_id) == 0 then return nil end
  return next_id, last
end

-- Puts a job behind another one; call it before the job is stored.
function keyed.put_behind(task, id, front)
  local _, _, field = keyed.split(call('HGET', K.keyed, front))
  call('HSET', K.keyed, id, pack_role('b', front, field))
  call('HSET', K.keyed, front, pack_role('u', id, field))
  call('ZADD', K.behind .. task, digits(now), id)
end

-- Puts a run of a schedule behind its last one, which may itself wait; call it before the job is stored. Returns false if that one
-- has a key of its dispatch.
function keyed.put_run_behind(task, id, front, schedule)
  local role, other, field = keyed.split(call('HGET', K.keyed, front))
  if role and sub(field, 1, 2) ~= OF_SCHEDULE then return false end
  field = role and field or OF_SCHEDULE .. schedule
  local value = keyed.waits(role) and pack_waiting(other, id, field) or pack_role('u', id, field)
  local next_id, last = keyed.follower(front)
  -- a schedule that was put back: what waits for that run waits for this one now
  if next_id then call('HSET', K.keyed, next_id, pack_waiting(id, last, field)) end
  call('HSET', K.keyed, id, pack_waiting(front, next_id, field))
  call('HSET', K.keyed, front, value)
  call('ZADD', K.behind .. task, digits(now), id)
  -- the other run may be one of another task
  call('SADD', K.tasks, task)
  return true
end

-- the job that this one waits behind, if that job refers to it; `value` is this job's entry in `keyed`
function keyed.front_of(id, value)
  local role, front = keyed.split(value)
  if not keyed.waits(role) then return nil end
  local _, _, _, next_id = keyed.split(call('HGET', K.keyed, front))
  return next_id == id and front or nil
end

-- The job behind one that has ended joins its line, before anything else. Returns whether it owns the key.
local function let_in(front, id, field, is_free)
  local role, known, _, next_id = keyed.split(call('HGET', K.keyed, id))
  if not keyed.waits(role) or known ~= front then return false end
  if workflow.end_of(id) then
    -- it has ended in the same call
    return next_id and let_in(id, next_id, field, is_free) or false
  end
  local text = call('HGET', K.jobs, id)
  if not text or not record.is_readable(text) then return false end
  local task = record.task_of(text)
  if not call('ZSCORE', K.behind .. task, id) then return false end
  line.to_back(task, id, text, true)
  if is_free then call('HSET', K.uniq, field, now6 .. id) end
  if is_free or next_id then
    call('HSET', K.keyed, id, pack_role('u', next_id or '', field))
  else
    call('HDEL', K.keyed, id)
  end
  call('ZREM', K.behind .. task, id)
  return is_free
end

-- A job that will be stored takes over the keys of another one, and its place behind a third one; what belongs to a schedule stays.
-- `is_due`: the new job goes into its line, where a debounced key is free. Returns whether it waits behind another job.
function keyed.hand_over(task, from, to, is_due)
  local value = call('HGET', K.keyed, from)
  local role, other, field, next_id = keyed.split(value)
  if not role or sub(field, 1, 2) == OF_SCHEDULE or role == 'd' and is_due then return false end
  if keyed.waits(role) and keyed.front_of(from, value) ~= other then return false end
  if role == 'i' then
    once.pass_on(field, from, to)
  elseif not keyed.waits(role) then
    local owner = call('HGET', K.uniq, field)
    if owner and sub(owner, 7) == from then call('HSET', K.uniq, field, sub(owner, 1, 6) .. to) end
  end
  if next_id then
    local behind, front, _, last = keyed.split(call('HGET', K.keyed, next_id))
    if keyed.waits(behind) and front == from then call('HSET', K.keyed, next_id, pack_waiting(to, last, field)) end
  end
  if keyed.waits(role) then
    local before, first = keyed.split(call('HGET', K.keyed, other))
    call('HSET', K.keyed, to, pack_waiting(other, next_id, field))
    call('HSET', K.keyed, other, keyed.waits(before) and pack_waiting(first, to, field) or pack_role('u', to, field))
    call('ZADD', K.behind .. task, digits(now), to)
  else
    call('HSET', K.keyed, to, role == 'i' and value or pack_role(role, other, field))
  end
  call('HDEL', K.keyed, from)
  return keyed.waits(role)
end

-- A job that waited behind another one has ended: the one behind it waits for that one now.
local function close_ranks(id)
  local _, front, field, next_id = keyed.split(call('HGET', K.keyed, id))
  local role, other, _, known = keyed.split(call('HGET', K.keyed, front))
  local behind, before, _, last = keyed.split(call('HGET', K.keyed, next_id))
  if known ~= id or not keyed.waits(behind) or before ~= id then return end
  call('HSET', K.keyed, next_id, pack_waiting(front, last, field))
  call('HSET', K.keyed, front, keyed.waits(role) and pack_waiting(other, next_id, field) or pack_role('u', next_id, field))
end

-- A run that waited behind another one has ended: if it was the schedule's last one, that one is now.
local function step_back(id)
  local role, front, field = keyed.split(call('HGET', K.keyed, id))
  if keyed.waits(role) and sub(field, 1, 2) == OF_SCHEDULE then schedules.step_back(sub(field, 3), id, front) end
end

-- Frees the keys of jobs that nobody waits for: ids, and the fields of their keys.
local function free_all(ids, fields)
  local owned = {}
  for i, owner in ipairs(fields_of(K.uniq, fields)) do
    if owner and sub(owner, 7) == ids[i] then owned[#owned + 1] = fields[i] end
  end
  pages(owned, function(...) call('HDEL', K.uniq, ...) end)
  pages(ids, function(...) call('HDEL', K.keyed, ...) end)
end

-- the same for one job of another kind
local function free(id, role, field, state)
  if role == 'i' then
    if (state or sub(workflow.end_of(id) or 'X', 1, 1)) ~= 'C' then once.free(field, id) end
  elseif keyed.waits(role) then
    step_back(id)
    if role == 'm' then close_ranks(id) end
  elseif role then
    -- another job of this call may have changed it
    local _, other = keyed.split(call('HGET', K.keyed, id))
    local owner = call('HGET', K.uniq, field)
    local owned_by, is_owned = owner and sub(owner, 7), false
    local is_own = owned_by == id
    -- a failed call may have made the other one the owner already
    if other ~= '' then is_owned = let_in(id, other, field, is_own or not owner or owned_by == other) end
    if is_own and not is_owned then call('HDEL', K.uniq, field) end
  end
  call('HDEL', K.keyed, id)
end

-- These jobs have ended (in `states`, if given). With `wanted`, only jobs with that role give up their keys.
function keyed.release(ids, wanted, states)
  local alone, fields, others = {}, {}, {}
  for i, value in ipairs(fields_of(K.keyed, ids)) do
    local role, other, field = keyed.split(value)
    if value and (not wanted or role == wanted) then
      if (role == 'u' or role == 'd') and other == '' then
        alone[#alone + 1], fields[#fields + 1] = ids[i], field
      else
        others[#others + 1] = { ids[i], role, field, states and states[i] }
      end
    end
  end
  if #alone > 0 then free_all(alone, fields) end
  for _, job in ipairs(others) do free(unpack(job)) end
end
