-- Stamps of tags that were only known after the load; nil if the log was lost since the anchor, or names one of them, one
-- of the other names (tags and keys), a pattern or the namespace.
-- KEYS: log tag...
-- ARGV: anchor candidate horizon_ms tag... other...
local anchor = ARGV[1]
if #redis.call('XRANGE', KEYS[1], anchor, anchor) == 0 then
  return false
end
local wanted = {}
for i = 4, #ARGV - 4 do
  wanted[ARGV[i]] = true
end
for _, record in ipairs(redis.call('XRANGE', KEYS[1], '(' .. anchor, '+')) do
  local kind, name = record[2][1], record[2][2]
  if kind == 'n' or kind == 'b' or wanted[name] then
    return false
  end
end
return stamps(2, ARGV[2], ARGV[3])
