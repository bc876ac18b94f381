-- A new stamp: every entry that names this tag is invalid, and every load under the old stamp will be rejected.
-- KEYS: tag log
-- ARGV: tag candidate horizon_ms
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], unique(ARGV[2]), 'PX', ARGV[3])
log(KEYS[2], 't', ARGV[1])
return 1
