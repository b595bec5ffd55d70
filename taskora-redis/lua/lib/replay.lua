-- states, more, next due, when, lives, ids, base, next tick, batches; nothing if that cannot be read
local function read_saved(text)
  local ok, saved = pcall(cmsgpack.unpack, text)
  if not ok or type(saved) ~= 'table' or type(saved[6]) ~= 'table' then return nil end
  if type(saved[8]) ~= 'number' or type(saved[9]) ~= 'string' then return nil end
  for i, kind in ipairs({ 'string', 'number', 'number', 'number', 'string' }) do
    if type(saved[i]) ~= kind then return nil end
  end
  return saved
end

-- The answer to a repeated call: the same, except for jobs that are gone, and with cancellations since then. A call that comes
-- after the slot's next one (`saved` is false) is too late. A wake-up that this call may have taken is passed on.
function replay.answer(saved, settlements, claims)
  if claims then
    for _, found in ipairs((caller.first_of(K.ready))) do line.wake(found[1]) end
    if caller.has(schedules.SELF) and call('EXISTS', K.schednext) == 1 then line.wake(schedules.SELF) end
  end
  saved = saved and read_saved(saved)
  if not saved then return { string.rep('-', settlements), 0, -1, now, '', '', 1, -1, '' } end
  local ids, lives, kept, flags, batches = saved[6], saved[5], {}, {}, {}
  local function from_now(wait)
    return wait < 0 and wait or math.max(wait - (now - saved[4]), 0)
  end
  local reply = { saved[1], saved[2], from_now(saved[3]), saved[4], '', '', saved[7], from_now(saved[8]), '' }
  local texts, heads = workflow.stored_of(ids)
  for i, id in ipairs(ids) do
    local text, is_node = texts[i], byte(id) == 42
    local dated = text and (is_node and heads[i] or not is_node and text)
    -- a later job with the same id is a different one
    if dated and #dated > 6 and read('>I6', dated, 2) <= saved[4] then
      local held = call('HGET', K.held, id)
      flags[#flags + 1] = call('HEXISTS', K.cancel, id) + (held and not gather.is_lane(held) and 2 or 0)
      kept[#kept + 1] = sub(lives, 12 * i - 11, 12 * i)
      batches[#batches + 1] = sub(saved[9], 2 * i - 1, 2 * i)
      reply[#reply + 1] = id
      reply[#reply + 1] = text
      if is_node then reply[#reply + 1], reply[#reply + 2] = dated, '' end
    end
  end
  reply[5], reply[6], reply[9] = concat(flags), concat(kept), concat(batches)
  return reply
end
