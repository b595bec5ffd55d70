-- The processes that await the end of a job or a workflow: `<tag>=<second>` for each, the newest last, separated by spaces.
local MOST = 64 -- the newest are kept
local LIFE = 3600 -- seconds; a process that still waits registers again

function waiters.tell(waiting, message)
  for tag in string.gmatch(waiting, '([^%s=]+)=%d+') do try('PUBLISH', K.push .. tag, message) end
end

-- registers this process as a waiter
function waiters.add(id, tag)
  local known, kept = call('HGET', K.waiters, id) or '', {}
  local second = floor(now / 1000)
  for other, at in string.gmatch(known, '([^%s=]+)=(%d+)') do
    if other ~= tag and tonumber(at) > second - LIFE then kept[#kept + 1] = other .. '=' .. at end
  end
  local first = math.max(#kept - MOST + 2, 1)
  kept[#kept + 1] = tag .. '=' .. digits(second)
  call('HSET', K.waiters, id, concat(kept, ' ', first))
end
