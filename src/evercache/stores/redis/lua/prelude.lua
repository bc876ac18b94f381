-- Put in front of every script: unique stamps, lives that only grow, the two logs. Times are milliseconds.
-- Last four ARGV of every script: room for bans, run id of the server, life of the logs, channel of the bell ('' = none).

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local max_bans, run = tonumber(ARGV[#ARGV - 3]), ARGV[#ARGV - 2]
local log_life, bell = tonumber(ARGV[#ARGV - 1]), ARGV[#ARGV]
local serial = 0

-- `candidate` made unique by this server's clock: a command that is executed twice never yields the same stamp.
local function unique(candidate)
  serial = serial + 1
  return candidate .. '.' .. time[1] .. string.format('%06d', time[2]) .. '.' .. serial
end

-- Let `key` live at least `life` from now ('' = for ever). Long lives are given a second of slack, to save the write.
local function prolong(key, life)
  if life == '' then
    redis.call('PERSIST', key)
    return
  end
  life = tonumber(life)
  local left = redis.call('PTTL', key)
  if left >= 0 and left < life - (life > 60000 and 1000 or 0) then
    redis.call('PEXPIRE', key, life)
  end
end

-- The value of `key`, created from `candidate` if it isn't there.
local function get_or_new(key, candidate, life)
  local value = redis.call('GET', key)
  if value then
    prolong(key, life)
  else
    value = unique(candidate)
    redis.call('SET', key, value, 'PX', life)
  end
  return value
end

local function add(stream, length, kind, name)
  local position = redis.call('XADD', stream, 'MAXLEN', '~', length, '*', kind, name)
  if redis.call('PTTL', stream) < log_life - 1000 then
    redis.call('PEXPIRE', stream, log_life)
  end
  if bell ~= '' then
    redis.call('PUBLISH', bell, stream)
  end
  return position
end

local function log(stream, kind, name)
  return add(stream, 10000, kind, name)
end

-- Tell those who wait for `key`, if somebody does.
local function wake(waiting, stream, key)
  if redis.call('DEL', waiting) == 1 then
    add(stream, 1000, 'k', key)
  end
end

-- The last position of the log; makes sure that there is one, for a log without a record can't show a gap.
local function last(stream)
  local records = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)
  return records[1] and records[1][1] or log(stream, 'o', '')
end

-- The position in the ban list; a new list begins with a pattern that matches nothing.
local function ban_position(key, list, horizon)
  local position = redis.call('GET', key)
  if not position then
    position = unique('b')
    redis.call('SET', key, position, 'PX', horizon)
    redis.call('XADD', list, '*', position, '')
    redis.call('PEXPIRE', list, horizon)
  end
  return position
end

-- The stamps of the tags KEYS[first]...
local function stamps(first, candidate, horizon)
  local found = {}
  for i = first, #KEYS do
    found[#found + 1] = get_or_new(KEYS[i], candidate, horizon)
  end
  return found
end

-- A new namespace stamp and an empty ban list: whatever was stored before is invalid. Begins with DEL, see invalidate_key.
local function distrust(namespace, ban, list, stream, candidate, horizon)
  redis.call('DEL', namespace, ban, list)
  redis.call('SET', namespace, unique(candidate .. '|' .. run), 'PX', horizon)
  log(stream, 'n', '')
end
