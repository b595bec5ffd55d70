-- Fencing tokens. A job's claims count up from its first token. Generated ids never occur again, so theirs is 1. A caller's own
-- id (`=`), or a node of a workflow with one (`*=`), may occur again once it was trimmed: its first token follows from its
-- creation time, so it lies above all tokens of earlier jobs with this id.
--
-- A server that came back from a copy may have forgotten claims. So tokens also lie above the namespace's *epoch*: 0, or the time
-- at which the namespace's data was found to have another history than before. A server's replication id identifies that history:
-- it changes with each start and each promotion.
tokens.SHARE = 1024 -- tokens for each millisecond; no job is claimed more often
local LATEST = 8796093022208 -- 2^43: tokens are exact until then
local EPOCHS = 32 -- how many epochs are searched for leases

-- Replaces the replication id if the user may not ask for it: the state of this library, which ends with its server process.
local stand_in

local function history_id()
  local info = try('INFO', 'replication')
  local id = type(info) == 'string' and match(info, 'master_replid:(%x+)')
  if id then return id end
  if not stand_in then
    local clock = call('TIME')
    stand_in = clock[1] .. '.' .. clock[2]
  end
  return stand_in
end

-- writes a new epoch, and the earlier ones
local function raise(epoch, before, older)
  local known = { digits(before) }
  for one in string.gmatch(older or '', '%d+') do
    if #known < EPOCHS then known[#known + 1] = one end
  end
  call('HSET', K.meta, 'epoch', digits(epoch), 'epochs', concat(known, ' '))
  return epoch
end

-- Compares the last known history of the data with the current one. `server` identifies it, if a handshake knows it. A library
-- looks at its stand-in only once, so that users with and without permission, or libraries of two versions, do not raise the
-- epoch alternately.
function tokens.meet(server)
  local meta = call('HMGET', K.meta, 'epoch', 'incarnation', 'epochs', 'version')
  local epoch = whole(meta[1], LATEST) or 0
  if not meta[4] then return space.epoch or epoch end
  if KEEPS_STATE and server == '' and not space.epoch then server = history_id() end
  if server ~= '' and meta[2] ~= server then
    if meta[2] then epoch = raise(math.max(now, epoch + 1), epoch, meta[3]) end
    call('HSET', K.meta, 'incarnation', server)
  end
  if KEEPS_STATE then
    -- the namespace was emptied, and signed without knowledge of the epoch: leases may already have tokens of it
    if space.epoch and space.epoch > epoch then raise(space.epoch, epoch, meta[3]) end
    epoch = math.max(epoch, space.epoch or 0)
    space.epoch = epoch
    space.suffix = ':' .. digits(tokens.first('', false, epoch))
  end
  return epoch
end

-- the epoch of the namespace, for commands that write
function tokens.epoch()
  if space.epoch then return space.epoch end
  if KEEPS_STATE then return tokens.meet('') end
  return whole(call('HGET', K.meta, 'epoch'), LATEST) or 0
end

function tokens.is_own(id)
  return byte(id) == 61 or byte(id) == 42 and byte(id, 2) == 61
end

-- `dated` has the creation time of the job (for a node: of its workflow) after one byte; exact until the year 2248
function tokens.first(id, dated, epoch)
  local from = epoch
  if dated and tokens.is_own(id) then from = math.max(from, u48_at(dated, 2) or 0) end
  return from > 0 and from * tokens.SHARE + 1 or 1
end

-- the token of the next claim after `last`
function tokens.after(last, id, dated, epoch)
  return math.max(last + 1, tokens.first(id, dated, epoch))
end

-- the members of `active` that a lease of this job may have, one for each epoch
function tokens.candidates(id, dated, last)
  if not S.epochs then
    local meta = call('HMGET', K.meta, 'epoch', 'epochs')
    S.epochs = { whole(meta[1], LATEST) or space.epoch or 0 }
    for older in string.gmatch(meta[2] or '', '%d+') do S.epochs[#S.epochs + 1] = whole(older, LATEST) end
  end
  local list, before = {}, nil
  for _, epoch in ipairs(S.epochs) do
    local token = tokens.after(last, id, dated, epoch)
    if token ~= before then
      list[#list + 1] = id .. ':' .. digits(token)
      before = token
    end
  end
  return list
end
