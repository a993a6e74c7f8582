-- What all parts of the library use: the clock, messages, the table of commands.
--
-- Rule 1: this library answers what `shared/engine.py` answers; a test plays the same commands to
-- both. Rule 2: time is the server's, in microseconds; only durations travel. Rule 3: every key
-- begins with `P`, which holds the hash tag of the group, and every key ends by itself.

local P, me, commands = '', '', {}

local DAY_MS = 86400000

local function clock()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end

local function say(channel, news)
  redis.call('PUBLISH', P .. channel, cmsgpack.pack(news))
end

-- A key that is written stays for a day.
local function stays(key, ms)
  redis.call('PEXPIRE', key, string.format('%.0f', ms or DAY_MS))
end

local function owner(ticket)
  return string.match(ticket, '^(.*):[^:]*$')
end

local function is_mine(ticket, member)
  return owner(ticket) == member
end
