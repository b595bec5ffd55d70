-- flags: allow-oom
-- Says whether a worker is to claim nothing. It hears of it with its next sweep.
-- Arguments: its id; 1 or 0
-- Returns: whether there is such a worker (0 or 1)
function commands.quiet()
  return workers.quiet(argv[A.worker], argv[A.quiet] == '1' and '\1' or '\0') and 1 or 0
end
