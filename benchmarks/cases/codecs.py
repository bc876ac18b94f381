"""What it costs to make bytes of a value and a value of bytes: `python -m benchmarks.cases.codecs [--json out.json]`.

Method: one value, a list of 100 orders with times, decimals and identifiers, is encoded and decoded by each way in turn
for several rounds; a figure is the fastest round, in microseconds of CPU for one round trip, because everything slower
was the machine's doing. `pickle` is the yardstick that hand-made caches use; here it only ever reads what this program
wrote. `exact` says whether what comes back is what went in, types included.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from evercache.codecs.choose import for_type
from evercache.codecs.compress import Compressor
from evercache.codecs.packer import Packer

ROWS = ("S2.18",)
ROUNDS, TIMES = 30, 20


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
        "typed": (typed.encode, typed.decode),
        "typed, packed": (lambda value: packer.pack(value, b"key"), lambda data: packer.unpack(data, b"key")),
        "pickle": (lambda value: pickle.dumps(value, 5), pickle.loads),
        # As hand-made caches do it: texts come back where times, decimals and identifiers went in.
        "json": (lambda value: json.dumps([asdict(order) for order in value], default=str).encode(), json.loads),
    }


def round_trip(way: Way) -> float:
    """Microseconds of CPU for one encode and one decode."""
    encode, decode = way
    began = time.process_time()
    for _ in range(TIMES):
        decode(encode(ORDERS))
    return (time.process_time() - began) / TIMES * 1e6


def measure() -> list[dict[str, Any]]:
    known = ways()
    best = dict.fromkeys(known, float("inf"))
    for _ in range(ROUNDS):
        for name, way in known.items():
            best[name] = min(best[name], round_trip(way))
    return [
        {
            "way": name,
            "us": round(best[name], 1),
            "times_pickle": round(best["pickle"] / best[name], 2),
            "bytes": len(encode(ORDERS)),
            "exact": decode(encode(ORDERS)) == ORDERS,
        }
        for name, (encode, decode) in known.items()
    ]


def main() -> None:
    ask = argparse.ArgumentParser(prog="python -m benchmarks.cases.codecs", description=__doc__)
    ask.add_argument("--json", type=Path, help="where to write the figures")
    given = ask.parse_args()
    cells = measure()
    print(f"{'':16}{'us':>9}{'x pickle':>10}{'bytes':>8}  exact")
    for cell in cells:
        print(f"{cell['way']:16}{cell['us']:9.1f}{cell['times_pickle']:10.2f}{cell['bytes']:8}  {cell['exact']}")
    if given.json is not None:
        about = {
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
            "python": platform.python_version(),
            "date": time.strftime("%Y-%m-%d"),
        }
        given.json.write_text(json.dumps({"run": about, "cells": cells}, indent=1) + "\n")


if __name__ == "__main__":
    main()
