-- A worker has shut down.
-- Arguments: its id
-- Returns: 1
function commands.sign_off()
  workers.sign_off(argv[A.worker])
  return 1
end
