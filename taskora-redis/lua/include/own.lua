-- The tasks of the caller come as one string, `\n` name `\0` limit ` ` lease `\n` …, so that fifty of them
-- cost no more than one. The script says in `OWN` which argument that is.
local own = ARGV[OWN]

local function mine(task)
  return find(own, '\n' .. task .. '\0', 1, true)
end

-- limit and lease of one of the caller's tasks
local function terms(task)
  local _, last = mine(task)
  local limit, lease = match(own, '^(%d+) (%d+)', last + 1)
  return tonumber(limit), tonumber(lease)
end

local function own_names()
  local names = {}
  for name in string.gmatch(own, '\n([^%z\n]+)%z') do names[#names + 1] = name end
  return names
end

-- the caller's tasks in `ready`
local function own_ready()
  local names, some = {}, call('SRANDMEMBER', K.ready, '65')
  if #some < 65 then -- all there are
    for _, task in ipairs(some) do
      if mine(task) then names[#names + 1] = task end
    end
    return names
  end
  local all, at = own_names(), 0
  pages(all, function(...)
    for _, is_member in ipairs(call('SMISMEMBER', K.ready, ...)) do
      at = at + 1
      if is_member == 1 then names[#names + 1] = all[at] end
    end
  end)
  return names
end

-- the caller's tasks that have delayed jobs, each with its earliest time
local function own_due()
  local dues, some = {}, call('ZRANGE', K.due, '0', '64', 'WITHSCORES')
  if #some < 130 then -- all there are
    for i = 1, #some, 2 do
      if mine(some[i]) then dues[#dues + 1] = { some[i], tonumber(some[i + 1]) } end
    end
    return dues
  end
  local all, at = own_names(), 0
  pages(all, function(...)
    for _, score in ipairs(call('ZMSCORE', K.due, ...)) do
      at = at + 1
      if score then dues[#dues + 1] = { all[at], tonumber(score) } end
    end
  end)
  return dues
end
