-- The tasks of the caller come as one string, `\n` name `\1` limit ` ` lease `\n` …, so that fifty tasks cost no more than one. A
-- command that has them puts the string into `S.tasks`.

-- Parses the string: the names in order, limits and leases by name. It is the same at each call of a worker, and parsed only once
-- if the library keeps state.
local function terms_of_all()
  local known = S.terms
  if known then return known end
  local kept = space.terms
  if not kept or space.terms_count >= 64 then
    kept = {}
    space.terms, space.terms_count = kept, 0
  end
  known = kept[S.tasks]
  if not known then
    known = { names = {}, limits = {}, leases = {} }
    for name, limit, lease in string.gmatch(S.tasks, '\n([^\1\n]+)\1(%d+) (%d+)') do
      known.names[#known.names + 1] = name
      known.limits[name], known.leases[name] = tonumber(limit), tonumber(lease)
    end
    kept[S.tasks], space.terms_count = known, space.terms_count + 1
  end
  S.terms = known
  return known
end

function caller.has(task)
  return terms_of_all().limits[task] ~= nil
end

-- limit and lease of one of the caller's tasks
function caller.terms(task)
  local known = terms_of_all()
  return known.limits[task], known.leases[task]
end

function caller.names()
  return terms_of_all().names
end

-- the caller's tasks that are in a sorted set of tasks; without scores, because a score costs as much as a command
function caller.present_in(key)
  local known, present, from = caller.has, {}, 0
  repeat
    local page = call('ZRANGE', key, digits(from), digits(from + 499))
    for _, name in ipairs(page) do
      if known(name) then present[#present + 1] = name end
    end
    from = from + 500
  until #page < 500 or from >= 10000
  return present
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

-- The same for `ready`. A single task gets no score, because it is compared with none: a score costs as much as a command.
function caller.ready()
  local names, list = call('ZRANGE', K.ready, '0', '64'), {}
  for i = 1, #names do
    if caller.has(names[i]) then list[#list + 1] = { names[i] } end
  end
  if #list < 2 and #names < 65 then return list, false end
  return caller.first_of(K.ready)
end

-- The same for the first 65 tasks in the set (or `most`), if any of these is the caller's; also returns whether there are more.
function caller.first_of(key, most)
  most = most or 65
  local some, list = call('ZRANGE', key, '0', digits(most - 1), 'WITHSCORES'), {}
  for i = 1, #some, 2 do
    if caller.has(some[i]) then list[#list + 1] = { some[i], tonumber(some[i + 1]) } end
  end
  if #some < 2 * most then return list, false end
  if #list > 0 then return list, true end
  return caller.all_of(key), false
end
