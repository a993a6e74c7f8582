-- What clients drop: sealed entries, which this library does not read. They take memory in
-- proportion to the calls of one day, as nothing else does.

local RECALL_BYTES = 262144

-- {name, entry}
function commands.keep(a, now)
  redis.call('SET', P .. 'vault:' .. a[1], a[2], 'PX', DAY_MS)
  return true
end

-- {{name, ...}} -> {entry or false, ...}, as they are: as many as fit, so that the commands behind
-- this one do not wait for a long answer
function commands.recall(a, now)
  local found, bytes = {}, 0
  for i, name in ipairs(a[1]) do
    local entry = redis.pcall('GET', P .. 'vault:' .. name)
    if type(entry) ~= 'string' then entry = false end
    bytes = bytes + (entry and #entry or 0)
    if bytes > RECALL_BYTES then break end
    found[i] = entry
  end
  return found
end
