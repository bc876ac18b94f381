"""Write the figures of the README between its markers, from the files under benchmarks/results/ and from nothing else.

``--check`` writes nothing and fails where the README says something else than the files.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from pages import ROOT, settle, table

README = ROOT / "README.md"
RESULTS = ROOT / "benchmarks" / "results"
BLOCK = re.compile(r"(<!-- figures -->\n).*?(<!-- /figures -->)", re.DOTALL)


def load(name: str) -> Any:  # Any: JSON
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def median(case: dict[str, Any], shape: str, candidate: str) -> float:
    return float(case[shape][candidate]["median"])


def rows() -> list[list[str]]:
    """One row for each claim: what was measured, ours, and what it is compared with."""
    found = load("benchmarks")
    hit, l2 = found["cases"]["l1_hit"], found["cases"]["l2_get"]
    tags, stampede = found["cases"]["tag_invalidation"], found["cases"]["stampede"]
    ours, floor = median(hit, "int", "evercache"), median(hit, "int", "floor: await empty()")
    peers = ", ".join(
        f"{name} {median(hit, 'int', name) / ours:.1f} times that"
        for name in ("cachebox", "async-lru", "fastapi-cache2", "cashews")
    )
    gets, redis_py = median(l2, "100 callers", "evercache"), median(l2, "100 callers", "redis-py")
    busy = median(tags, "1,000,000 keys", "evercache, Redis busy")
    http = found["cases"]["http"]
    whole = median(http, "hit, of the raw callable", "evercache")
    other_http = ", ".join(
        f"{name} {median(http, 'hit, of the raw callable', candidate):.2f}"
        for name, candidate in (
            ("FastAPI uncached", "FastAPI route, Pydantic model"),
            ("fastapi-cache2", "fastapi-cache2, memory"),
            ("cashews", "cashews, memory"),
            ("nginx", "nginx proxy_cache"),
        )
    )
    added = median(http, "miss, CPU added", "evercache")
    loads = median(stampede, "4 processes x 250", "loads")
    hung = load("faults")["faults"]["hung"]
    ratio = load("hit-ratio")["summary"]["published"]
    return [
        ["hit in this process's memory", f"{ours:.2f} µs, {ours / floor:.1f} times an empty await", peers],
        ["hits in Redis, 100 callers", f"{gets:,.0f} a second", f"redis-py alone: {redis_py:,.0f}"],
        ["whole responses, hit", f"{whole:.2f} of a raw ASGI callable's rate", other_http],
        ["whole responses, miss", f"{added:.0f} µs of CPU added", "its goal is 15 µs"],
        [
            "invalidate a tag beside 1,000,000 keys",
            f"{median(tags, '1,000,000 keys', 'evercache'):.2f} ms",
            f"Redis busy for {busy:.2f} ms",
        ],
        ["1,000 callers of a cold key in 4 processes", f"{loads:.0f} load", "4 × 250 callers, a load takes 50 ms"],
        [
            "Redis hangs",
            f"{hung['calls_until_open']} call pays {hung['first_ms']:.0f} ms",
            f"then {hung['added_p99_ms']:.2f} ms more at p99, until it is back",
        ],
        [
            "hit ratio of the memory's eviction",
            f"{ratio['evercache']['hit_ratio']:.1f} %",
            f"LRU {ratio['lru']['hit_ratio']:.1f} %, theine {ratio['theine']['hit_ratio']:.1f} %, on published traces",
        ],
        ["stale reads under faults", *stale()],
    ]


def stale() -> tuple[str, str]:
    """Of real processes under real faults, all sites together."""
    faults = [fault for site in load("checker").values() for fault in site["faults"].values()]
    total = {name: sum(fault[name] for fault in faults) for name in ("rounds", "reads", "invalidations", "stale_reads")}
    return (
        f"{total['stale_reads']} of {total['reads']:,} reads",
        f"{total['invalidations']:,} invalidations in {total['rounds']} rounds, each with a fault",
    )


def figures() -> str:
    """The block: machine and date, then the table."""
    run = load("benchmarks")["run"]
    where = f"{run['machine']}, CPython {run['python']}, {run['date']}"
    shared = "; the machine was shared, so trust the ratios" if run.get("shared") else ""
    return f"\nMeasured on {where}{shared}.\n\n{table(['what', 'evercache', 'beside it'], rows())}\n\n"


def main() -> int:
    text = README.read_text(encoding="utf-8")
    new = BLOCK.sub(lambda found: found[1] + figures() + found[2], text)
    return settle({README: new}, check="--check" in sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
