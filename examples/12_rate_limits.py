"""Five sign-ins in a quarter of an hour for each address, and a hundred requests a minute for each client.

PYTHONPATH=src python examples/12_rate_limits.py
"""

import asyncio

from evercache.ratelimit import Limit, Limiter

LOGIN = Limit("login", 5, "15m", algorithm="log")
API = Limit("api", 100, "1m", burst=20)


async def main() -> None:
    limiter = Limiter()  # give it RedisData("redis://…") to count for all processes
    verdict = await limiter.hit("ip:198.51.100.1", LOGIN, API)
    print("somebody else, left:", verdict.answers[0].remaining)
    for attempt in range(1, 7):
        verdict = await limiter.hit("ip:203.0.113.7", LOGIN, API)
        left = ", ".join(f"{answer.limit.name} {answer.remaining}" for answer in verdict.answers)
        print(f"attempt {attempt}: {'let in' if verdict else 'refused'}; left: {left}")
    print(f"come back in {verdict.retry_after / 60:.0f} minutes")


if __name__ == "__main__":
    asyncio.run(main())
