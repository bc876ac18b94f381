"""Where the requests come from: files of published simulators, or workloads generated from a seed."""

from __future__ import annotations

import gzip
import lzma
import random
from array import array
from bisect import bisect
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

__all__ = ["APPLICATION", "LIMIT", "from_folder", "generated"]

LIMIT = 1_000_000  # requests read from a trace

APPLICATION = frozenset({"web07", "orm-busy", "sprite", "zipf-scans"})
"""Recorded from applications, or drawn to look like one; the others each isolate one difficulty."""


def from_folder(folder: Path) -> Iterator[tuple[str, Sequence[int]]]:
    """Each `*.trace.xz` (big-endian 32-bit keys) and `*.trace.gz` (a decimal key a line, `*` separates) of *folder*."""
    for path in sorted(folder.glob("*.trace.*z")):
        name = path.name.split(".")[0]
        yield name, (binary(path) if path.suffix == ".xz" else lines(path))


def binary(path: Path) -> Sequence[int]:
    keys = array("I")
    with lzma.open(path) as file:
        keys.frombytes(file.read(LIMIT * 4))
    keys.byteswap()
    return keys.tolist()


def lines(path: Path) -> Sequence[int]:
    with gzip.open(path, "rt") as file:
        keys = [int(line) for line in file if line.strip() not in ("", "*")]
    return keys[:LIMIT]


def generated(scale: float = 1.0) -> Iterator[tuple[str, Sequence[int]]]:
    """The synthetic workloads, the same for every run. *scale* shrinks them for a quick look."""
    requests = int(300_000 * scale)
    yield "zipf-scans", zipf_and_scans(requests)
    yield "shifting", shifting_zipf(requests)
    yield "two-pools", two_pools(requests)
    yield "loop-generated", [position % 1000 for position in range(requests)]


def zipf(choose: random.Random, keys: int, exponent: float, count: int) -> list[int]:
    """*count* ranks, 0 the most popular, drawn with weight 1 / rank ** exponent."""
    total = list(accumulate(1 / rank**exponent for rank in range(1, keys + 1)))
    return [bisect(total, choose.random() * total[-1]) for _ in range(count)]


def zipf_and_scans(requests: int) -> list[int]:
    """Zipf 0.9 over 50,000 keys; after every 20,000 requests a scan of 5,000 keys nobody asks for again."""
    choose = random.Random(1)
    popular = zipf(choose, 50_000, 0.9, requests * 4 // 5)
    trace: list[int] = []
    unseen = 1_000_000
    for start in range(0, len(popular), 20_000):
        trace += popular[start : start + 20_000]
        trace += range(unseen, unseen + 5_000)
        unseen += 5_000
    return trace


def shifting_zipf(requests: int) -> list[int]:
    """Zipf 0.9 over 20,000 keys whose ranks move on by 1,000 every 15,000 requests: popularity that fades."""
    choose = random.Random(2)
    ranks = zipf(choose, 20_000, 0.9, requests)
    return [(rank * 7919 + position // 15_000 * 1_000 * 7919) % 20_011 for position, rank in enumerate(ranks)]


def two_pools(requests: int) -> list[int]:
    """In turn a key of a small pool (100) and one of a big pool (10,000): an index and its rows (O'Neil 1993)."""
    choose = random.Random(3)
    return [choose.randrange(100) if turn % 2 else 100 + choose.randrange(10_000) for turn in range(requests)]
