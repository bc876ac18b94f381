-- Where the reader of the log starts: the ends of the invalidation log and of the wake-up log.
-- KEYS: log wake heartbeat
-- Reply: position, wake position, now_ms
redis.call('DEL', KEYS[3])  -- so that the log can be opened although the memory is full
local records = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
return {last(KEYS[1]), records[1] and records[1][1] or '0-0', now}
