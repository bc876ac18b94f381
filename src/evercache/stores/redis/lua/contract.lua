-- The first process writes what all processes of a namespace must agree on; the others read it. Each use prolongs it.
-- KEYS: contract
-- ARGV: text life_ms
local text = redis.call('GET', KEYS[1])
if not text then
  text = ARGV[1]
  redis.call('SET', KEYS[1], text, 'PX', ARGV[2])
end
redis.pcall('PEXPIRE', KEYS[1], ARGV[2])
return text
