"""From arguments to a key: CPU per call of the canonical encoding, of the digest over it, and of what others do."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

from benchmarks.measure import Figure, cpu_per_call, rounds
from evercache.core.keys import digest, encode

ARGUMENTS: dict[str, tuple[object, ...]] = {
    "int": (42,),
    "str, int": ("profile", 42),
    "uuid, datetime": (UUID(int=7), datetime(2030, 1, 1, tzinfo=UTC)),
    "dict of 10": ({f"field{i}": i for i in range(10)},),
    "10 KB of text": ("x" * 10_000,),
}


def _turns(
    make: Callable[[tuple[object, ...]], object], arguments: tuple[object, ...], turns: int
) -> Callable[[], Awaitable[int]]:
    async def run() -> int:
        for _ in range(turns):
            make(arguments)
        return turns

    return run


def evercache(arguments: tuple[object, ...]) -> str:
    return digest(b"".join(map(encode, arguments)), b"")


def of_repr(arguments: tuple[object, ...]) -> str:
    """Short, and wrong for many: objects without a repr of their own never hit, some that differ are one."""
    return sha256(repr(arguments).encode()).hexdigest()


def of_pickle(arguments: tuple[object, ...]) -> str:
    """Equal arguments may give different bytes."""
    return sha256(pickle.dumps(arguments)).hexdigest()


async def run(*, quick: bool) -> dict[str, dict[str, Figure]]:
    count, turns = (3, 200) if quick else (11, 4_000)
    makers = {"evercache": evercache, "sha256 of repr": of_repr, "sha256 of pickle": of_pickle}
    return {
        shape: await rounds(
            {name: cpu_per_call(_turns(make, arguments, turns)) for name, make in makers.items()},
            count=count,
            unit="us CPU per key",
        )
        for shape, arguments in ARGUMENTS.items()
    }


GOALS: dict[str, dict[str, float]] = {}

if __name__ == "__main__":
    print(asyncio.run(run(quick=True)))
