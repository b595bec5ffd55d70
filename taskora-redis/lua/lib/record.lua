-- A job's record: layout, created (6), flags, priority (2), stalls allowed, attempts allowed (2), length of the task's
-- name, the name, the rest. `R` holds the offsets, which Rust shares.

-- Whether this record is readable: of a known layout, and complete up to the task's name.
function record.is_readable(text)
  local length = byte(text, R.name_length)
  return byte(text) == 1 and length and length > 0 and #text >= R.name_length + length or false
end

-- whether a value is an envelope of a later version, not plain JSON
function record.is_envelope(text, at)
  return byte(text, at) == 193
end

local KEY, TTL, RULE = 2, 4, 13 -- the tag of a limit key; that of a job's expiry rule, and its length
local COLLECT, COLLECTS = 6, 15 -- the tag of a rule to gather, and its length
local COST = 8 -- the tag of what a job costs, which has four bytes

-- Whether an extension, whose length (2) is at this position, has an unknown tag that must be understood, that is, an even one;
-- with `is_job`, those of jobs are known. Also returns where the extension ends.
function record.has_even_tag(text, at, is_job)
  local high, low = byte(text, at, at + 1)
  if not low then return false, at end
  local last = at + 1 + high * 256 + low
  at = at + 2
  while at + 2 <= last do
    local tag, more, less = byte(text, at, at + 2)
    if not less then break end
    if tag % 2 == 0 then
      local is_known = is_job and more == 0
        and (tag == TTL and less == RULE or tag == KEY and less >= 1 and less <= 200 or tag == COLLECT and less == COLLECTS or tag == COST and less == 4)
      if not is_known then return true, last + 1 end
    end
    at = at + 3 + more * 256 + less
  end
  return false, last + 1
end

-- where a readable record's extension begins if it has one: behind the annotations
local function extension_at(text)
  local at = R.name + byte(text, R.name_length)
  return byte(text, R.flags) % 4 < 2 and at or at + 4 + (u32_at(text, at) or 0)
end

-- where its payload begins
function record.payload_at(text)
  local at = extension_at(text)
  if byte(text, R.flags) % 32 < 16 then return at end
  local high, low = byte(text, at, at + 1)
  return low and at + 2 + high * 256 + low or at
end

-- Whether a later version wrote it; such a record is left alone.
function record.is_newer(text)
  if byte(text) ~= 1 then return (byte(text) or 0) > 1 end
  if not record.is_readable(text) then return false end
  local flags, at = byte(text, R.flags), extension_at(text)
  if flags >= 128 then return true end
  if flags % 32 >= 16 then
    local is_newer, rest = record.has_even_tag(text, at, true)
    if is_newer then return true end
    at = rest
  end
  return flags % 2 == 0 and record.is_envelope(text, at)
end

function record.task_of(text)
  return sub(text, R.name, R.name_length + byte(text, R.name_length))
end

function record.priority_of(text)
  local high, low = byte(text, R.priority, R.priority + 1)
  local value = high * 256 + low
  if value >= 32768 then return value - 65536 end
  return value
end

function record.with_priority(text, priority)
  return sub(text, 1, R.priority - 1) .. pack('>I2', priority % 65536) .. sub(text, R.priority + 2)
end

-- whether its line is the list; flag 32 sends a job to the sorted set whatever its priority
function record.is_listed(text)
  local flags, high, low = byte(text, R.flags, R.priority + 1)
  return high == 0 and low == 0 and flags % 64 < 32
end

-- a record whose line is the sorted set
function record.unlisted(text)
  local flags = byte(text, R.flags)
  if flags % 64 >= 32 then return text end
  return sub(text, 1, R.flags - 1) .. pack('B', flags + 32) .. sub(text, R.flags + 1)
end

function record.stalls_allowed(text)
  return byte(text, R.stalls)
end

-- a record with this deadline (6)
function record.with_deadline(text, at, deadline)
  return sub(text, 1, at + 6) .. deadline .. sub(text, at + 13)
end

-- whether nothing is kept of the job once it has expired
function record.is_discarded(text)
  local at = record.ttl_at(text)
  return at ~= nil and byte(text, at) == 1
end

-- What a record's extension has for its store, each of which may be nothing: the position of the expiry rule (whether it is kept (1: 0 yes,
-- 1 no), how long it may wait (6), and the deadline (6), which the store fills in; zero for a node), the key by which limits count the job or
-- under which it gathers, how it gathers, and how many starts of a rate each of its starts counts as.
function record.parts_of(text)
  if not record.is_readable(text) or byte(text, R.flags) % 32 < 16 then return nil end
  local at = extension_at(text)
  local high, low = byte(text, at, at + 1)
  if not low then return nil end
  local last, ttl_at, key, rule, costs = at + 1 + high * 256 + low, nil, nil, nil, nil
  at = at + 2
  while at + 2 <= last do
    local tag, more, less = byte(text, at, at + 2)
    local stop = less and at + 2 + more * 256 + less
    if not stop or stop > last or stop > #text then break end
    if tag == TTL then
      if less == RULE and more == 0 then ttl_at = at + 3 end
    elseif tag == KEY then
      key = sub(text, at + 3, stop)
    elseif tag == COLLECT then
      rule = sub(text, at + 3, stop)
    elseif tag == COST and less == 4 and more == 0 then
      costs = math.max(read('>I4', text, at + 3), 1)
    end
    at = stop + 1
  end
  return ttl_at, key, rule, costs
end

-- where the rule is by which the job expires, if it does
function record.ttl_at(text)
  return (record.parts_of(text))
end

-- the key by which limits count the job, or under which it gathers
function record.key_of(text)
  local _, key = record.parts_of(text)
  return key
end

-- how the job gathers, if it does
function record.rule_of(text)
  local _, _, rule = record.parts_of(text)
  return rule
end

-- how many starts of a rate each start of the job counts as
function record.cost_of(text)
  local _, _, _, costs = record.parts_of(text)
  return costs or 1
end

-- a record without a key, with this one
function record.with_key(text, key)
  local tag, at, flags = pack('>BI2', KEY, #key) .. key, extension_at(text), byte(text, R.flags)
  local length = flags % 32 >= 16 and read('>I2', text, at) or 0
  local rest = flags % 32 >= 16 and at + 2 or at
  if flags % 32 < 16 then flags = flags + 16 end
  return sub(text, 1, R.flags - 1) .. pack('B', flags) .. sub(text, R.flags + 1, at - 1) .. pack('>I2', length + #tag)
    .. sub(text, rest, rest + length - 1) .. tag .. sub(text, rest + length)
end

function record.has_payload_aside(text)
  return byte(text, R.flags) % 2 == 1
end
