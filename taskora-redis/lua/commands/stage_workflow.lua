-- Stages a part of a large workflow; `start_workflow` takes over all parts at once.
-- Arguments: nonce; how long it is kept, in milliseconds; fields and values
function commands.stage_workflow()
  local fields = {}
  for i = A.fields, #argv do fields[#fields + 1] = argv[i] end
  pages(fields, function(...) call('HSET', K.stage .. argv[A.nonce], ...) end)
  call('PEXPIRE', K.stage .. argv[A.nonce], argv[A.life])
  return 1
end
