-- Give the herd lock back without a value.
-- KEYS: lock waiting wake
-- ARGV: lock key
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
  wake(KEYS[2], KEYS[3], ARGV[2])
end
return 1
