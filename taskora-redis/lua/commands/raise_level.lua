-- flags: allow-oom
-- Raises the level of the namespace, unless a live process is below it.
-- Arguments: level; force (1: processes below it must stop); who raises it; wire version and oldest version of the signature, which
--   is missing if the server was emptied
-- Returns: the level of the namespace now, then names and entries of the processes that hold it back
function commands.raise_level()
  local wanted, level = tonumber(argv[A.level]), processes.level()[1]
  if level >= wanted then return { level, {} } end
  local live, below = processes.live(), {}
  for i = 1, #live, 2 do
    local theirs = #live[i + 1] >= 8 and read('>I2', live[i + 1], 7) or 0
    if theirs < wanted then
      below[#below + 1] = live[i]
      below[#below + 1] = live[i + 1]
    end
  end
  if #below > 0 and argv[A.force] ~= '1' then return { level, below } end
  processes.sign_namespace(argv[A.version], argv[A.min], argv[A.writer])
  call('HSET', K.meta, 'level', digits(wanted), 'raised_by', argv[A.writer])
  return { wanted, {} }
end
