-- Counts one request against all of its limits: each of them lets it in and has taken, or none has.
-- KEYS: one for each limit
-- ARGV: now_us (0: the server's clock) id operation(take|back), and for each limit:
--       algorithm quota window_us burst cost count_denied(0|1) shadow(0|1)
-- Reply: for each limit: allowed(0|1) remaining retry_us reset_us
local PARTS, FIELDS = 10, 7
local now, id, operation = tonumber(ARGV[1]), ARGV[2], ARGV[3]
if now == 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end

local function number(value)
  return string.format('%.17g', value)
end

local function expire(key, microseconds)
  redis.call('PEXPIRE', key, math.max(1, math.ceil(microseconds / 1000)))
end

-- The units that stand in a sorted set under this id, the newest first, at most as many as given.
local function drop(key, prefix, count)
  local members = redis.call('ZREVRANGE', key, 0, -1)
  for _, member in ipairs(members) do
    if count <= 0 then return end
    if string.sub(member, 1, #prefix) == prefix then
      redis.call('ZREM', key, member)
      count = count - 1
    end
  end
end

local algorithms = {}

algorithms.gcra = {
  look = function(key, l, cost)
    local each = l.window / l.quota
    local start = math.max(tonumber(redis.call('GET', key) or '0'), now)
    local wait = start + cost * each - l.burst * each - now
    local room = now + l.burst * each - start
    return wait <= 0, math.max(0, math.floor(room / each + 1e-9)), math.max(0, math.ceil(wait)), math.ceil(start - now)
  end,
  take = function(key, l)
    local full = math.max(tonumber(redis.call('GET', key) or '0'), now) + l.cost * l.window / l.quota
    redis.call('SET', key, number(full), 'PX', math.max(1, math.ceil((full - now) / 1000)))
  end,
  back = function(key, l)
    local full = tonumber(redis.call('GET', key) or '0') - l.cost * l.window / l.quota
    if full > now then
      redis.call('SET', key, number(full), 'PX', math.max(1, math.ceil((full - now) / 1000)))
    else
      redis.call('DEL', key)
    end
  end,
}

algorithms.log = {
  look = function(key, l, cost)
    redis.call('ZREMRANGEBYSCORE', key, '-inf', number(now - l.window))
    local taken = redis.call('ZCARD', key)
    local missing = taken + cost - l.quota
    local reset = 0
    if taken > 0 then
      reset = tonumber(redis.call('ZREVRANGE', key, 0, 0, 'WITHSCORES')[2]) + l.window - now
    end
    if missing <= 0 then return true, l.quota - taken, 0, reset end
    local retry = l.window
    if missing <= taken then
      retry = tonumber(redis.call('ZRANGE', key, missing - 1, missing - 1, 'WITHSCORES')[2]) + l.window - now
    end
    return false, math.max(0, l.quota - taken), retry, reset
  end,
  take = function(key, l)
    for unit = 1, l.cost do
      redis.call('ZADD', key, number(now), id .. ':' .. unit)
    end
    redis.call('ZREMRANGEBYRANK', key, 0, -l.quota - 1)
    expire(key, l.window)
  end,
  back = function(key, l) drop(key, id .. ':', l.cost) end,
}

algorithms.counter = {
  look = function(key, l, cost)
    local length = l.window / PARTS
    local current = math.floor(now / length)
    local used, all, newest, parts = 0, 0, nil, {}
    local fields = redis.call('HGETALL', key)
    for i = 1, #fields, 2 do
      local part, taken = tonumber(fields[i]), tonumber(fields[i + 1])
      if part < current - PARTS then
        redis.call('HDEL', key, fields[i])
      else
        local reach = 1
        if part == current - PARTS then reach = 1 - (now - current * length) / length end
        used, all = used + taken * reach, all + taken
        newest = math.max(newest or part, part)
        parts[#parts + 1] = { part, taken }
      end
    end
    local reset = 0
    if newest then reset = math.max(0, math.ceil((newest + 1 + PARTS) * length - now)) end
    local remaining = math.max(0, math.floor(l.quota - used))
    if used + cost <= l.quota then return true, remaining, 0, reset end
    table.sort(parts, function(a, b) return a[1] < b[1] end)
    local left, retry = all + cost - l.quota, l.window
    for _, part in ipairs(parts) do
      if left > 0 and part[2] >= left then
        retry = math.max(1, math.ceil((part[1] + PARTS) * length + left / part[2] * length - now))
        break
      end
      left = left - part[2]
    end
    return false, remaining, retry, reset
  end,
  take = function(key, l)
    local length = l.window / PARTS
    local current = math.floor(now / length)
    redis.call('HINCRBY', key, string.format('%.0f', current), l.cost)
    expire(key, (current + 1 + PARTS) * length - now)
  end,
  back = function(key, l)
    local parts, cost = redis.call('HKEYS', key), l.cost
    table.sort(parts, function(a, b) return tonumber(a) > tonumber(b) end)
    for _, part in ipairs(parts) do
      local given = math.min(cost, tonumber(redis.call('HGET', key, part)))
      if given > 0 then redis.call('HINCRBY', key, part, -given) end
      cost = cost - given
    end
  end,
}

local function in_window(key, l)
  local window = math.floor(now / l.window)
  local found = redis.call('HMGET', key, 'w', 'n')
  if found[1] and tonumber(found[1]) == window then return window, tonumber(found[2]) end
  return window, 0
end

algorithms.fixed = {
  look = function(key, l, cost)
    local window, taken = in_window(key, l)
    local ends = (window + 1) * l.window - now
    local allowed = taken + cost <= l.quota
    return allowed, math.max(0, l.quota - taken), allowed and 0 or ends, taken > 0 and ends or 0
  end,
  take = function(key, l)
    local window, taken = in_window(key, l)
    redis.call('HSET', key, 'w', string.format('%.0f', window), 'n', taken + l.cost)
    expire(key, (window + 1) * l.window - now)
  end,
  back = function(key, l)
    local _, taken = in_window(key, l)
    if taken > 0 then redis.call('HSET', key, 'n', math.max(0, taken - l.cost)) end
  end,
}

algorithms.concurrency = {
  look = function(key, l, cost)
    redis.call('ZREMRANGEBYSCORE', key, '-inf', number(now))
    local held = redis.call('ZCARD', key)
    local missing = held + cost - l.quota
    local reset = 0
    if held > 0 then reset = tonumber(redis.call('ZREVRANGE', key, 0, 0, 'WITHSCORES')[2]) - now end
    if missing <= 0 then return true, l.quota - held, 0, reset end
    local at = math.min(missing, held) - 1
    local retry = tonumber(redis.call('ZRANGE', key, at, at, 'WITHSCORES')[2]) - now
    return false, math.max(0, l.quota - held), retry, reset
  end,
  take = function(key, l)
    for unit = 1, l.cost do
      redis.call('ZADD', key, number(now + l.window), id .. ':' .. unit)
    end
    expire(key, l.window)
  end,
  back = function(key, l) drop(key, id .. ':', l.cost) end,
}

local limits, looks, allowed = {}, {}, true
for i = 1, #KEYS do
  local at = 3 + (i - 1) * FIELDS
  local l = {
    by = algorithms[ARGV[at + 1]], quota = tonumber(ARGV[at + 2]), window = tonumber(ARGV[at + 3]),
    burst = tonumber(ARGV[at + 4]), cost = tonumber(ARGV[at + 5]), denied = ARGV[at + 6] == '1',
    shadow = ARGV[at + 7] == '1',
  }
  limits[i] = l
  if operation == 'back' then
    l.by.back(KEYS[i], l)
  else
    local yes, remaining, retry, reset = l.by.look(KEYS[i], l, l.cost)
    looks[i] = { yes, remaining, retry, reset }
    allowed = allowed and (yes or l.shadow)
  end
end
if operation == 'back' then return {} end

local reply = {}
for i, l in ipairs(limits) do
  local yes, remaining, retry, reset = looks[i][1], looks[i][2], looks[i][3], looks[i][4]
  if (allowed and yes) or l.denied then
    l.by.take(KEYS[i], l)
    local _
    _, remaining, _, reset = l.by.look(KEYS[i], l, 1)
  end
  reply[#reply + 1] = { yes and 1 or 0, remaining, retry, reset }
end
return reply
