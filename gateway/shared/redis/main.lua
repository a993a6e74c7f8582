-- The functions that members call: FCALL gw1_<name> 1 <P> <member> <arguments, MessagePack> <epoch>.
-- The epoch is the one that the member knows, '' before its first word. In an engine that has lost
-- its memory nothing is counted before the member has restored what it knows.

local NAMES = {
  'admit', 'close', 'end_probe', 'give', 'gone', 'hello', 'join', 'keep', 'keys_get',
  'keys_put', 'leave', 'limit_states', 'members', 'open', 'recall', 'renew', 'reserve', 'restore',
  'seed', 'settle', 'snapshot', 'try_rights',
}

-- Every command that the library uses, on keys of its own: a command that is refused in the middle
-- of a function would leave half of its work behind.
function commands.try_rights(a, now)
  local key = P .. 'rights:' .. a[1]
  local hash, zset, text = key .. ':hash', key .. ':zset', key .. ':text'
  say('to:' .. a[1], 0)
  redis.call('HSET', hash, 'a', 1)
  redis.call('HSETNX', hash, 'b', 1)
  redis.call('HINCRBY', hash, 'a', 1)
  redis.call('HGET', hash, 'a')
  redis.call('HGETALL', hash)
  redis.call('HKEYS', hash)
  redis.call('HLEN', hash)
  redis.call('HDEL', hash, 'b')
  redis.call('ZADD', zset, now, 'a')
  redis.call('ZSCORE', zset, 'a')
  redis.call('ZCARD', zset)
  redis.call('ZRANGE', zset, 0, -1)
  redis.call('ZRANGEBYSCORE', zset, '-inf', now)
  redis.call('ZREM', zset, 'a')
  redis.call('SET', text, 1)
  redis.call('GET', text)
  redis.call('EXISTS', text)
  stays(hash)
  redis.call('DEL', hash, zset, text)
  return true
end

-- Their answers are bytes, which MessagePack would take for text.
local AS_THEY_ARE = {recall = true}

for i = 1, #NAMES do
  local name = NAMES[i]
  redis.register_function('gw1_' .. name, function(keys, args)
    P, me = keys[1], args[1]
    local known = args[3] or ''
    if known ~= '' and name ~= 'hello' and redis.call('GET', P .. 'epoch') ~= known then
      return redis.error_reply('FORGOTTEN the engine has lost its memory')
    end
    local found = commands[name](cmsgpack.unpack(args[2]), clock())
    return AS_THEY_ARE[name] and found or cmsgpack.pack(found)
  end)
end
