"""What Redis does in one step, in Lua: a hash never lags behind what was published, nor goes back."""

from __future__ import annotations

PUBLISH = """
-- KEYS states versions events  ARGV bot version engine engine-prefix state-message anew-message forced-from
local held = redis.call('HGET', KEYS[2], ARGV[1])
local message = ARGV[5]
if held then
  local at, by = string.match(held, '^(%d+) (.*)$')
  local back = tonumber(ARGV[2]) <= tonumber(at)
  if by ~= ARGV[3] and redis.call('EXISTS', ARGV[4] .. by) == 1 then
    return {'held', by}
  end
  if back and at ~= ARGV[7] then
    if by == ARGV[3] and ARGV[2] == at then return {'same', at} end
    return {'older', at}
  end
  if back then message = ARGV[6] end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[5])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2] .. ' ' .. ARGV[3])
redis.call('PUBLISH', KEYS[3], message)
return {'sent', ARGV[2]}
"""
"""Publish a state and keep it. The answer is "sent", "same", "older" (than the version that follows, which
may be overcome by naming it in forced-from) or "held" (by a living engine, whose id follows)."""

REMOVE = """
-- KEYS states versions events  ARGV engine, then bot and gone-message in turns
for i = 2, #ARGV, 2 do
  local held = redis.call('HGET', KEYS[2], ARGV[i])
  if held and string.match(held, '^%d+ (.*)$') == ARGV[1] then
    redis.call('HDEL', KEYS[1], ARGV[i])
    redis.call('HDEL', KEYS[2], ARGV[i])
    redis.call('PUBLISH', KEYS[3], ARGV[i + 1])
  end
end
return 1
"""
"""Forget bots of an engine, and say so."""

BEAT = """
-- KEYS engine events  ARGV beat-message milliseconds beat-message-if-unknown
local known = redis.call('EXISTS', KEYS[1])
local beat = known == 1 and ARGV[1] or ARGV[3]
redis.call('SET', KEYS[1], beat, 'PX', ARGV[2])
redis.call('PUBLISH', KEYS[2], beat)
return known
"""
"""An engine's heartbeat; tells whether Redis still knew it. If not, it may have forgotten the bots too."""

BYE = """
-- KEYS engine events  ARGV bye-message
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', KEYS[2], ARGV[1])
return 1
"""
"""An engine takes its leave."""

PING = """
-- KEYS versions events  ARGV ping-message
local versions = redis.call('HGETALL', KEYS[1])
redis.call('PUBLISH', KEYS[2], ARGV[1])
return versions
"""
"""A listener's heartbeat: whoever hears it has heard all that led to the versions in the answer."""

SNAPSHOT = """
-- KEYS states versions  ARGV engine-prefix
local states = redis.call('HGETALL', KEYS[1])
local alive, asked = {}, {}
for _, held in ipairs(redis.call('HVALS', KEYS[2])) do
  local engine = string.match(held, '^%d+ (.*)$')
  if not asked[engine] then
    asked[engine] = true
    local beat = redis.call('GET', ARGV[1] .. engine)
    if beat then
      alive[#alive + 1] = beat
      alive[#alive + 1] = redis.call('PTTL', ARGV[1] .. engine)
    end
  end
end
return {states, alive}
"""
"""All states, and of each engine that lives its last beat and the milliseconds until its key expires."""

GIVE = """
-- KEYS engine seen commands  ARGV command wait-milliseconds keep-milliseconds
if redis.call('EXISTS', KEYS[1]) == 0 then return 'silent' end
if not redis.call('SET', KEYS[2], '1', 'NX', 'PX', ARGV[3]) then return 'seen' end
local now = redis.call('TIME')
local deadline = now[1] * 1000 + math.floor(now[2] / 1000) + ARGV[2]
redis.call('RPUSH', KEYS[3], string.format('%d ', deadline) .. ARGV[1])
redis.call('PEXPIRE', KEYS[3], ARGV[3])
return tostring(deadline)
"""
"""Hand a command to an engine, once; it is void after the deadline, by Redis' clock."""

WRITE = """
-- KEYS marker last stream...  ARGV nonce mode most last, then in turns: stream's place, number, before, data
if ARGV[2] == 'claim' then
  redis.call('SET', KEYS[1], ARGV[1])
elseif ARGV[2] ~= 'force' and redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
for i = 5, #ARGV, 4 do
  local stream = KEYS[tonumber(ARGV[i])]
  -- An entry that is there already is refused by its number, which is what we want.
  redis.pcall('XADD', stream, 'MAXLEN', '~', ARGV[3], ARGV[i + 1] .. '-0', 'b', ARGV[i + 2], 'd', ARGV[i + 3])
end
for i = 3, #KEYS do redis.call('EXPIRE', KEYS[i], 604800) end
if ARGV[4] ~= '' then redis.call('SET', KEYS[2], ARGV[4]) end
return 1
"""
"""Append to an engine's streams, unless Redis has forgotten it: then everything is to be written again. A
stream into which nothing is written for a week is forgotten."""

RELEASE = """
-- KEYS key  ARGV token
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
"""Give back a lock, if it is still ours."""

EXTEND = """
-- KEYS key  ARGV token milliseconds
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
"""
"""Keep a lock for longer, if it is still ours."""

WORKER_BEAT = """
-- KEYS workers  ARGV worker seconds
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
redis.call('ZADD', KEYS[1], string.format('%.6f', now), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.6f', now - ARGV[2]))
redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[2] * 2000))
return 1
"""
"""A worker's heartbeat."""

WORKERS = """
-- KEYS workers  ARGV seconds
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
return redis.call('ZCOUNT', KEYS[1], string.format('%.6f', now - ARGV[1]), '+inf')
"""
"""How many workers showed a sign of life in the last seconds."""
