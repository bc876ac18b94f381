-- Before a load: the generation that its fill must present, the stamps it will depend on, and the advisory herd lock.
-- An entry that the caller hasn't judged yet is returned instead, and nothing is begun.
-- KEYS: entry generation lock waiting namespace ban bans log tag...
-- ARGV: candidate lock lease_ms lock_ms horizon_ms seen force rotate
-- Reply: entry, namespace, ban, stamps, generation (nil: reserved by a put), anchor, holder, wait_ms, now_ms
local entry, generation, lock, waiting, namespace, ban = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local candidate, owner, lease, lock_ms, horizon, seen = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local force, rotate = ARGV[7] == '1', ARGV[8] == '1'

if not force then
  local head = redis.call('GETRANGE', entry, 0, 35)
  if string.sub(head, 1, 2) == 'EC' and string.sub(head, 21, 36) ~= seen then
    local found = {}
    for i = 9, #KEYS do
      found[#found + 1] = redis.call('GET', KEYS[i])
    end
    return {redis.call('GET', entry), redis.call('GET', namespace), redis.call('GET', ban), found, false, '', 0, 0, now}
  end
  if head ~= '' and string.sub(head, 1, 2) ~= 'EC' then
    redis.call('DEL', entry)  -- not ours: it would be asked for, and be no use, at every read
  end
end

local current = get_or_new(namespace, candidate .. '|' .. run, horizon)
local position = ban_position(ban, KEYS[7], horizon)
local token = redis.call('GET', generation)
if not token or rotate then
  token = unique(candidate)
  redis.call('SET', generation, token, 'PX', lease)
elseif string.sub(token, 1, 1) == '!' then
  token = false
else
  prolong(generation, lease)
end
local found = stamps(9, candidate, horizon)

local holder, wait = 1, 0
local other = redis.call('GET', lock)
if other and other ~= owner then
  holder, wait = 0, redis.call('PTTL', lock)
  if not force then
    redis.call('SET', waiting, '1', 'PX', lock_ms)
  end
else
  redis.call('SET', lock, owner, 'PX', lock_ms)
end
return {false, current, position, found, token, last(KEYS[8]), holder, wait, now}
