-- flags: no-writes
-- The live processes.
-- Arguments: none
-- Returns: for each: name, last sign (6), level (2) and the JSON
function commands.processes()
  return processes.live()
end
