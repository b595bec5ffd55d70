-- The history of a job that left `active` without ending: its last token (8), attempts and stalls (4 each), and `1` with the last
-- error, or `0`. A job without a readable entry has no history.

function history.is_readable(value)
  return #value >= 17 and read('>I8', value) < 9007199254740992
end

-- attempts, stalls, last error (or false), last token
function history.of(value)
  if not value or not history.is_readable(value) then return 0, 0, false, 0 end
  local token, attempts, stalls, has_error = read('>I8I4I4B', value)
  return attempts, stalls, has_error == 1 and sub(value, 18), token
end

-- Whether a worker has ever claimed the job with this record. One that replaced a failed job has a history that is not its own.
function history.was_claimed(past, text)
  if not past then return false end
  local attempts, stalls, _, last = history.of(past)
  return attempts + stalls > 0 or last ~= (u48_at(text, R.created) or 0) * tokens.SHARE
end

-- the entry of a job that leaves `active` with this token
function history.of_leaving(token, attempts, stalls, message)
  return pack('>I8I4I4', token, attempts, stalls) .. (message and '\1' .. message or '\0')
end
