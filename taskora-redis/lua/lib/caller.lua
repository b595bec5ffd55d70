-- The tasks of the caller come as one string, `\n` name `\1` limit ` ` lease `\n` …, so that fifty of them
-- cost no more than one. A command that has them puts the string into `S.tasks`.

function caller.has(task)
  return find(S.tasks, '\n' .. task .. '\1', 1, true)
end

-- limit and lease of one of the caller's tasks
function caller.terms(task)
  local _, last = caller.has(task)
  local limit, lease = match(S.tasks, '^(%d+) (%d+)', last + 1)
  return tonumber(limit), tonumber(lease)
end

function caller.names()
  local names = {}
  for name in string.gmatch(S.tasks, '\n([^\1\n]+)\1') do names[#names + 1] = name end
  return names
end

-- the caller's tasks in a sorted set of tasks, each with its score, lowest first
function caller.all_of(key)
  local names, list, at = caller.names(), {}, 0
  pages(names, function(...)
    for _, score in ipairs(call('ZMSCORE', key, ...)) do
      at = at + 1
      if score then list[#list + 1] = { names[at], tonumber(score) } end
    end
  end)
  table.sort(list, function(a, b)
    if a[2] ~= b[2] then return a[2] < b[2] end
    return is_before(a[1], b[1])
  end)
  return list
end

-- The same of `ready`. One task alone has no score, as it is compared with none: a score costs as much as a command.
function caller.ready()
  local names, list = call('ZRANGE', K.ready, '0', '64'), {}
  for i = 1, #names do
    if caller.has(names[i]) then list[#list + 1] = { names[i] } end
  end
  if #list < 2 and #names < 65 then return list, false end
  return caller.first_of(K.ready)
end

-- The same, of the first 65 tasks in the set if any of these is the caller's; answers also whether these are not all.
function caller.first_of(key)
  local some, list = call('ZRANGE', key, '0', '64', 'WITHSCORES'), {}
  for i = 1, #some, 2 do
    if caller.has(some[i]) then list[#list + 1] = { some[i], tonumber(some[i + 1]) } end
  end
  if #some < 130 then return list, false end
  if #list > 0 then return list, true end
  return caller.all_of(key), false
end
