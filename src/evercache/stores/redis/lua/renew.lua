-- Keep generation and lock alive during a long load. Reply: 0 if the generation is gone.
-- KEYS: generation lock
-- ARGV: lock generation lease_ms lock_ms
if redis.call('GET', KEYS[2]) == ARGV[1] then
  prolong(KEYS[2], ARGV[4])
end
if redis.call('GET', KEYS[1]) ~= ARGV[2] then
  return 0
end
prolong(KEYS[1], ARGV[3])
return 1
