-- flags: allow-oom
-- Frees a key of one unfinished job; its owner goes on.
-- Arguments: field of the key
-- Returns: the id of the owner, or nothing
function commands.release_key()
  local id = keyed.owner(argv[A.field])
  call('HDEL', K.uniq, argv[A.field])
  return id or ''
end
