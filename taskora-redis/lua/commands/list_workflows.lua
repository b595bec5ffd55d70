-- flags: no-writes
-- A page of the workflows that are in one state: running ones by their start, ended ones by their end, the last one first.
-- Arguments: letter of the state (`R` for running, else that of the end); number and entry of the place behind which it begins (the number is
--   empty: at the start); how many workflows to return, and how many entries to look at, at most
-- Returns: how many entries were looked at; number and entry of the last one (nothing: it was the last of all); for each workflow: id, number of
--   nodes that have not ended, its end (empty: it runs), head, 1 if a later version wrote it, number of its entry. A page ends after 1 MiB
local BYTES = 1048576

function commands.list_workflows()
  local state, limit, place = argv[A.state], tonumber(argv[A.limit]), nil
  if argv[A.number] ~= '' then place = { number = tonumber(argv[A.number]), entry = argv[A.entry] } end
  local is_running = state == 'R'
  local found, is_all = listing.ranked(is_running and K.wfrun or K.wfdone, place, tonumber(argv[A.most]), not is_running)
  local flows, bytes = {}, 0
  for i, entry in ipairs(found) do
    local flow, values, before = workflow.of(entry.id, { 'm' })
    local head = values[before + 1]
    local is_newer = flow.newer == '~' or head and (byte(head) or 0) > 1
    local is_wanted = flow.left and (is_running and not flow.ended or flow.ended and sub(flow.ended, 1, 1) == state)
    if is_wanted or is_running and is_newer then
      flows[#flows + 1] = { entry.id, digits(flow.left or 0), flow.ended or '', head or '', is_newer and 1 or 0, listing.text_of(entry.number) }
      bytes = bytes + #(head or '')
    end
    if i < #found and (#flows == limit or bytes > BYTES) then return { i, { listing.text_of(entry.number), entry.entry }, flows } end
  end
  local last = found[#found]
  return { #found, not is_all and last and { listing.text_of(last.number), last.entry } or {}, flows }
end
