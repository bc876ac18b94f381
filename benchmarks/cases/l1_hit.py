"""A hit of a decorated async function: CPU per call, against the await of an empty coroutine of the same signature.

512 hot keys, one thread. The loop around the calls is in every figure, the floor's included.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.measure import Figure, cpu_per_call, rounds
from benchmarks.peers.memory import DECORATORS

KEYS = 512
Call = Callable[..., Awaitable[Any]]


def _functions() -> dict[str, tuple[Call, str]]:
    async def one(i: int) -> int:
        return i

    async def two(s: str, i: int) -> int:
        return i

    async def three(*, a: int, b: int, c: int) -> int:
        return a

    async def texts(*, a: str, b: str, c: str) -> int:
        return 1

    return {
        "int": (one, "i"),
        "str, int": (two, "texts[i], i"),
        "3 int keywords": (three, "a=i, b=2, c=3"),
        "3 str keywords": (texts, "a=texts[i], b='x', c='y'"),
    }


def _calling(function: Call, words: str, turns: int) -> Callable[[], Awaitable[int]]:
    """A loop that is compiled for these arguments: a generic one would cost as much as what is measured."""
    names: dict[str, Any] = {"f": function, "texts": [str(i) for i in range(KEYS)]}
    source = f"async def run():\n for _ in range({turns}):\n  for i in range({KEYS}): await f({words})\n return {turns * KEYS}"
    exec(source, names)  # noqa: S102 - a benchmark's own text
    run: Callable[[], Awaitable[int]] = names["run"]
    return run


async def run(*, quick: bool) -> dict[str, dict[str, Figure]]:
    count, turns = (3, 2) if quick else (11, 20)
    results: dict[str, dict[str, Figure]] = {}
    for shape, (plain, words) in _functions().items():
        candidates = {"floor: await empty()": cpu_per_call(_calling(plain, words, turns))}
        for name, make in DECORATORS.items():
            slow = name in ("aiocache", "cashews", "fastapi-cache2")
            decorated = make()(_functions()[shape][0])
            candidates[name] = cpu_per_call(_calling(decorated, words, 1 if slow else turns))
        results[shape] = await rounds(candidates, count=count, unit="us CPU per hit")
    return results


GOALS = {
    "int": {"floor: await empty()": 3.0, "cachebox": 1 / 1.8, "async-lru": 1 / 3, "fastapi-cache2": 1 / 25, "cashews": 1 / 100},
    "str, int": {"floor: await empty()": 3.0},
    "3 int keywords": {"floor: await empty()": 4.0, "cachebox": 1 / 3},
    "3 str keywords": {"floor: await empty()": 4.0, "cachebox": 1 / 3},
}  # fmt: skip
"""The most that evercache may cost, in parts of what another one costs."""
