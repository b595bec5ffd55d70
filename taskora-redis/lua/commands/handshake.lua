-- flags: allow-oom
-- Signs an empty namespace, and reads the signature of any other. Notes the history of the data.
-- Arguments: wire version; oldest version it can share a namespace with; writer; the server's replication id (empty: unknown);
--   name of the process; its description
-- Returns: the version, oldest version and writer in the signature, the level, who raised it
function commands.handshake()
  processes.sign_namespace(argv[A.version], argv[A.min], argv[A.writer])
  local meta, level = call('HMGET', K.meta, 'version', 'min', 'writer'), processes.level()
  local version, min = tonumber(meta[1] or ''), tonumber(meta[2] or '')
  -- an incompatible process leaves no trace in the namespace
  if version and min and version >= tonumber(argv[A.min]) and min <= tonumber(argv[A.version]) then
    tokens.meet(argv[A.server])
    -- a damaged list must not keep out a process that might repair it
    pcall(processes.sign, argv[A.process], argv[A.about])
  end
  return { meta[1] or '', meta[2] or '', meta[3] or '', level[1], level[2] }
end
