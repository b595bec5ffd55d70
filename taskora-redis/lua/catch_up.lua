#!lua flags=allow-oom
-- Does a page of what was more than one.
-- KEYS: the prefix of all keys
-- ARGV: test clock
-- Returns: 1 if there is more
-- Events: wakes a worker per task; pushes ends to who waits for them, and tells the workers of active nodes
--- @include "start"
--- @include "record"
--- @include "line"
--- @include "moves"
--- @include "due"
--- @include "life"
--- @include "flow"
--- @include "token"
--- @include "place"
--- @include "withdraw"
--- @include "release"
--- @include "workflow"
--- @include "finish"
--- @include "todo"

local more = work_off(400)
wake_touched()
return more and 1 or 0
