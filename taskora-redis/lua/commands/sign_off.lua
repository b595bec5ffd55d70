-- flags: allow-oom
-- A worker has shut down.
-- Arguments: its id; what it has counted (see `sums.given`)
-- Returns: 1
function commands.sign_off()
  sums.write(sums.given(A.sums))
  workers.sign_off(argv[A.worker])
  return 1
end
