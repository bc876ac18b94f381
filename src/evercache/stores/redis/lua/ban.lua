-- Add a pattern to the ban list; a full list becomes a new namespace stamp, which invalidates everything.
-- KEYS: namespace ban bans log
-- ARGV: pattern candidate horizon_ms
redis.call('DEL', KEYS[2])
local length = redis.call('XLEN', KEYS[3])
if length >= max_bans then
  distrust(KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[2], ARGV[3])
  return 1
end
local position = unique(ARGV[2])
redis.call('XADD', KEYS[3], '*', position, ARGV[1])
if length == 0 then
  redis.call('PEXPIRE', KEYS[3], ARGV[3])
else
  prolong(KEYS[3], ARGV[3])
end
redis.call('SET', KEYS[2], position, 'PX', ARGV[3])
log(KEYS[4], 'b', ARGV[1])
return 1
