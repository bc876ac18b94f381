-- Everything stored so far is invalid. O(1).
-- KEYS: namespace ban bans log
-- ARGV: candidate horizon_ms
distrust(KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1], ARGV[2])
return 1
