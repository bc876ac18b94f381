-- Store a loaded value, if generation, namespace, ban position and all stamps are what they were when the load began.
-- KEYS: entry generation lock waiting namespace ban bans wake tag...
-- ARGV: lock generation envelope ttl_ms ('' = for ever) stamp_life_ms ('' = for ever) namespace ban key stamp...
-- Reply: 1 stored, 0 rejected
local entry, generation, lock, namespace, ban = KEYS[1], KEYS[2], KEYS[3], KEYS[5], KEYS[6]

local accepted = redis.call('GET', generation) == ARGV[2]
  and redis.call('GET', namespace) == ARGV[6]
  and redis.call('GET', ban) == ARGV[7]
for i = 9, #KEYS do
  accepted = accepted and redis.call('GET', KEYS[i]) == ARGV[i]
end

-- The SET comes before any other write: after one, Redis would let it pass although the memory is full.
local failed = false
if accepted then
  local reply = ARGV[4] == '' and redis.pcall('SET', entry, ARGV[3]) or redis.pcall('SET', entry, ARGV[3], 'PX', ARGV[4])
  if reply.err then
    accepted, failed = false, reply
  end
end
local own = redis.call('GET', lock) == ARGV[1]
if own then
  redis.call('DEL', lock)
end
if accepted then
  redis.call('DEL', generation)
  prolong(namespace, ARGV[5])
  prolong(ban, ARGV[5])
  prolong(KEYS[7], ARGV[5])
  for i = 9, #KEYS do
    prolong(KEYS[i], ARGV[5])
  end
end
if own or accepted then
  wake(KEYS[4], KEYS[8], ARGV[8])
end
return failed or (accepted and 1 or 0)
