-- flags: allow-oom
-- Extends leases from now.
-- Arguments: for each lease: task, `<id>:<token>`, id, length in milliseconds
-- Returns: one character per lease: E extended, C extended and flagged as cancelled, L lost
function commands.renew()
  local any_cancel = call('EXISTS', K.cancel) == 1
  local answer = {}
  for i = A.leases, #argv, 4 do
    local key, member = K.active .. argv[i], argv[i + 1]
    local state = 'L'
    if call('ZSCORE', key, member) then
      call('ZADD', key, 'XX', digits(now + tonumber(argv[i + 3])), member)
      state = any_cancel and call('HEXISTS', K.cancel, argv[i + 2]) == 1 and 'C' or 'E'
    end
    answer[#answer + 1] = state
  end
  return concat(answer)
end
