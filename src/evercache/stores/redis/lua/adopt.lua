-- The first command on a server: if the namespace stamp was made by another server process, writes may have been lost.
-- KEYS: namespace ban bans log
-- ARGV: candidate horizon_ms
-- Reply: 1 distrusted, 0 nothing to distrust
local stamp = redis.call('GET', KEYS[1])
if not stamp or string.find(stamp, '|' .. run .. '.', 1, true) then
  return 0
end
distrust(KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1], ARGV[2])
return 1
