"""Rate limits: so much in so long, for each who asks, the same in all processes.

from evercache.ratelimit import Limit, Limiter, RateLimitMiddleware, by_client

limiter = Limiter(RedisData("redis://localhost:6379/1"))
app.add_middleware(RateLimitMiddleware, limiter=limiter, limits=[Limit("api", 100, "1m", key=by_client())])

limits       what is limited: quota, window, algorithm
algorithms   how it is counted (and in stores/redis/lua/limit.lua the same)
memory       counting in this process           shared   counting in the store, one script for all limits
limiter      the question, and what happens while the store is away
identity     who asks                           headers  what a client is told
admission    several identities in one request  middleware
"""

from evercache.ratelimit.identity import by_client, by_header, by_user, everybody
from evercache.ratelimit.limiter import Limiter
from evercache.ratelimit.limits import Algorithm, Limit, OnError
from evercache.ratelimit.middleware import RateLimitMiddleware
from evercache.ratelimit.verdict import Answer, Verdict

__all__ = [
    "Algorithm",
    "Answer",
    "Limit",
    "Limiter",
    "OnError",
    "RateLimitMiddleware",
    "Verdict",
    "by_client",
    "by_header",
    "by_user",
    "everybody",
]
