-- A new soft part behind the slash: every entry that names this tag is stale, and loads under the old one are rejected.
-- KEYS: tag log
-- ARGV: tag candidate
local stamp, left = redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])
redis.call('DEL', KEYS[1])
if stamp then
  stamp = string.match(stamp, '^[^/]*') .. '/' .. unique(ARGV[2])
  if left < 0 then
    redis.call('SET', KEYS[1], stamp)
  else
    redis.call('SET', KEYS[1], stamp, 'PX', math.max(left, 1))
  end
end
log(KEYS[2], 'y', ARGV[1])
return 1
