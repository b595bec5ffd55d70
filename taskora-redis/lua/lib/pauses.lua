-- Pauses, of a task (`p` and `x` in its gate) or of one of its keys (`p<key>`, `x<key>`). `p` has since when (6) and why. `x` has that time
-- once more (6), until when it lasts (6; 0: until a resume), and who. One that begins with another time is of an earlier pause, which a process has
-- ended that does not know `x`, and counts as none. A pause that has ended by itself counts as none, too, and is removed by whoever opens the gate.
local SINCE, FIXED = 6, 12

-- A stored pause: `who`, when it `ends`, if it does by itself, and whether it is `over`. Nothing if there is none.
function pauses.read(p, x)
  if not p or #p < SINCE then return nil end
  local ends, who = 0, ''
  if x and #x >= FIXED and sub(x, 1, SINCE) == sub(p, 1, SINCE) then ends, who = read('>I6', x, SINCE + 1), sub(x, FIXED + 1) end
  return { who = who, ends = ends > 0 and ends or nil, is_over = ends > 0 and ends <= now }
end

-- whether there is one that is not over
function pauses.holds(p, x)
  local pause = pauses.read(p, x)
  return pause ~= nil and not pause.is_over
end

local function more(since6, ends, who)
  return (ends or who ~= '') and since6 .. pack('>I6', ends or 0) .. who or ''
end

-- `x` of a pause that begins now and lasts so many milliseconds (0: until a resume)
function pauses.new(lasting, who)
  return more(now6, lasting > 0 and now + lasting or nil, who)
end

-- `x` of a pause that holds, after another one has come: the later end counts
function pauses.joined(p, x, new_p, new_x)
  local pause, new = pauses.read(p, x), pauses.read(new_p, new_x)
  return more(sub(p, 1, SINCE), pause.ends and new.ends and math.max(pause.ends, new.ends) or nil, pause.who)
end
