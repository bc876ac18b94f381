"""A value that is made of other cached values goes with them. There is nothing to configure."""

import asyncio

from evercache import Cache

cache = Cache(namespace="examples")
titles = {7: "Paint the door", 8: "Oil the hinge"}


@cache.cached(ttl="1h", tags=["task:{task_id}"])
async def title_of(task_id: int) -> str:
    print(f"  loads title {task_id}")
    return titles[task_id]


@cache.cached(ttl="1h")
async def board() -> list[str]:
    print("  loads the board")
    return list(await asyncio.gather(*map(title_of, titles)))


@cache.cached(ttl="1h")
async def page() -> str:
    print("  loads the page")
    return "<ul>" + "".join(f"<li>{title}" for title in await board())


@cache.invalidates("task:{task_id}")
async def rename(task_id: int, title: str) -> None:
    titles[task_id] = title


async def main() -> None:
    async with cache:
        print("the first time:", await page())
        print("again:", await page())
        await rename(7, "Paint the gate")
        print("after the change:", await page())


if __name__ == "__main__":
    asyncio.run(main())
