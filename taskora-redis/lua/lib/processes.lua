-- The processes that use the namespace, each with its last sign of life (6), its level (2), and its description as JSON. All of
-- them must understand the namespace's level: it may only rise if no live process is below it.
local LIVE = 180000 -- a process without a sign of life for this many milliseconds is gone
local LOOKS = 4 -- each sign of life looks at this many other processes

local function is_live(entry)
  return (u48_at(entry, 1) or 0) > now - LIVE
end

-- A sign of life; `about` is the level (2) and the JSON. Removes some of the processes that are gone.
function processes.sign(process, about)
  if process == '' then return end
  call('HSET', K.procs, process, now6 .. about)
  local some, gone = call('HRANDFIELD', K.procs, LOOKS, 'WITHVALUES'), {}
  for i = 1, #some, 2 do
    if not is_live(some[i + 1]) then gone[#gone + 1] = some[i] end
  end
  if #gone > 0 then call('HDEL', K.procs, unpack(gone)) end
end

-- signs an empty namespace; another program's data is not touched
function processes.sign_namespace(version, min, writer)
  if call('EXISTS', K.meta) == 1 then return end
  call('HSET', K.meta, 'version', version, 'min', min, 'writer', writer, 'created', digits(now),
    'level', '1', 'partitions', '1', 'epoch', digits(space.epoch or 0))
end

-- the level of the namespace, who has raised it, and when the namespace was created (empty: it is not signed)
function processes.level()
  local meta = call('HMGET', K.meta, 'level', 'raised_by', 'created')
  return { whole(meta[1], 65536) or 1, meta[2] or '', meta[3] or '' }
end

-- all live processes, as pairs of name and entry
function processes.live()
  local live, seen, cursor = {}, {}, '0'
  repeat
    local page = call('HSCAN', K.procs, cursor, 'COUNT', 500)
    cursor = page[1]
    for i = 1, #page[2], 2 do
      local name, entry = page[2][i], page[2][i + 1]
      if is_live(entry) and not seen[name] then
        seen[name] = true
        live[#live + 1], live[#live + 2] = name, entry
      end
    end
  until cursor == '0'
  return live
end
