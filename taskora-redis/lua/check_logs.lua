#!lua flags=no-writes
-- Which logs would never be removed.
-- KEYS: the prefix of all keys
-- ARGV: test clock, ids
-- Returns: for each id one character: O its job is not known, G its job does not know of it, or -
--- @include "start"
--- @include "record"
--- @include "life"
--- @include "token"
--- @include "flow"
--- @include "facts"

local ids = {}
for i = 2, #ARGV do ids[#ids + 1] = ARGV[i] end
local answer = {}
for i, f in ipairs(facts_of(ids)) do
  answer[i] = wrong_log(f) or '-'
end
return table.concat(answer)
