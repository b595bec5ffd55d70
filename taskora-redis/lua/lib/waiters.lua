-- The processes that await the end of a job or a workflow: `<tag>=<second>` for each, the newest last, separated by spaces. One that
-- watches the job has a `+` behind it, and is also told what is new before the end.
local MOST = 64 -- the newest are kept
local LIFE = 3600 -- seconds; a process that still waits registers again
waiters.INLINE = 32768 -- what is longer is not pushed: waiters fetch it

function waiters.tell(waiting, message)
  for tag in string.gmatch(waiting, '([^%s=]+)=%d+') do try('PUBLISH', K.push .. tag, message) end
end

-- registers this process as a waiter
function waiters.add(id, tag, watches)
  local known, kept = call('HGET', K.waiters, id) or '', {}
  local second = floor(now / 1000)
  for other, at, flag in string.gmatch(known, '([^%s=]+)=(%d+)(%+?)') do
    if other ~= tag and tonumber(at) > second - LIFE then kept[#kept + 1] = other .. '=' .. at .. flag end
  end
  local first = math.max(#kept - MOST + 2, 1)
  kept[#kept + 1] = tag .. '=' .. digits(second) .. (watches and '+' or '')
  call('HSET', K.waiters, id, concat(kept, ' ', first))
end

-- Notes the state of an unfinished job (its letter, as in lib/act.lua) and, if it is active, its progress. The end of the call sends both to
-- those who watch the job.
function waiters.add_news(task, id, letter, progress)
  local list = gathered('news')
  if progress and #progress <= waiters.INLINE then letter = letter .. progress end
  list[#list + 1], list[#list + 2], list[#list + 3] = task, id, letter
end

-- best effort, as for ends
function waiters.tell_news()
  local list, ids, at = S.news, {}, -2
  S.news = nil
  for i = 2, #list, 3 do ids[#ids + 1] = list[i] end
  pages(ids, function(...)
    local known = try('HMGET', K.waiters, ...)
    for i = 1, select('#', ...) do
      at = at + 3
      local waiting = known[i]
      if waiting and find(waiting, '+', 1, true) then
        local task, id = list[at], list[at + 1]
        local message = pack('B', #id) .. id .. pack('B', #task) .. task .. list[at + 2]
        for tag in string.gmatch(waiting, '([^%s=]+)=%d+%+') do try('PUBLISH', K.push .. tag, message) end
      end
    end
  end)
end
