-- flags: no-writes
-- A page of the jobs of a task that are in one state, see lib/listing.lua.
-- Arguments: task; state; part, number and entry of the place behind which it begins (the number is empty: at the start); how many jobs to
--   return, and how many entries to look at, at most; then the filters, each empty or `=` and a text: the error contains it, the
--   payload contains it, the id begins with it; then the earliest and the latest time of the end (empty: any), and pairs of annotations, as JSON
-- Returns: how many entries were looked at; part, number and entry of the last one (nothing: it was the last of all); for each job: id,
--   what `inspect` returns, and 1 if a later version wrote it. What is beyond 1 MiB is left to another call
local BYTES, CHUNK, STEPS = 1048576, 50, 12
local ENDED = { completed = true, failed = true, cancelled = true, expired = true }

-- the text of a filter; nothing if there is none
local function given(text)
  return byte(text) == 61 and sub(text, 2) or nil
end

function commands.list()
  local task, state, limit, most = argv[A.task], argv[A.state], tonumber(argv[A.limit]), tonumber(argv[A.most])
  local wanted = { message = given(argv[A.message]), payload = given(argv[A.payload]), prefix = given(argv[A.prefix]), meta = {} }
  for i = A.meta, #argv do wanted.meta[#wanted.meta + 1] = argv[i] end
  local page = { task = task, state = state, is_ended = ENDED[state], wanted = wanted, why = {} }
  local part, place = tonumber(argv[A.part]), nil
  if argv[A.number] ~= '' then place = { number = tonumber(argv[A.number]), entry = argv[A.entry] } end
  -- an expired job of which nothing is kept has the time 0
  local since, latest = math.max(tonumber(argv[A.since]) or 1, 1), tonumber(argv[A.latest])
  if latest and not (place and place.number <= latest) then place = { number = latest + 1, entry = '' } end

  -- most entries of a state are jobs that are returned, unless something is looked for
  local is_search = wanted.message or wanted.payload or wanted.prefix or #wanted.meta > 0 or state == 'retrying'
  local looked, bytes, jobs, steps = 0, 0, {}, 0
  local function answer(is_last)
    if is_last then return { looked, {}, jobs } end
    return { looked, { part, listing.text_of(place.number), place.entry }, jobs }
  end
  while true do
    local room = limit - #jobs
    local count = is_search and most - looked or math.min(most - looked, math.max(room, CHUNK))
    local found, is_all, behind = listing.page(task, state, part, place, count, room)
    for first = 1, #found, CHUNK do
      local some = { unpack(found, first, math.min(first + CHUNK - 1, #found)) }
      local stored = listing.read(page, part, some)
      for i, entry in ipairs(some) do
        if not behind and (#jobs >= limit or bytes > BYTES) then return answer() end
        if page.is_ended and entry.number < since then return answer(true) end
        local job, size = listing.job(page, part, entry, stored, i)
        looked, bytes = looked + 1, bytes + size
        jobs[#jobs + 1] = job
        if not behind then place = entry end
      end
    end
    place = behind or place
    if is_all then
      local next_part = listing.part_after(task, state, part)
      if not next_part then return answer(true) end
      part, place = next_part, listing.start()
    elseif #found == 0 and not behind then
      return answer(true)
    end
    -- a step through lanes may find nothing
    steps = steps + 1
    if looked >= most or #jobs >= limit or bytes > BYTES or steps == STEPS then return answer() end
  end
end
