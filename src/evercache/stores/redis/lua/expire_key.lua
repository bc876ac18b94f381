-- Make an entry stale, keep it for fail-safe, and reject every load that began before.
-- `fresh_until` stands at offset 4 of the envelope as a big-endian number of 8 bytes; 0 = for ever.
-- KEYS: entry generation log
-- ARGV: key
redis.call('DEL', KEYS[2])
local head = redis.call('GETRANGE', KEYS[1], 0, 11)
if #head == 12 and string.sub(head, 1, 2) == 'EC' then
  local fresh_until = struct.unpack('>I8', head, 5)
  if fresh_until == 0 or fresh_until > now then
    redis.call('SETRANGE', KEYS[1], 4, struct.pack('>I8', now))
  end
end
log(KEYS[3], 'x', ARGV[1])
return 1
