#!lua flags=no-writes
-- What is known of a job.
-- KEYS: the prefix of all keys
-- ARGV: test clock, id
-- Returns: nothing if it is unknown, else: record, life, end without a result, progress (each empty if there is none),
--   place of an unfinished job, due time of a delayed one
--- @include "start"
--- @include "record"
--- @include "life"
--- @include "place"

local id = ARGV[2]
local record = call('HGET', K.jobs, id)
if not record then return {} end
local life, done = call('HGET', K.life, id), call('HGET', K.done, id)
local place, at
if done then
  if byte(done) == 67 then done = sub(done, 1, 21) end
else
  local claims = life_of(life)
  place, at = place_of(task_of(record), id, claims)
end
return { record, life or '', done or '', call('HGET', K.progress, id) or '', place or '', at or '' }
