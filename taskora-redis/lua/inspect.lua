#!lua flags=no-writes
-- What is known of a job.
-- KEYS: the prefix of all keys
-- ARGV: test clock, id
-- Returns: nothing if it is unknown, else: record (of a node: what `n` says), life, end without a result, progress (each empty if there is none),
--   place of an unfinished job, due time of a delayed one, of a node its workflow's head
--- @include "start"
--- @include "record"
--- @include "flow"
--- @include "token"
--- @include "place"

local id = ARGV[2]
local record, done, flow, number = job_of(id)
if not record then return {} end
local life, place, at = call('HGET', K.life, id), nil, nil
if done then
  if byte(done) == 67 then done = sub(done, 1, 21) end
else
  place, at = place_of(task_of(record), id, record, life)
end
local progress
if flow then
  record, progress = unpack(call('HMGET', flow.key, 'n' .. number, 'g' .. number))
else
  progress = call('HGET', K.progress, id)
end
return { record, life or '', done or '', progress or '', place or '', at or '', flow and head_of(flow) or '' }
