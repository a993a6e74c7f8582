-- Circuits, and the one probe of each. The states are those of `shared/circuits.py`.
--
-- A circuit is {s = state, g = generation, t = end of the cooldown, r = its length, w = the failure,
-- p = the ticket of its probe, a = time of the last change}.

local CLOSED, OPEN, PROBING = 0, 1, 2
local FORGET_US = 86400000000

local wake_all

local function circuit(id)
  local raw = redis.call('HGET', P .. 'circuits', id)
  if raw then return cmsgpack.unpack(raw) end
  return {s = CLOSED, g = 0, t = 0, r = 0, w = '', p = '', a = 0}
end

local function keep(id, c, now)
  c.a = now
  redis.call('HSET', P .. 'circuits', id, cmsgpack.pack(c))
  stays(P .. 'circuits')
end

local function ready(c, now)
  return c.s == CLOSED or (c.s == OPEN and now >= c.t)
end

local function parent(id)
  return string.match(id, '^(.*)/[^/]*$') or ''
end

local function changed(state, id, c, now)
  local left = state == 'open' and math.max(0, c.t - now) or 0
  say('news', {state, id, left, c.w, c.g, me})
end

local function close_now(id, c, now)
  c.s, c.t, c.r, c.w = CLOSED, 0, 0, ''
  changed('closed', id, c, now)
  keep(id, c, now)
  wake_all(id, now)
end

-- {circuit, cooldown in us, failure, generation that the member knows} -> whether it took effect
function commands.open(a, now)
  local id, rest, why, known = a[1], a[2], a[3], a[4]
  local c = circuit(id)
  if c.s == OPEN and now + rest <= c.t then return false end
  c.s, c.g, c.t, c.r, c.w = OPEN, math.max(c.g, known) + 1, now + rest, rest, why
  changed('open', id, c, now)
  keep(id, c, now)
  return true
end

-- {circuit, generation of the probe | false: the operator's} -> whether it closed
function commands.close(a, now)
  local id, generation = a[1], a[2]
  local c = circuit(id)
  if generation and (c.s ~= PROBING or c.g ~= generation) then return false end
  if c.s == CLOSED then return false end
  close_now(id, c, now)
  return true
end

local function end_probe(id, generation, now)
  local c = circuit(id)
  if c.s == PROBING and c.g == generation then
    c.s = OPEN
    keep(id, c, now)
  end
end

-- {circuit, generation}
function commands.end_probe(a, now)
  end_probe(a[1], a[2], now)
  return true
end

-- -> {{circuit, us that are left, failure, generation}, ...} of the open ones
function commands.snapshot(a, now)
  local found = {}
  local all = redis.call('HGETALL', P .. 'circuits')
  for i = 1, #all, 2 do
    local id, c = all[i], cmsgpack.unpack(all[i + 1])
    if c.s ~= PROBING and math.max(c.t, c.a) + FORGET_US < now then
      redis.call('HDEL', P .. 'circuits', id)
    elseif c.s ~= CLOSED then
      found[#found + 1] = {id, math.max(0, c.t - now), c.w, c.g}
    end
  end
  return found
end

local function end_probes(member, kept, now)
  local all = redis.call('HGETALL', P .. 'circuits')
  for i = 1, #all, 2 do
    local id, c = all[i], cmsgpack.unpack(all[i + 1])
    if c.s == PROBING and is_mine(c.p, member) and not kept[id] then
      c.s = OPEN
      keep(id, c, now)
    end
  end
end
