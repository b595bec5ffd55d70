-- Reads the jobs of a page, and applies the filters of a search.

-- an id as users know it
local function shown(id)
  local kind = byte(id)
  if kind == 61 then return sub(id, 2) end
  if kind == 42 then
    local flow, number = workflow.node_of(id)
    return flow and shown(flow) .. '#' .. number or ''
  end
  local hex = string.gsub(id, '.', function(letter) return format('%02x', byte(letter)) end)
  return (string.gsub(hex, '^(%x%x%x%x%x%x%x%x)(%x%x%x%x)(%x%x%x%x)(%x%x%x%x)(.*)$', '%1-%2-%3-%4-%5'))
end

local function has(text, wanted)
  return find(text, wanted, 1, true) ~= nil
end

-- why a job that waits cannot be claimed, as `inspect` says it
local function why(page, part, id)
  if part == 2 then return keyed.front_of(id, call('HGET', K.keyed, id)) end
  local task, known = page.task, page.why
  if known.task == nil then known.task = gate.why(task) or false end
  if known.task or part == 0 then return known.task end
  local key = call('HGET', K.laned .. task, id)
  if not key then return nil end
  if known[key] == nil then known[key] = lanes.why(task, key) or false end
  return known[key]
end

-- a record, or the `n` of a node, without the payload
local function without_payload(text, own)
  return sub(text, 1, #text - #own) .. sub(own, 1, record.payload_at(own) - 1)
end

-- Reads the records, heads and histories of these entries, and which of them are tombstones. `page` has the task and the state, and keeps
-- what later entries need again.
function listing.read(page, part, found)
  local ids = {}
  for i, entry in ipairs(found) do ids[i] = entry.id or '' end
  local texts, heads = workflow.stored_of(ids)
  if page.has_life == nil then page.has_life = call('EXISTS', K.life) == 1 end
  local lives = page.has_life and fields_of(K.life, ids) or {}
  local marks = {}
  if page.state == 'waiting' and part == 0 then
    if page.has_marks == nil then page.has_marks = call('EXISTS', K.tombstones .. page.task) == 1 end
    if page.has_marks and #ids > 0 then marks = call('SMISMEMBER', K.tombstones .. page.task, unpack(ids)) end
  end
  return { texts = texts, heads = heads, lives = lives, marks = marks }
end

-- The job of the entry at this index if it is one and is looked for, as `inspect` describes it: first its id, and last whether a later
-- version wrote it. Then how many bytes were looked at.
function listing.job(page, part, entry, stored, i)
  local id, text, head, past = entry.id, stored.texts[i], stored.heads[i], stored.lives[i]
  local bytes = #(text or '') + #(head or '') + #(past or '')
  -- a tombstone is an entry of the list; its job may have another place, since it was replaced or revived
  if not id or not text or stored.marks[i] == 1 and entry.is_listed then return nil, bytes end
  local is_node, state, wanted = byte(id) == 42, page.state, page.wanted
  local own = not is_node and text or workflow.record_in(text)
  local is_newer = is_node and workflow.is_newer_node(text) or own and record.is_newer(own) or false
  if is_node then
    local flow = workflow.of((workflow.node_of(id)))
    is_newer = is_newer or workflow.is_newer(flow)
    if not is_newer and not head then return nil, bytes end
  end
  if not is_newer and not (own and record.is_readable(own)) then return nil, bytes end
  if own and record.is_readable(own) and record.task_of(own) ~= page.task then return nil, bytes end
  local attempts, _, message = history.of(past)
  if (state == 'delayed' or state == 'retrying') and (attempts > 0) ~= (state == 'retrying') then return nil, bytes end
  if wanted.prefix and sub(shown(id), 1, #wanted.prefix) ~= wanted.prefix then return nil, bytes end

  local done = ''
  if page.is_ended then
    done = call('HGET', K.done, id) or ''
    bytes = bytes + #done
    if done == '' then return nil, bytes end
    -- the message of one that stalled is not stored
    message = byte(done) ~= 83 and sub(done, 22)
    if byte(done) == 67 then done = sub(done, 1, 21) end
  end
  if wanted.message and not (page.is_ended and byte(done) == 83) and not (message and has(message, wanted.message)) then return nil, bytes end
  if wanted.payload or #wanted.meta > 0 then
    if is_newer then return nil, bytes end
    local at = record.payload_at(own)
    local about = head or sub(own, 1, at - 1)
    for _, one in ipairs(wanted.meta) do
      if not has(about, one) then return nil, bytes end
    end
    if wanted.payload then
      local payload = sub(own, at)
      if record.has_payload_aside(own) then
        local key, field = K.blobs, id
        if is_node then
          local flow, number = workflow.node_of(id)
          key, field = K.wf .. flow, 'b' .. number
        end
        payload = call('HGET', key, field) or ''
        bytes = bytes + #payload
      end
      if not has(payload, wanted.payload) then return nil, bytes end
    end
  end

  local progress
  if page.has_progress == nil then page.has_progress = call('EXISTS', K.progress) == 1 end
  if is_node then
    local flow, number = workflow.node_of(id)
    progress = call('HGET', K.wf .. flow, 'g' .. number)
  elseif page.has_progress then
    progress = call('HGET', K.progress, id)
  end
  local place, at = '', ''
  if state == 'waiting' then
    place, at = part == 2 and 'behind' or 'waiting', why(page, part, id)
  elseif state == 'active' then
    place = 'active'
  elseif not page.is_ended then
    place, at = 'delayed', digits(math.min(math.max(entry.number, 0), 281474976710655))
  end
  text = is_newer and sub(own or '', 1, R.name_length - 1) or without_payload(text, own)
  return { id, text, past or '', done, progress or '', place, at or '', head or '', is_newer and 1 or 0 }, bytes + #(progress or '')
end
