-- What is remembered about namespaces between calls, by prefix.
local namespaces, count = {}, 0

return function(name, prefix, arguments)
  -- The first argument is `1` for adapters with a test clock, else `0`; then the number of the database if it is not 0, because
  -- another database may have a namespace of the same name.
  local first = arguments[1]
  local place = #first > 1 and prefix .. sub(first, 2) or prefix
  space = namespaces[place]
  if not space then
    if count >= 1000 then namespaces, count = {}, 0 end
    local keys = {}
    for key, spelled in pairs(KEYS_OF) do keys[key] = prefix .. spelled end
    space = { keys = keys }
    namespaces[place], count = space, count + 1
  end
  -- with space for the commands' own fields
  K, argv, S = space.keys, arguments, {
    command = name, tasks = false, terms = false, careful = false, ends = false, ended = false, cancels = false, is_moved = false,
    is_touched = false, is_claiming = false, is_keyed = false, leaving = false, any_done = false, heads = false, ticks = false, holders = false, told = false,
    news = false, is_awaited = false, passed = false,
  }
  local clock = call('TIME')
  now = clock[1] * 1000 + floor(clock[2] / 1000)
  if byte(first) == 49 then now = now + (tonumber(call('GET', K.clock) or '') or 0) end
  now6 = pack('>I6', now)
  local ok, result = pcall(commands[name])
  if ok then
    if S.told then events.write() end
    if S.news then waiters.tell_news() end
    return result
  end
  -- Writes are not rolled back. Until a repair, commands check for jobs that a failed command may have left in two places.
  try('SET', K.damaged, name, 'EX', '604800')
  pcall(events.lose)
  error(result, 0)
end
