#!lua flags=no-writes
-- Looks at a page of one key, and at the jobs that it is about, at one moment.
-- KEYS: the prefix of all keys
-- ARGV: test clock, what the key is to hold (`jobs`; a part of jobs; an index's place; `stale`; `workflows`; `line`: a list
--   that is only read), type, key, task, cursor (of a list: how many entries from its end on were seen), number of entries
-- Returns: next cursor (0: that was all), entries seen, findings (each: code, role, task, entry, more), candidates of which
--   only a pass over a list can tell (each: place, task, id, stamp), and of a list of jobs its entries
--- @include "start"
--- @include "record"
--- @include "life"
--- @include "token"
--- @include "active"
--- @include "flow"
--- @include "facts"

local role, kind, key, task, cursor, count = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], tonumber(ARGV[7])
local entries, findings, candidates, seen = {}, {}, {}, {}
if kind == 'list' then
  -- From the end: nothing leaves a list there, so that nobody who stays is passed over.
  local from = tonumber(cursor)
  entries = call('LRANGE', key, -from - count, -from - 1)
  cursor = #entries == count and tostring(from + count) or '0'
else
  local page = call(kind == 'hash' and 'HSCAN' or kind == 'zset' and 'ZSCAN' or 'SSCAN', key, cursor, 'COUNT', count)
  cursor = page[1]
  local step = kind == 'set' and 1 or 2
  for i = 1, #page[2], step do entries[#entries + 1] = page[2][i] end
end
local looked = #entries

local function find(code, entry, more)
  findings[#findings + 1] = { code, role, task, entry, more or '' }
end

-- who waits for a workflow
local function look_at_watch(entry, id)
  local flow = flow_of(id)
  if not flow.left or flow.ended then find('O', entry) end
end

if role == 'workflows' then
  for _, entry in ipairs(entries) do
    if call('EXISTS', K.wf .. entry) == 0 then find('W', entry) end
  end
  return { cursor, looked, findings, candidates, seen }
end

local ids, kept, tokens = {}, {}, {}
for _, entry in ipairs(entries) do
  local id, token = entry, nil
  if role == 'active' then
    id, token = match(entry, '^(.*):(%d+)$')
  elseif kind == 'list' then
    id = #entry > 6 and sub(entry, 7)
  elseif role == 'waiters' and byte(entry) == 42 and match(entry, '^%*(.*)#$') then
    look_at_watch(entry, match(entry, '^%*(.*)#$'))
    id = nil
  end
  if id and role ~= 'line' then
    local at = #ids + 1
    ids[at], kept[at], tokens[at] = id, entry, tonumber(token)
  elseif not id and role ~= 'waiters' and entry ~= SENTINEL then
    find('?', entry)
  end
end
if kind == 'list' then seen = entries end
if role == 'line' then return { cursor, looked, findings, candidates, seen } end

local facts, marks, at = facts_of(ids), {}, 0
if role == 'wait' or role == 'stale' then
  pages(ids, function(...)
    for _, is_marked in ipairs(call('SMISMEMBER', K.stale .. task, ...)) do
      at = at + 1
      marks[at] = is_marked == 1
    end
  end)
end
for i, f in ipairs(facts) do
  if role == 'jobs' then
    if f.is_node then
      find('?', kept[i])
    elseif f.unreadable then
      find('R', f.id, f.unreadable)
    elseif f.record then
      task = f.task
      local what = wrong_job(f)
      if what == 'L' then
        find('L', f.id, home_of(f))
      elseif what then
        candidates[#candidates + 1] = { what, task, f.id, stamp_of(f) }
      end
      if byte(f.record, 8) % 2 == 1 and not f.done and call('HEXISTS', K.blobs, f.id) == 0 then find('P', f.id) end
    end
  elseif role == 'stale' then
    if f.record and not f.unreadable and not f.done then
      find('T', f.id)
    else
      candidates[#candidates + 1] = { 'stale', task, f.id, stamp_of(f) }
    end
  elseif PLACES[role] then
    local code = wrong_entry(role, task, f, tokens[i], marks[i])
    if code then find(code, kept[i]) end
  elseif is_leftover(role, f) then
    find('O', kept[i])
  end
end
return { cursor, looked, findings, candidates, seen }
