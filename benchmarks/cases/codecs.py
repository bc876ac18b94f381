"""What it costs to make bytes of a value and a value of bytes, in microseconds of CPU for one round trip.

Method: one value, a list of 100 orders with times, decimals and identifiers, is encoded and decoded by each way in turn
for several rounds. `pickle` is the yardstick that hand-made caches use; here it only ever reads what this program wrote.
`exact` says whether what comes back is what went in, types included.

`python -m benchmarks.cases.codecs [--json out.json]` runs this case alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import pickle
import platform
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks.measure import Figure, cpu_per_call, figure, rounds
from evercache.codecs.choose import for_type
from evercache.codecs.compress import Compressor
from evercache.codecs.packer import Packer

ROWS = ("S2.18",)
TIMES = 20
GOALS = {"round trip": {"pickle": 1 / 3.5}}


@dataclass
class Order:
    id: UUID
    customer: str
    placed: datetime
    total: Decimal
    lines: list[tuple[str, int]]
    paid: bool


ORDERS = [
    Order(
        id=UUID(int=number * 2**90 + 7),
        customer=f"customer {number % 20}",
        placed=datetime(2030, 1, 1, tzinfo=UTC) + timedelta(minutes=number),
        total=Decimal(number * 137) / 100,
        lines=[(f"article {line}", line + 1) for line in range(number % 5)],
        paid=number % 3 == 0,
    )
    for number in range(100)
]

Way = tuple[Callable[[Any], bytes], Callable[[bytes], Any]]


def ways() -> dict[str, Way]:
    typed = for_type(list[Order])
    packer = Packer(typed, compressor=Compressor())
    return {
        "evercache": (typed.encode, typed.decode),
        "evercache, compressed": (lambda value: packer.pack(value, b"key"), lambda data: packer.unpack(data, b"key")),
        "pickle": (lambda value: pickle.dumps(value, 5), pickle.loads),
        # As hand-made caches do it: texts come back where times, decimals and identifiers went in.
        "json": (lambda value: json.dumps([asdict(order) for order in value], default=str).encode(), json.loads),
    }


def round_trip(way: Way) -> Callable[[], Awaitable[float]]:
    """Microseconds of CPU for one encode and one decode."""
    encode, decode = way

    async def repeat() -> int:
        for _ in range(TIMES):
            decode(encode(ORDERS))
        return TIMES

    return cpu_per_call(repeat)


async def run(*, quick: bool) -> dict[str, dict[str, Figure]]:
    known = ways()
    costs = await rounds(
        {name: round_trip(way) for name, way in known.items()}, count=3 if quick else 30, unit="us CPU a round trip"
    )
    sizes = {name: figure([len(encode(ORDERS))], "bytes") for name, (encode, _) in known.items()}
    exact = {
        name: figure([float(decode(encode(ORDERS)) == ORDERS)], "exact") for name, (encode, decode) in known.items()
    }
    return {"round trip": costs, "size": sizes, "exact": exact}


def main() -> None:
    ask = argparse.ArgumentParser(prog="python -m benchmarks.cases.codecs", description=__doc__)
    ask.add_argument("--json", type=Path, help="where to write the figures")
    given = ask.parse_args()
    results = asyncio.run(run(quick=False))
    for what, by_way in results.items():
        for name, found in by_way.items():
            print(f"{what:12}{name:24}{found['median']:10.1f} {found['unit']}")
    if given.json is not None:
        about = {
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
            "python": platform.python_version(),
            "date": time.strftime("%Y-%m-%d"),
        }
        given.json.write_text(json.dumps({"run": about, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
