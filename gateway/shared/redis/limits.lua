-- Budgets and rates: see `shared/limits.py`.
--
-- A charge is {limit, amount, cap | false, period, end of the period in s, us of a rate, estimated}.
-- A budget has a period; a rate has none, and is one number: the time at which its bucket is full.

local ORPHANS_MAX = 1000
local WARN_PERCENT = 80
local SECOND_US = 1000000
local HOUR_MS = 3600000

local function budget_key(charge)
  return P .. 'budget:' .. charge[1] .. ':' .. charge[4]
end

local function number(key, field)
  return tonumber(redis.call('HGET', key, field) or '0')
end

local function add(key, field, amount)
  redis.call('HINCRBY', key, field, string.format('%.0f', amount + 0)) -- never -0
end

-- A period stays for two days after its end.
local function budget_of(charge, now)
  local key = budget_key(charge)
  if redis.call('HSETNX', key, 'ends', charge[5]) == 1 then
    stays(key, math.max(0, charge[5] * 1000 - now / 1000) + 2 * DAY_MS)
  end
  return key
end

local function used_of(key)
  return number(key, 'spent') + number(key, 'reserved')
end

local function cap_of(charge) return charge[3] or 1 end

local function duration(charge, amount)
  return math.floor(charge[6] * amount / cap_of(charge))
end

local function full_at(charge)
  return tonumber(redis.call('GET', P .. 'rate:' .. charge[1]) or '0')
end

local function fill(charge, at, now)
  local ms = math.max(0, (at - now) / 1000) + HOUR_MS
  redis.call('SET', P .. 'rate:' .. charge[1], string.format('%.0f', at), 'PX',
    string.format('%.0f', math.min(ms, 30 * DAY_MS)))
end

local function missing(charge, now)
  return math.ceil(math.max(0, full_at(charge) - now) * cap_of(charge) / charge[6])
end

-- {place of the charge, used, us to wait, whether it crosses the warning} if the limit refuses
local function refusal(i, charge, now)
  if charge[4] ~= '' then
    local used = used_of(budget_of(charge, now))
    if not charge[3] or charge[2] == 0 or used + charge[2] <= charge[3] then return nil end
    return {i, used, 0, false}
  end
  local needed = duration(charge, math.min(charge[2], cap_of(charge)))
  local wait = math.max(full_at(charge), now) + needed - charge[6] - now
  if wait <= 0 then return nil end
  return {i, missing(charge, now), wait, false}
end

local function crosses(key, charge, used)
  if not charge[3] or used * 100 < charge[3] * WARN_PERCENT then return false end
  return redis.call('HSETNX', key, 'warned', 1) == 1
end

local function hold(i, charge, now)
  if charge[4] == '' then
    fill(charge, math.max(full_at(charge), now) + duration(charge, charge[2]), now)
    return {i, missing(charge, now), 0, false}
  end
  local key = budget_of(charge, now)
  add(key, 'reserved', charge[2])
  local used = used_of(key)
  return {i, used, 0, crosses(key, charge, used)}
end

local function release(charge, now)
  if charge[4] == '' then
    fill(charge, full_at(charge) - duration(charge, charge[2]), now)
  else
    add(budget_of(charge, now), 'reserved', -charge[2])
  end
end

local function adopt(charge, now)
  if charge[4] == '' then
    release(charge, now)
  elseif redis.call('EXISTS', budget_key(charge)) == 1 then
    add(budget_key(charge), 'spent', -charge[2])
    add(budget_key(charge), 'orphaned', -charge[2])
  end
end

local function charge_now(charge, now, is_held)
  if charge[4] == '' then
    local at = full_at(charge)
    local from = is_held and at or math.max(at, now)
    fill(charge, from + duration(charge, charge[2]), now)
    return
  end
  local key = budget_of(charge, now)
  add(key, 'spent', charge[2])
  if charge[7] then add(key, 'estimated', charge[2]) end
end

local function amounts_of(ticket)
  local raw = redis.call('HGET', P .. 'amounts', ticket)
  return raw and cmsgpack.unpack(raw)
end

local function orphan(ticket, now)
  for _, charge in ipairs(amounts_of(ticket) or {}) do
    if charge[4] ~= '' then
      local key = budget_of(charge, now)
      add(key, 'spent', charge[2])
      add(key, 'orphaned', charge[2])
      release(charge, now)
    end
  end
  redis.call('ZREM', P .. 'holds', ticket)
  redis.call('ZADD', P .. 'orphans', now, ticket)
  stays(P .. 'orphans')
  for _, old in ipairs(redis.call('ZRANGE', P .. 'orphans', 0, -ORPHANS_MAX - 1)) do
    redis.call('ZREM', P .. 'orphans', old)
    redis.call('HDEL', P .. 'amounts', old)
  end
end

local function expire(now)
  for _, ticket in ipairs(redis.call('ZRANGEBYSCORE', P .. 'holds', '-inf', now)) do
    orphan(ticket, now)
  end
end

-- {ticket, {charges}, us of the hold, whether it is held whatever the caps}
--   -> {granted, {{place of the charge, used, us to wait, crossed}, ...}}
function commands.reserve(a, now)
  local ticket, charges, hold_us, anyway = a[1], a[2], a[3], a[4]
  expire(now)
  local refusing, levels = {}, {}
  for i, charge in ipairs(charges) do
    local level = not anyway and refusal(i, charge, now)
    if level then refusing[#refusing + 1] = level end
  end
  if #refusing > 0 then return {false, refusing} end
  redis.call('ZADD', P .. 'holds', now + hold_us, ticket)
  redis.call('ZREM', P .. 'orphans', ticket) -- of an earlier call: it stays charged
  redis.call('HSET', P .. 'amounts', ticket, cmsgpack.pack(charges))
  stays(P .. 'holds', 3 * DAY_MS)
  stays(P .. 'amounts', 3 * DAY_MS)
  for i, charge in ipairs(charges) do levels[i] = hold(i, charge, now) end
  return {true, levels}
end

local function settle(ticket, charges, is_again, now)
  local is_held = redis.call('ZREM', P .. 'holds', ticket) == 1
  local was_orphan = not is_held and redis.call('ZREM', P .. 'orphans', ticket) == 1
  if is_again and not (is_held or was_orphan) then return end
  local before = (is_held or was_orphan) and amounts_of(ticket) or {}
  redis.call('HDEL', P .. 'amounts', ticket)
  for _, charge in ipairs(before) do
    if is_held then release(charge, now) else adopt(charge, now) end
  end
  for _, charge in ipairs(charges) do charge_now(charge, now, is_held or was_orphan) end
end

-- {ticket, {charges}, whether it was sent before}
function commands.settle(a, now)
  settle(a[1], a[2], a[3], now)
  return true
end

-- {ticket, us of the hold}
function commands.renew(a, now)
  if redis.call('ZSCORE', P .. 'holds', a[1]) then
    redis.call('ZADD', P .. 'holds', now + a[2], a[1])
    stays(P .. 'holds', 3 * DAY_MS)
    stays(P .. 'amounts', 3 * DAY_MS)
  end
  return true
end

-- {charge, host}
function commands.seed(a, now)
  local key = budget_of(a[1], now)
  if redis.call('HSETNX', key, 'seeded:' .. a[2], 1) == 1 then add(key, 'spent', a[1][2]) end
  return true
end

-- {{limit, period, cap, us of a rate}, ...}
--   -> {{limit, period, spent, reserved, orphaned, estimated, end of the period}, ...}
function commands.limit_states(a, now)
  expire(now)
  local found = {}
  for _, w in ipairs(a[1]) do
    local charge = {w[1], 0, w[3], w[2], 0, w[4], false}
    local key = budget_key(charge)
    if w[2] == '' then
      found[#found + 1] = {w[1], '', missing(charge, now), 0, 0, 0, 0}
    else
      local fields = redis.call('HGETALL', key)
      local b = {spent = 0, reserved = 0, orphaned = 0, estimated = 0}
      for i = 1, #fields, 2 do b[fields[i]] = tonumber(fields[i + 1]) end
      if b.ends then
        found[#found + 1] = {w[1], w[2], b.spent, b.reserved, b.orphaned, b.estimated, b.ends}
      end
    end
  end
  return found
end

local function orphan_all(member, now)
  for _, ticket in ipairs(redis.call('ZRANGE', P .. 'holds', 0, -1)) do
    if is_mine(ticket, member) then orphan(ticket, now) end
  end
end
