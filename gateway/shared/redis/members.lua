-- The gateways of a group. All that a member's calls hold ends `LEASE_US` after its last word.

local LEASE_US = 15000000
local EPOCH_MS = 400 * DAY_MS

local function release_all(member, now)
  leave_lines(member, {})
  end_probes(member, {}, now)
  give_slots(member, {}, now)
  orphan_all(member, now)
end

local function forget(member, now)
  release_all(member, now)
  redis.call('ZREM', P .. 'members', member)
  redis.call('HDEL', P .. 'infos', member)
end

-- {member}
function commands.gone(a, now)
  forget(a[1], now)
  return true
end

-- {member, facts as text, epoch for an engine without memory, number of this word}
--   -> {epoch, whether it was a member, members, now in us, version of the keys}
function commands.hello(a, now)
  local member, facts, epoch, word = a[1], a[2], a[3], a[4]
  say('to:' .. member, word)
  local is_new = redis.call('ZADD', P .. 'members', now, member) == 1
  if facts ~= '' then redis.call('HSET', P .. 'infos', member, facts) end
  for _, each in ipairs(redis.call('ZRANGEBYSCORE', P .. 'members', '-inf', now - LEASE_US)) do
    forget(each, now)
  end
  redis.call('SET', P .. 'epoch', epoch, 'NX')
  for _, key in ipairs({'members', 'infos', 'counts'}) do stays(P .. key) end
  stays(P .. 'epoch', EPOCH_MS) -- longer than any budget: a new one means that they are gone
  return {redis.call('GET', P .. 'epoch'), not is_new, redis.call('ZCARD', P .. 'members'), now,
    tonumber(redis.call('HGET', P .. 'counts', 'keys') or '0')}
end

-- -> {{member, us since its last word, facts}, ...}
function commands.members(a, now)
  local found = {}
  local all = redis.call('ZRANGE', P .. 'members', 0, -1, 'WITHSCORES')
  for i = 1, #all, 2 do
    found[#found + 1] = {all[i], math.max(0, now - tonumber(all[i + 1])),
      redis.call('HGET', P .. 'infos', all[i]) or ''}
  end
  return found
end

local KEYS_MS = 400 * DAY_MS

-- Client keys: signed records, which this library does not read.
-- -> {version, {key, record, key, record, ...}}
function commands.keys_get(a, now)
  local version = tonumber(redis.call('HGET', P .. 'counts', 'keys') or '0')
  return {version, redis.call('HGETALL', P .. 'keys')}
end

-- {{key, record, key, record, ...}} -> version
function commands.keys_put(a, now)
  local version = redis.call('HINCRBY', P .. 'counts', 'keys', 1)
  stays(P .. 'counts')
  say('news', {'keys', version})
  for i = 1, #a[1], 2 do redis.call('HSET', P .. 'keys', a[1][i], a[1][i + 1]) end
  stays(P .. 'keys', KEYS_MS)
  return version
end

local function know(circuits, now)
  for _, each in ipairs(circuits) do
    local id, left, why, generation = each[1], each[2], each[3], each[4]
    local c = circuit(id)
    if c.g < generation then
      c.s, c.g, c.t, c.r, c.w = OPEN, generation, now + left, each[5], why
      changed('open', id, c, now)
      keep(id, c, now)
    end
  end
end

-- What a member holds, after a time without an engine. It replaces what is kept of it here.
-- {member, circuits {{circuit, us left, failure, generation, cooldown}, ...},
--  probes {{circuit, generation, ticket}, ...}, slots {{ticket, circuit, slots}, ...},
--  waiting {{ticket, agent, weight, {circuits}}, ...}, holds {{ticket, {charges}, us}, ...}}
--   -> slots above their maximum
function commands.restore(a, now)
  local member, over, kept = a[1], 0, {slots = {}, line = {}, probes = {}}
  know(a[2], now)
  for _, each in ipairs(a[3]) do
    local c = circuit(each[1])
    if c.g == each[2] and (c.s == OPEN or c.p == each[3]) then
      c.s, c.p, kept.probes[each[1]] = PROBING, each[3], true
      keep(each[1], c, now)
    end
  end
  for _, each in ipairs(a[4]) do
    local ticket, id, max = each[1], each[2], each[3]
    kept.slots[ticket .. ' ' .. id] = true
    redis.call('HSET', P .. 'slots_max', id, max)
    stays(P .. 'slots_max')
    take(ticket, id)
    over = over + math.max(0, redis.call('HLEN', P .. 'slots:' .. id) - max)
  end
  for _, each in ipairs(a[5]) do kept.line[each[1]] = true end
  leave_lines(member, kept.line)
  for _, each in ipairs(a[5]) do
    if not waiting(each[1]) then join(each[1], each[2], each[3], each[4]) end
  end
  end_probes(member, kept.probes, now)
  give_slots(member, kept.slots, now)
  for _, each in ipairs(a[6]) do
    settle(each[1], {}, false, now)
    commands.reserve({each[1], each[2], each[3], true}, now)
  end
  return over
end
