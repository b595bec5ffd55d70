-- What happened to a job before its present attempt or its end: layout, 1; then steps, oldest first: kind, number of the attempt (4), when it was
-- claimed (6, zero: unknown), when this happened (6), length (2) and text. Kinds: R retried, L released, K rescued, the letter of an end
-- of an earlier life, V revived. The text of S is the number of stalls (4).
local LAYOUT, MOST, TEXT = '\1', 16, 512

function timeline.step(kind, attempt, started, at, text)
  text = sub(text or '', 1, TEXT)
  return kind .. u32(attempt) .. started .. at .. pack('>I2', #text) .. text
end

-- the end of a life as a step
function timeline.end_of(done)
  local text = byte(done) == 83 and sub(done, 6, 9) or sub(done, 22)
  return timeline.step(sub(done, 1, 1), u32_at(done, 2) or 0, sub(done, 10, 15), sub(done, 16, 21), text)
end

-- where each step begins, as far as they are complete, and where the last one ends
local function places(known)
  local list, at = {}, 2
  while at + 18 <= #known do
    local high, low = byte(known, at + 17, at + 18)
    local stop = at + 19 + high * 256 + low
    if stop > #known + 1 then break end
    list[#list + 1] = at
    at = stop
  end
  return list, at - 1
end

-- Adds steps to what happened to a job, which `timeline.write` writes. Those of nodes are not kept. What a later version wrote is left alone.
-- If a failed call has already noted this revival, that is replaced.
function timeline.add(id, steps, count, revived)
  if byte(id) == 42 then return end
  local known = call('HGET', K.past, id)
  if not known or known == '' then known = LAYOUT end
  if sub(known, 1, 1) ~= LAYOUT then return end
  local list, last = places(known)
  if revived and #list >= 2 and sub(known, list[#list], list[#list]) == 'V' and sub(known, list[#list - 1], list[#list] - 1) == revived then
    last = list[#list - 1] - 1
    list[#list] = nil
    list[#list] = nil
  end
  local extra = #list + count - MOST
  local from = extra > 0 and (list[extra + 1] or last + 1) or 2
  local pasts = gathered('passed')
  pasts[#pasts + 1] = id
  pasts[#pasts + 1] = LAYOUT .. sub(known, from, last) .. steps
end

function timeline.write()
  if not S.passed then return end
  pages(S.passed, function(...) call('HSET', K.past, ...) end)
  S.passed = nil
end
