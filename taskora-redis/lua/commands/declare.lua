-- flags: allow-oom
-- Renews the declarations of schedules, and says what was known of them.
-- Arguments: for each schedule (at most 100): its name, the fingerprint of what code declares (8)
-- Returns: now, then for each schedule: its name (empty: it is not known), what it is, its state, whether it was declared (see
--   lib/schedules.lua)
-- Events: wakes a worker if a schedule has become due earlier
function commands.declare()
  local answer, names = { now }, {}
  for at = A.schedules, #argv, 2 do names[#names + 1] = argv[at] end
  for i, entry in ipairs(schedules.of(names)) do
    if not entry or entry.is_newer then
      for _ = 1, 4 do answer[#answer + 1] = '' end
    else
      schedules.show(answer, entry)
      if entry.is_code and sub(entry.text, 3, 10) == argv[A.schedules + 2 * i - 1] then
        entry.signed = now
        schedules.write(entry)
      end
    end
  end
  schedules.announce()
  return answer
end
