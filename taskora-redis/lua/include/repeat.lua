-- The answer to a call that was made before: the same, as far as its jobs are there, and who was cancelled since.
-- A call that comes after the slot's next one (`saved` is false) is too late. A wake-up that this call may have taken is for
-- somebody else.
local function answer_again(saved)
  if argv[8] ~= '-1' then
    for _, task in ipairs(own_ready()) do wake(task) end
  end
  if not saved then
    return { string.rep('-', math.floor((#argv - 10 - tonumber(argv[10])) / 2)), 0, -1, now, '', '' }
  end
  saved = cmsgpack.unpack(saved)
  local ids, lives, kept, flags = saved[6], saved[5], {}, {}
  local next_due = saved[3] -- counted from then
  if next_due >= 0 then next_due = math.max(next_due - (now - saved[4]), 0) end
  local reply = { saved[1], saved[2], next_due, saved[4], '', '' }
  local records, owners = records_of(ids)
  for i, flow in ipairs(owners or {}) do
    if flow then records[i] = flow.head and records[i] and with_head(flow, records[i]) end
  end
  for i, record in ipairs(records) do
    -- a job of this id that was made since is another one
    if record and struct.unpack('>I6', record, byte(ids[i]) == 42 and 6 or 2) <= saved[4] then
      flags[#flags + 1] = call('HEXISTS', K.cancel, ids[i])
      kept[#kept + 1] = sub(lives, 12 * i - 11, 12 * i)
      reply[#reply + 1] = ids[i]
      reply[#reply + 1] = record
    end
  end
  reply[5], reply[6] = table.concat(flags), table.concat(kept)
  return reply
end
