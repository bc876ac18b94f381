"""An old answer at once, and a reload behind it; and an old answer instead of an error. Time is a clock we move."""

import asyncio

from evercache import Cache
from evercache.testing.clock import ManualClock

clock = ManualClock()
cache = Cache(namespace="examples", clock=clock)
source_works = True
version = 0


@cache.cached(ttl="1m", stale_for="10m", fail_safe="1h", jitter=0.0)
async def rates() -> str:
    """A source that sometimes fails."""
    global version
    if not source_works:
        raise ConnectionError("the source is down")
    version += 1
    return f"rates, version {version}"


async def main() -> None:
    global source_works
    print("first:", await rates())
    clock.advance(61)
    print("a minute later, at once:", await rates())
    await asyncio.sleep(0)
    await clock.tick(0.1)
    print("reloaded behind it:", await rates())
    source_works = False
    clock.advance(1800)
    print("the source is down, half an hour later:", await rates())


if __name__ == "__main__":
    asyncio.run(main())
