-- A session: a hash of its own fields (_user _device _made _seen _ends _renewed _version, _to for one that was left) and of
-- the application's (with a leading colon). Each operation is atomic, and on the server's clock (milliseconds).
-- KEYS: session index before      (the last two are the user's: names with their ends; sessions begun before are over)
-- ARGV: operation, now (0: the server's), and what the operation needs
local session, index, before = KEYS[1], KEYS[2], KEYS[3]
local operation, now = ARGV[1], tonumber(ARGV[2])
if now == 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

local function text(number)
  return string.format('%.0f', number)
end

local function expire(idle, ends)
  redis.call('PEXPIRE', session, text(math.max(1, math.min(idle, ends - now))))
end

local function drop(name)
  redis.call('DEL', session)
  redis.call('ZREM', index, name)
end

-- Its end and what it was left for, if it is alive: not over, and not begun before its user's sessions were revoked.
local function alive(name)
  local found = redis.call('HMGET', session, '_ends', '_made', '_to')
  if not found[1] then return nil end
  local revoked = tonumber(redis.call('GET', before) or '0')
  if tonumber(found[1]) <= now or tonumber(found[2]) <= revoked then
    drop(name)
    return nil
  end
  return tonumber(found[1]), found[3]
end

-- The end of the index: with its last session, and never before one of them.
local function enlist(name, ends)
  redis.call('ZREMRANGEBYSCORE', index, '-inf', text(now))
  redis.call('ZADD', index, text(ends), name)
  local last = redis.call('ZREVRANGE', index, 0, 0, 'WITHSCORES')
  redis.call('PEXPIREAT', index, text(tonumber(last[2])))
end

local run = {}

-- name idle ends_in user device [field value]...
function run.create(name, idle, ends_in, user, device, ...)
  local ends = now + tonumber(ends_in)
  -- One that begins in the very millisecond of a revocation begins after it.
  local made = math.max(now, tonumber(redis.call('GET', before) or '0') + 1)
  redis.call('HSET', session, '_user', user, '_device', device, '_made', text(made), '_seen', text(now), '_ends',
    text(ends), '_renewed', text(now), '_version', '1', ...)
  expire(tonumber(idle), ends)
  enlist(name, ends)
  return 1
end

-- name idle touch
function run.load(name, idle, touch)
  local ends, left_for = alive(name)
  if not ends then return false end
  if left_for then return { left_for } end
  local seen = tonumber(redis.call('HGET', session, '_seen'))
  if now - seen >= tonumber(touch) then
    redis.call('HSET', session, '_seen', text(now))
    expire(tonumber(idle), ends)
  end
  local fields = redis.call('HGETALL', session)
  fields[#fields + 1] = '_now'
  fields[#fields + 1] = text(now)
  return fields
end

-- name idle size expected changed [field value]... [dropped field]...
function run.save(name, idle, size, expected, changed, ...)
  local ends, left_for = alive(name)
  if not ends or left_for then return 'gone' end
  if expected ~= '' and redis.call('HGET', session, '_version') ~= expected then return 'changed' end
  local given, total = { ... }, 0
  local new = {}
  for i = 1, tonumber(changed) * 2, 2 do
    new[given[i]] = given[i + 1]
    total = total + #given[i] + #given[i + 1]
  end
  local gone = {}
  for i = tonumber(changed) * 2 + 1, #given do gone[given[i]] = true end
  local fields = redis.call('HGETALL', session)
  for i = 1, #fields, 2 do
    local field = fields[i]
    if string.sub(field, 1, 1) == ':' and not new[field] and not gone[field] then
      total = total + #field + #fields[i + 1]
    end
  end
  if total > tonumber(size) then return 'large' end
  for field in pairs(gone) do redis.call('HDEL', session, field) end
  for field, value in pairs(new) do redis.call('HSET', session, field, value) end
  redis.call('HSET', session, '_seen', text(now))
  expire(tonumber(idle), ends)
  return redis.call('HINCRBY', session, '_version', 1)
end

-- name grace to: everything that it held; from now on it can only be followed, and not for long
function run.leave(name, grace, to)
  local ends, left_for = alive(name)
  if not ends or left_for then return false end
  local fields = redis.call('HGETALL', session)
  local made = redis.call('HGET', session, '_made')
  drop(name)
  if tonumber(grace) > 0 then
    redis.call('HSET', session, '_to', to, '_made', made, '_ends', text(now + tonumber(grace)))
    redis.call('PEXPIRE', session, grace)
  end
  return fields
end

-- name idle user [field value]...: what another name held
function run.enter(name, idle, user, ...)
  redis.call('HSET', session, ...)
  local made = math.max(now, tonumber(redis.call('GET', before) or '0') + 1)
  redis.call('HSET', session, '_user', user, '_renewed', text(now), '_made', text(made))
  redis.call('HINCRBY', session, '_version', 1)
  local ends = tonumber(redis.call('HGET', session, '_ends'))
  expire(tonumber(idle), ends)
  enlist(name, ends)
  return 1
end

-- name
function run.destroy(name)
  drop(name)
  return 1
end

-- longest
function run.revoke(longest)
  redis.call('SET', before, text(now), 'PX', longest)
  redis.call('DEL', index)
  return 1
end

-- (none): the names of the user's sessions
function run.list()
  redis.call('ZREMRANGEBYSCORE', index, '-inf', text(now))
  return redis.call('ZRANGE', index, 0, -1)
end

return run[operation](unpack(ARGV, 3))
