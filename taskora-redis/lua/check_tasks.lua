#!lua flags=no-writes
-- What is wrong with what is kept about tasks as a whole.
-- KEYS: the prefix of all keys
-- ARGV: test clock, tasks
-- Returns: for each task: letters, see `include/faults.lua`
--- @include "start"
--- @include "active"
--- @include "faults"

local answer = {}
for i = 2, #ARGV do answer[#answer + 1] = faults_of(ARGV[i]) end
return answer
