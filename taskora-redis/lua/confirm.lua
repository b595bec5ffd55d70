#!lua flags=no-writes
-- Which jobs and marks are still where they were, and so have been there all the time.
-- KEYS: the prefix of all keys
-- ARGV: test clock, for each: place (`wait`, `completed`, `stale`), task, id, stamp
-- Returns: for each one character: 1 it is, 0
--- @include "start"
--- @include "record"
--- @include "life"
--- @include "token"
--- @include "flow"
--- @include "facts"

local ids, answer = {}, {}
for i = 4, #ARGV, 4 do ids[#ids + 1] = ARGV[i] end
for i, f in ipairs(facts_of(ids)) do
  local at = 4 * i - 2
  answer[i] = has_stayed(ARGV[at], ARGV[at + 1], f, ARGV[at + 3]) and '1' or '0'
end
return table.concat(answer)
