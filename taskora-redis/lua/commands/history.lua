-- flags: no-writes
-- What workers have reported of a task in the last slots of one length.
-- Arguments: task; letter of the length; how many slots
-- Returns: the time, the number of the first block, the blocks (empty: none), and fingerprints of errors and their texts, alternating, see lib/sums.lua
function commands.history()
  local first, blocks, texts = sums.read(argv[A.task], argv[A.letter], tonumber(argv[A.slots]))
  return { now, first, blocks, texts }
end
