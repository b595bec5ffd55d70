-- Fencing tokens. A job's claims count on from its first token. Ids that we made never come again, so theirs is 1. A
-- caller's own id (`=`), or a node of a workflow with one (`*=`), may come again once it was trimmed: its tokens begin
-- where no earlier job of this id has had any, by when it was created.
--
-- A server that came back from a copy may have forgotten claims. So tokens also lie above the namespace's *epoch*: 0, or the
-- time at which the namespace was met with another history of its data than before. A server's replication id names that
-- history: it is a new one after each start and each promotion.
tokens.SHARE = 1024 -- tokens for each millisecond; no job is claimed more often
local LATEST = 8796093022208 -- 2^43: tokens are exact until then
local EPOCHS = 32 -- leases of so many epochs are found

-- Stands for the replication id where a user may not ask for it: the state of this library, which goes with its process.
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

-- Compares the history of data that the namespace was met with last with that of now. `server` names it, if a handshake
-- knows it. A stand-in is only looked at once by a library, so that users who may ask and those who may not, or
-- libraries of two versions, raise no epoch in turn.
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
    -- emptied, and signed by somebody who did not know the epoch: leases may have tokens of it already
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

-- `dated` holds when the job (of a node: its workflow) was created, after one byte; exact until the year 2248
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
