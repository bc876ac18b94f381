"""One process of a checker: a whole cache behind its proxy, reading or writing until it is told to stop.

`python -m tests.checker.child '{...}'`: orders come as JSON lines on stdin, answers go to stdout, and everything that
happened goes to the history file, a JSON list a line:

    r start end function tenant number version tenant' number'    a read, and whose value it got
    x start end function tenant number error                      a read that raised;  e what: anything else that did
    l began ended function tenant number version                  a load
    w id kind committing returned confirmed functions versions    an invalidation;  c id when: confirmed later
    s when function tenant number                                 an expiry
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import redis.asyncio

from evercache import Cache, Confirmation, Settings
from tests.checker.sabotage import SABOTAGE
from tests.checker.story import FUNCTIONS, NUMBERS, PLACES, STRICT, TENANTS, Answer, Story

READERS = 3
READ_PAUSE = 0.008
WRITE_PAUSE = 0.012
KINDS = {"key": 8, "item": 4, "tenant": 2, "late": 2, "prefix": 1, "put": 3, "expire": 2, "all": 0.1}


class JumpingClock:
    """The system's clock, whose wall can be moved as an operator or a bad time server moves it."""

    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(asyncio.sleep)

    def __init__(self) -> None:
        self.jumped = 0.0

    def wall(self) -> float:
        return time.time() + self.jumped


class History(logging.Handler):
    """Writes what happened; also what the loop or the cache's log calls an error."""

    def __init__(self, file: TextIO) -> None:
        super().__init__(logging.WARNING)
        self._file = file

    def note(self, *event: Any) -> None:
        self._file.write(json.dumps(event) + "\n")

    def flush(self) -> None:
        self._file.flush()

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR or getattr(record, "event", "") == "bug":
            self.note("e", record.getMessage())


class Process:
    """What both roles have in common: orders, reads, counts."""

    def __init__(self, cache: Cache, clock: JumpingClock, story: Story, history: History) -> None:
        self.cache, self.clock, self.story, self.history = cache, clock, story, history
        self.going = False
        self.tasks: list[asyncio.Task[None]] = []
        self.reads = self.writes = 0

    def work(self) -> list[Any]:
        return [self.read_on() for _ in range(READERS)]

    async def read_on(self) -> None:
        while self.going:
            await self.read(random.choice(FUNCTIONS), *random.choice(PLACES))
            await asyncio.sleep(random.random() * READ_PAUSE)

    async def read(self, name: str, tenant: str, number: int) -> int | None:
        start = time.monotonic()
        try:
            answer = await self.story.functions[name](tenant, number)
        except Exception as error:  # noqa: BLE001 - none is allowed; the judge hears of every one
            self.history.note("x", start, time.monotonic(), name, tenant, number, repr(error))
            return None
        said = answer.tenant, answer.number
        self.history.note("r", start, time.monotonic(), name, tenant, number, answer.version, *said)
        self.reads += 1
        return int(answer.version)

    # -- orders ------------------------------------------------------------------------------------------------------

    async def go(self) -> dict[str, Any]:
        self.going = True
        self.tasks = [asyncio.create_task(part) for part in self.work()]
        return {}

    async def pause(self) -> dict[str, Any]:
        self.going = False
        await asyncio.gather(*self.tasks)
        self.history.flush()
        return {}

    async def state(self) -> dict[str, Any]:
        self.history.flush()
        numbers = self.cache.engine.statistics
        return {
            "reads": self.reads,
            "writes": self.writes,
            "confirmed": numbers.confirmed,
            "pending": numbers.pending,
            "degraded": sum(numbers.degradations.values()),
            "owed": self.owed(),
            "status": self.cache.health().status,
        }

    def owed(self) -> int:
        return len(self.cache.engine.journal)

    async def sweep(self) -> dict[str, Any]:
        """Read everything once; the versions in the order of FUNCTIONS x PLACES, and how many loads that took."""
        before = self.story.loads
        versions = [await self.read(name, *place) for name in FUNCTIONS for place in PLACES]
        self.history.flush()
        return {"versions": versions, "loads": self.story.loads - before}

    async def counters(self) -> dict[str, Any]:
        return self.cache.statistics() | {"jumped": abs(self.clock.jumped)}

    async def jump(self, seconds: float) -> dict[str, Any]:
        self.clock.jumped += seconds
        return {}


class Writer(Process):
    """Commits to the truth, then invalidates; one thing after the other, and now and then reads what it has written."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.pending: dict[int, set[tuple[int, object]]] = {}
        self.watching: asyncio.Task[None] | None = None

    def work(self) -> list[Any]:
        if self.watching is None:
            self.watching = asyncio.create_task(self.watch())
        return [self.write_on(), self.write_strictly()]

    async def pause(self) -> dict[str, Any]:
        """Before the end, invalidate everything: what was committed for one function concerned the other, too."""
        self.going = False
        await asyncio.gather(*self.tasks)
        for tenant in (*TENANTS, STRICT[0]):
            await self.write("tenant", tenant, NUMBERS[0], FUNCTIONS[0])
        return await super().pause()

    def owed(self) -> int:
        return super().owed() + len(self.pending)

    async def write_on(self) -> None:
        while self.going:
            kind = random.choices(list(KINDS), list(KINDS.values()))[0]
            tenant, number, name = random.choice(TENANTS), random.choice(NUMBERS), random.choice(FUNCTIONS)
            if kind == "expire":
                self.history.note("s", time.monotonic(), name, tenant, number)
                await self.story.functions[name].expire(tenant, number)
            else:
                await self.write(kind, tenant, number, name)
            if random.random() < 0.3:
                await self.read(name, tenant, number)
            await asyncio.sleep(random.random() * WRITE_PAUSE)

    async def write_strictly(self) -> None:
        """Beside the other: each takes Δ."""
        while self.going:
            await self.write("everyone", *STRICT, FUNCTIONS[0])
            await asyncio.sleep(random.random() * WRITE_PAUSE)

    async def write(self, kind: str, tenant: str, number: int, name: str) -> None:
        row, one = [place for place in PLACES if place[0] == tenant], [(tenant, number)]
        places = {"key": one, "item": one, "put": one, "everyone": one, "all": PLACES}
        names = {"key": [name], "prefix": [name], "late": ["far"], "put": ["near"]}.get(kind, FUNCTIONS)
        committing = time.monotonic()
        versions = await self.story.commit(places.get(kind, row))
        before = max((operation for _, operation, _ in self.owing()), default=0)
        said = await self.invalidate(kind, tenant, number, name, versions[0][2])
        returned = time.monotonic()
        confirmed = said is Confirmation.CONFIRMED
        self.writes += 1
        self.history.note("w", self.writes, kind, committing, returned, confirmed, names, versions)
        if not confirmed:
            self.pending[self.writes] = {
                (partition, what) for partition, operation, what in self.owing() if operation > before
            }

    async def invalidate(self, kind: str, tenant: str, number: int, name: str, version: int) -> Confirmation:
        cache, function = self.cache, self.story.functions[name]
        match kind:
            case "key":
                return await function.invalidate(tenant, number)
            case "put":
                return await self.story.functions["near"].put(Answer(tenant, number, version), tenant, number)
            case "prefix":
                return await cache.invalidate_prefix(f"{name}:{tenant}:")
            case "all":
                return await cache.invalidate_all()
            case "item" | "everyone":
                return await cache.invalidate_tags(f"item:{tenant}:{number}", wait=kind if kind == "everyone" else "")
            case _:
                return await cache.invalidate_tags(f"{kind}:{tenant}")

    def owing(self) -> list[tuple[int, int, object]]:
        """What the journal holds: partition, operation, and what it is about."""
        engine = self.cache.engine
        return [
            (partition, operation, _subject(command))
            for partition in range(engine.partitions)
            for operation, command in engine.journal.owed(partition, sys.maxsize)
        ]

    async def watch(self) -> None:
        """Note when what was pending has left the journal: it is confirmed now at the latest."""
        while True:
            if self.pending:
                left = {(partition, what) for partition, _, what in self.owing()}
                for number in [number for number, mine in self.pending.items() if not mine & left]:
                    del self.pending[number]
                    self.history.note("c", number, time.monotonic())
            await asyncio.sleep(0.005)


def _subject(command: Any) -> object:
    return next(
        (getattr(command, name) for name in ("id", "tag", "pattern") if hasattr(command, name)), type(command).__name__
    )


async def serve(wish: dict[str, Any], history: History) -> None:
    logging.getLogger("evercache").addHandler(history)
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: history.note("e", repr(context.get("exception") or context["message"]))
    )
    clock = JumpingClock()
    settings = Settings.resolve(wish["url"], environ={}, **wish["settings"])
    broken = SABOTAGE.get(wish["sabotage"])
    store = partial(broken, settings, clock=clock) if broken else None
    truth = redis.asyncio.Redis(port=wish["truth"])
    cache = Cache(settings=settings, clock=clock, store=store)
    story = Story(cache, truth, history.note)
    role = Writer if wish["role"] == "writer" else Process
    async with cache:
        process = role(cache, clock, story, history)
        say({"ready": True})
        async for order in orders():
            say(await getattr(process, order.pop("do"))(**order))
        process.going = False
        if isinstance(process, Writer) and process.watching is not None:
            process.watching.cancel()
    await truth.aclose()


async def orders() -> Any:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield json.loads(line)


def say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main(wish: dict[str, Any]) -> None:
    with Path(wish["history"]).open("a") as file:
        asyncio.run(serve(wish, History(file)))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
