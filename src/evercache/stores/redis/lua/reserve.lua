-- Before a put: invalidates the key and gives a generation that nobody else shares.
-- KEYS: entry generation namespace ban bans log tag...
-- ARGV: candidate lock_ms horizon_ms key
-- Reply: as begin
redis.call('DEL', KEYS[1])
local current = get_or_new(KEYS[3], ARGV[1] .. '|' .. run, ARGV[3])
local position = ban_position(KEYS[4], KEYS[5], ARGV[3])
local token = '!' .. unique(ARGV[1])
redis.call('SET', KEYS[2], token, 'PX', ARGV[2])
local found = stamps(7, ARGV[1], ARGV[3])
return {false, current, position, found, token, log(KEYS[6], 'k', ARGV[4]), 0, 0, now}
