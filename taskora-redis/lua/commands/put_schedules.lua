-- Creates or changes schedules, each if it is as expected, or is already what it is to become.
-- Arguments: for each schedule (at most 100): its name, what it must be (see `schedules.version`; empty: not there), what it is (see
--   lib/schedules.lua), flags (1: 1 it has a next tick, 2 this ends a pause, 4 a worker declares it) with since (6) and next tick (6)
-- Returns: one character per schedule: 1 done, 0 it was not as expected
-- Events: wakes a worker if a schedule is due earlier than any before

local function put(name, expected, text, terms)
  local known = schedules.of({ name })[1]
  if known and known.is_newer then return '0' end
  local flags, since, at = read('>BI6I6', terms)
  local is_paused = known and known.paused and floor(flags / 2) % 2 == 0 or false
  if flags % 2 == 0 or is_paused then at = nil end
  local is_there = known and known.text == text and known.since == since and known.at == at and (known.paused ~= nil) == is_paused
  if not is_there and schedules.version(known) ~= expected then return '0' end
  local entry = known or { name = name, signed = now, ran = 0, skipped = 0, missed = 0, last_job = '', reason = '' }
  if not known then entry.look = tonumber(call('ZSCORE', K.schednext, name) or '') end
  entry.text, entry.is_code, entry.since, entry.at = text, byte(text, 2) == 67, since, at
  if not is_paused then entry.paused, entry.reason = nil, '' end
  if flags >= 4 then entry.signed = now end
  schedules.write(entry, text)
  return '1'
end

function commands.put_schedules()
  local answer = {}
  for at = A.schedules, #argv, 4 do answer[#answer + 1] = put(argv[at], argv[at + 1], argv[at + 2], argv[at + 3]) end
  if #answer > 0 then schedules.announce() end
  return concat(answer)
end
