"""A slow function, cached in this process: one load for a thousand callers, and one key for every spelling."""

import asyncio

from evercache import Cache

cache = Cache(namespace="examples")
loads = 0


@cache.cached(ttl="5m")
async def price(article: int, currency: str = "EUR") -> float:
    """What takes 50 ms without a cache."""
    global loads
    loads += 1
    await asyncio.sleep(0.05)
    return article * {"EUR": 1.19, "USD": 1.29}[currency]


async def main() -> None:
    await asyncio.gather(*(price(7) for _ in range(1000)))
    await price(article=7, currency="EUR")
    print(f"1,001 calls, {loads} load")
    print(await price.why(7))


if __name__ == "__main__":
    asyncio.run(main())
