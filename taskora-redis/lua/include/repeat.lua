-- The answer to a call that was made before: the same, as far as its jobs are there, and who was cancelled since.
-- A call that comes after the slot's next one (`saved` is false) is too late. A wake-up that this call may have taken is for
-- somebody else.
local function answer_again(saved)
  if argv[8] ~= '-1' then
    for _, task in ipairs(own_ready()) do wake(task) end
  end
  if not saved then
    return { string.rep('-', math.floor((#argv - 11 - tonumber(argv[11])) / 2)), 0, -1, now, '', '' }
  end
  saved = cmsgpack.unpack(saved)
  local ids, lives, kept, flags = saved[6], saved[5], {}, {}
  local next_due = saved[3] -- counted from then
  if next_due >= 0 then next_due = math.max(next_due - (now - saved[4]), 0) end
  local reply = { saved[1], saved[2], next_due, saved[4], '', '' }
  local records, heads = records_of(ids)
  for i, id in ipairs(ids) do
    local record, is_node = records[i], byte(id) == 42
    local dated = record and (is_node and heads[i] or not is_node and record)
    -- a job of this id that was made since is another one
    if dated and #dated > 6 and struct.unpack('>I6', dated, 2) <= saved[4] then
      flags[#flags + 1] = call('HEXISTS', K.cancel, id)
      kept[#kept + 1] = sub(lives, 12 * i - 11, 12 * i)
      reply[#reply + 1] = id
      reply[#reply + 1] = record
      if is_node then reply[#reply + 1], reply[#reply + 2] = dated, '' end
    end
  end
  reply[5], reply[6] = table.concat(flags), table.concat(kept)
  return reply
end
