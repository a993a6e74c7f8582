-- Slots at models with `maxConcurrent`, and the fair order of the calls that wait: see
-- `shared/slots.py`. A slot that becomes free is promised to the first ticket in line.

local SILENT_US = 3000000

-- Each model has a line of its own, in which `score` is the virtual time of the one fair order.
local function place(number, ticket)
  return string.format('%015d|%s', number, ticket)
end

local function ticket_at(member)
  return string.sub(member, 17)
end

local function waiting(ticket)
  local raw = redis.call('HGET', P .. 'waiting', ticket)
  return raw and cmsgpack.unpack(raw)
end

local function leave_line(ticket, served)
  local w = waiting(ticket)
  if not w then return end
  redis.call('HDEL', P .. 'waiting', ticket)
  for _, id in ipairs(w.ids) do
    redis.call('ZREM', P .. 'line:' .. id, place(w.n, ticket))
    if redis.call('ZCARD', P .. 'line:' .. id) == 0 then
      redis.call('HDEL', P .. 'lines', id)
    end
  end
  if redis.call('HLEN', P .. 'waiting') == 0 then
    redis.call('DEL', P .. 'fair')
  elseif served then
    local now = tonumber(redis.call('HGET', P .. 'fair', 'now') or '0')
    redis.call('HSET', P .. 'fair', 'now', math.max(now, w.starts))
  else
    local finish = tonumber(redis.call('HGET', P .. 'fair', 'agent:' .. w.agent) or '0')
    redis.call('HSET', P .. 'fair', 'agent:' .. w.agent, finish - 1 / w.weight)
  end
end

local function wake(ticket)
  say('to:' .. (owner(ticket) or ''), {ticket})
  leave_line(ticket, true)
end

local function is_alive(ticket, now)
  local seen = redis.call('ZSCORE', P .. 'members', owner(ticket) or '')
  return not seen or tonumber(seen) + SILENT_US > now
end

local function first_for(id, now)
  local line = P .. 'line:' .. id
  local first = redis.call('ZRANGE', line, 0, 0)
  if #first == 0 then return nil end
  if is_alive(ticket_at(first[1]), now) then return ticket_at(first[1]) end
  for _, member in ipairs(redis.call('ZRANGE', line, 1, -1)) do
    if is_alive(ticket_at(member), now) then return ticket_at(member) end
  end
  return nil
end

-- A slot of a model that cools down is promised to no ticket.
local function hand_on(id, now)
  local max = tonumber(redis.call('HGET', P .. 'slots_max', id) or '0')
  if redis.call('HLEN', P .. 'slots:' .. id) >= max then return end
  if not (ready(circuit(id), now) and ready(circuit(parent(id)), now)) then return end
  local ticket = first_for(id, now)
  if not ticket then return end
  wake(ticket)
  redis.call('HSET', P .. 'slots:' .. id, ticket, 1)
  redis.call('HSET', P .. 'promised', ticket, id)
  stays(P .. 'slots:' .. id)
  stays(P .. 'promised')
end

local function give(ticket, id, now)
  if redis.call('HDEL', P .. 'slots:' .. id, ticket) == 1 then hand_on(id, now) end
end

-- Ends a promise.
local function forgo(ticket, now)
  local id = redis.call('HGET', P .. 'promised', ticket)
  if not id then return end
  redis.call('HDEL', P .. 'promised', ticket)
  redis.call('HDEL', P .. 'slots:' .. id, ticket)
  hand_on(id, now)
end

local function take(ticket, id)
  if redis.call('HGET', P .. 'promised', ticket) == id then
    redis.call('HDEL', P .. 'promised', ticket)
  end
  redis.call('HSET', P .. 'slots:' .. id, ticket, 1)
  stays(P .. 'slots:' .. id)
end

local function has_room(ticket, id, max)
  return redis.call('HGET', P .. 'promised', ticket) == id
    or redis.call('HLEN', P .. 'slots:' .. id) < max
end

wake_all = function(id, now)
  local found, seen = {}, {}
  for _, model in ipairs(redis.call('HKEYS', P .. 'lines')) do
    if model == id or string.sub(model, 1, #id + 1) == id .. '/' then
      local line = redis.call('ZRANGE', P .. 'line:' .. model, 0, -1, 'WITHSCORES')
      for i = 1, #line, 2 do
        if not seen[line[i]] then
          seen[line[i]] = true
          found[#found + 1] = {tonumber(line[i + 1]), line[i]}
        end
      end
    end
  end
  table.sort(found, function(x, y)
    if x[1] == y[1] then return x[2] < y[2] end
    return x[1] < y[1]
  end)
  for _, each in ipairs(found) do wake(ticket_at(each[2])) end
end

-- {ticket, {circuit of the model, circuit of the credential}, slots | false, anyway}
--   -> false | {generations, probes}
function commands.admit(a, now)
  local ticket, ids, max, anyway = a[1], a[2], a[3], a[4]
  local found = {}
  for i, id in ipairs(ids) do
    local c = circuit(id)
    if c.s == PROBING or not (anyway or ready(c, now)) then return false end
    found[i] = c
  end
  if max then
    redis.call('HSET', P .. 'slots_max', ids[1], max)
    stays(P .. 'slots_max')
    if not has_room(ticket, ids[1], max) then return false end
    take(ticket, ids[1])
    leave_line(ticket, true) -- or a second slot is promised to it
  end
  forgo(ticket, now)
  local generations, probes = {}, {}
  for i, id in ipairs(ids) do
    local c = found[i]
    generations[i], probes[i] = c.g, c.s == OPEN
    if c.s == OPEN then
      c.s, c.p = PROBING, ticket
      keep(id, c, now)
    end
  end
  return {generations, probes}
end

-- {ticket, circuit of the model}
function commands.give(a, now)
  give(a[1], a[2], now)
  return true
end

local function join(ticket, agent, weight, ids)
  leave_line(ticket, false)
  local fair = P .. 'fair'
  local now = tonumber(redis.call('HGET', fair, 'now') or '0')
  local finish = tonumber(redis.call('HGET', fair, 'agent:' .. agent) or '0')
  local starts = math.max(now, finish)
  redis.call('HSET', fair, 'agent:' .. agent, starts + 1 / weight)
  local number = redis.call('HINCRBY', P .. 'counts', 'joined', 1)
  local w = {starts = starts, n = number, agent = agent, weight = weight, ids = ids}
  redis.call('HSET', P .. 'waiting', ticket, cmsgpack.pack(w))
  for _, id in ipairs(ids) do
    redis.call('ZADD', P .. 'line:' .. id, starts, place(number, ticket))
    redis.call('HSET', P .. 'lines', id, 1)
    stays(P .. 'line:' .. id)
  end
  for _, key in ipairs({'fair', 'counts', 'waiting', 'lines'}) do stays(P .. key) end
end

-- {ticket, agent, weight, {circuits of models}}
function commands.join(a, now)
  forgo(a[1], now)
  join(a[1], a[2], a[3], a[4])
  return true
end

-- {ticket}
function commands.leave(a, now)
  leave_line(a[1], false)
  forgo(a[1], now)
  return true
end

-- Frees the slots of a member, except those in `kept` (ticket .. ' ' .. circuit).
local function give_slots(member, kept, now)
  for _, ticket in ipairs(redis.call('HKEYS', P .. 'promised')) do
    if is_mine(ticket, member) then forgo(ticket, now) end
  end
  for _, id in ipairs(redis.call('HKEYS', P .. 'slots_max')) do
    for _, ticket in ipairs(redis.call('HKEYS', P .. 'slots:' .. id)) do
      if is_mine(ticket, member) and not kept[ticket .. ' ' .. id] then give(ticket, id, now) end
    end
  end
end

local function leave_lines(member, kept)
  for _, ticket in ipairs(redis.call('HKEYS', P .. 'waiting')) do
    if is_mine(ticket, member) and not kept[ticket] then leave_line(ticket, false) end
  end
end
