"""An HTTP hit, a miss, a 304: one uvicorn worker (uvloop, httptools) for each candidate, and wrk with one thread and 32
connections. All answer the same 2,025 bytes of JSON; "the raw callable" is an ASGI application that sends them and does
nothing else, the most that any can reach. "evercache" alone is its middleware around everything; the others say where they
are. CPU is that of the server process. "(older)": in an environment with FastAPI 0.129, because that peer needs it.
nginx, one worker with proxy_cache in front of the raw callable, is not Python: it says what is possible.

A miss: every request has a query string of its own; the figure is the CPU that a candidate uses beyond the same
application without it. The listing is a FastAPI route over a table of 50,000 rows in SQLite (one page and the counts of
a board with 1,000 of them, found by an index). The API is a simulation, not a speed: two hours of 200 requests a second
for 10,000 resources by Zipf's law (1.0), by 1,000 users with browsers that ask whether what they have is still good; 2 %
of requests are writes, entries live for 10 minutes; every answer is checked to be the newest.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from typing import NamedTuple

from benchmarks.http.payload import BODY
from benchmarks.http.servers import Server, answers, ask, nginx, serving
from benchmarks.http.variants import Place, installed, listing
from benchmarks.http.variants.every import HITS
from benchmarks.http.workload import play
from benchmarks.http.wrk import Seen, load
from benchmarks.measure import Figure, figure
from benchmarks.servers import redis_server

ROWS = ("S2.85", "S2.88", "S2.91", "S2.92")
RAW = "raw ASGI callable"
MISSES = {
    "evercache": RAW,
    "fastapi-cachex, memory": "FastAPI route, Pydantic model",
    "fastapi-cache2, memory": "FastAPI route, Pydantic model",
}
"""Whose misses are measured, and the same application without a cache."""
GOALS = {
    "hit, of the raw callable": {
        "evercache": 0.80,
        "evercache, inside FastAPI's middleware": 0.60,
        "evercache, Redis": 0.30,
    },
    "miss, CPU added": {"evercache": 15},
    "listing, 1 connection, p50": {"FastAPI": 0.1},
    "an API for two hours": {"hits": 800},
}
Results = dict[str, dict[str, Figure]]


class Round(NamedTuple):
    """One load on one server."""

    seen: Seen
    cpu: float
    """Microseconds of the server for each request."""


Ask = Callable[[Server], Seen]


def measure(server: Server, ask_: Ask) -> Round:
    before = server.cpu()
    seen = ask_(server)
    return Round(seen, (server.cpu() - before) / seen.requests * 1e6)


def turns(servers: dict[str, Server], ask_: Ask, count: int) -> dict[str, list[Round]]:
    """*count* rounds in which every server is loaded once."""
    found: dict[str, list[Round]] = {name: [] for name in servers}
    for _ in range(count):
        for name, server in servers.items():
            found[name].append(measure(server, ask_))
    return found


def hits(servers: dict[str, Server], seconds: float, count: int) -> Results:
    found = turns(servers, lambda server: load(server.port, "/items", seconds), count)
    raw = [each.seen.rate for each in found[RAW]]
    shares = {
        name: [each.seen.rate / best for each, best in zip(rounds, raw, strict=True)] for name, rounds in found.items()
    }
    return {
        "hit": {name: figure([each.seen.rate for each in r], "requests a second") for name, r in found.items()},
        "hit, of the raw callable": {name: figure(s, "of its rate") for name, s in shares.items()},
        "hit, CPU": {name: figure([each.cpu for each in r], "us CPU per request") for name, r in found.items()},
    }


def misses(servers: dict[str, Server], seconds: float, count: int) -> Results:
    asked = {name: servers[name] for pair in MISSES.items() for name in pair if name in servers}
    found = turns(asked, lambda server: load(server.port, "/items", seconds, unique=True), count)
    return {
        "miss, CPU added": {
            name: figure([one.cpu - other.cpu for one, other in zip(found[name], found[plain], strict=True)], "us CPU")
            for name, plain in MISSES.items()
            if name in found
        }
    }


def not_modified(server: Server, seconds: float, count: int) -> Results:
    etag = ask(server.port, "/items")[1]["etag"]
    condition = f"If-None-Match: {etag}"
    if (status := ask(server.port, "/items", {"If-None-Match": etag})[0]) != 304:
        raise RuntimeError(f"a request with the entry's own entity tag was answered {status}, not 304")
    whole, spared = [], []
    for _ in range(count):
        whole.append(measure(server, lambda server: load(server.port, "/items", seconds)))
        spared.append(measure(server, lambda server: load(server.port, "/items", seconds, headers=(condition,))))
    both = {"evercache": spared, "evercache, 200 with a body": whole}
    return {
        "304": {name: figure([each.seen.rate for each in r], "requests a second") for name, r in both.items()},
        "304, bytes": {
            name: figure([each.seen.received / each.seen.requests for each in r], "bytes sent per answer")
            for name, r in both.items()
        },
    }


def listings(place: Place, seconds: float, count: int) -> Results:
    with ExitStack() as stack:
        servers = _start(stack, ("listing, FastAPI", "listing, evercache"), place)
        for server in servers.values():
            ask(server.port, listing.PATH)
        alone = turns(servers, lambda server: load(server.port, listing.PATH, seconds, connections=1), count)
        many = turns(servers, lambda server: load(server.port, listing.PATH, seconds), count)
    return {
        "listing, 1 connection, p50": {n[9:]: figure([each.seen.p50 for each in r], "ms") for n, r in alone.items()},
        "listing, 32 connections": {
            n[9:]: figure([each.seen.rate for each in r], "requests a second") for n, r in many.items()
        },
        "listing, CPU": {n[9:]: figure([each.cpu for each in r], "us CPU per request") for n, r in many.items()},
    }


async def an_api(seconds: int) -> Results:
    seen = await play(seconds, "10m")
    thousandths = {
        "hits": seen.hits / seen.reads,
        "stale answers": seen.stale / seen.reads,
        "304 instead of a body": seen.not_modified / seen.reads,
        "bytes of bodies spared": 1 - seen.sent / seen.whole,
    }
    return {"an API for two hours": {name: figure([1000 * part], "of 1,000") for name, part in thousandths.items()}}


def _start(stack: ExitStack, names: tuple[str, ...], place: Place) -> dict[str, Server]:
    running = {name: stack.enter_context(serving(name, place)) for name in names}
    return {name: server for name, server in running.items() if server is not None}


async def run(*, quick: bool) -> Results:
    count, seconds = (1, 1) if quick else (5, 1)
    with redis_server() as port, tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        place = Place(f"redis://127.0.0.1:{port}/0", folder)
        servers = _start(stack, tuple(installed(HITS.items())), place)
        for name, server in servers.items():
            answers(name, server)
        if (proxy := stack.enter_context(nginx(servers[RAW].port, folder))) is not None:
            ask(proxy.port, "/items")
            servers["nginx proxy_cache"] = proxy
        few = min(count, 3)  # what is far from any limit needs fewer rounds
        results = hits(servers, seconds, count) | misses(servers, seconds, few)
        results |= not_modified(servers["evercache"], seconds, few)
        results |= listings(place, seconds, few)
    assert len(BODY) == 2_025
    return results | await an_api(120 if quick else 7_200)
