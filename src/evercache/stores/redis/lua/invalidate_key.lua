-- Drop an entry and reject every load that began before.
-- DEL comes first, as in every invalidation: it needs no memory, and after it Redis lets the rest pass when it is full.
-- KEYS: entry generation log
-- ARGV: key
redis.call('DEL', KEYS[1], KEYS[2])
log(KEYS[3], 'k', ARGV[1])
return 1
