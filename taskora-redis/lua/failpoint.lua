-- For tests: `failpoint` names a command and one of its writes, which then fails.
local WRITES = {}
for name in string.gmatch('SET HSET HSETNX HDEL ZADD ZREM RPUSH LPUSH LPOP LTRIM LREM LSET SADD SREM SPOP DEL UNLINK RENAME '
  .. 'INCRBY PEXPIRE PERSIST LMOVE ZREMRANGEBYSCORE', '%S+') do WRITES[name] = true end
call = function(name, ...)
  if WRITES[name] and S.fail_at ~= 0 then
    if not S.fail_at then
      local point = redis.call('GET', K.failpoint)
      local command, at = match(point or '', '^(%S+) (%d+)$')
      S.fail_at = command == S.command and tonumber(at) or 0
      S.writes = 0
    end
    S.writes = S.writes + 1
    if S.writes == S.fail_at then error('failpoint', 0) end
  end
  return redis.call(name, ...)
end
