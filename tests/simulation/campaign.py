"""Many schedules, on several cores: who runs them, and what they add up to."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field

from tests.simulation.world import Kit, Mix, World

__all__ = ["Tally", "campaign", "first_violation", "run_seeds"]

CHUNK = 500


@dataclass
class Tally:
    """What some schedules added up to. *broken*: the seeds that broke a law, with what they said."""

    schedules: int = 0
    reads: int = 0
    hits: int = 0
    events: int = 0
    seconds: float = 0.0
    broken: list[tuple[int, str]] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.schedules += other.schedules
        self.reads += other.reads
        self.hits += other.hits
        self.events += other.events
        self.broken += other.broken

    def __str__(self) -> str:
        rate = self.schedules / self.seconds if self.seconds else 0.0
        return (
            f"{self.schedules:,} schedules, {self.reads:,} reads ({self.hits:,} from L1), {self.events:,} events "
            f"in {self.seconds:.0f} s: {rate:,.0f} schedules/s, {len(self.broken)} violations"
        )


def run_seeds(start: int, count: int, mix: Mix | None = None) -> Tally:
    """The schedules of these seeds."""
    tally = Tally(schedules=count)
    for seed in range(start, start + count):
        world = World(seed, mix=mix)
        try:
            world.run()
        except AssertionError as violation:
            tally.broken.append((seed, str(violation)))
        tally.reads += world.history.reads
        tally.hits += world.history.hits
        tally.events += world.tick
    return tally


def first_violation(kit: Kit, mix: Mix, within: int) -> int | None:
    """How many schedules of *mix* it takes until *kit* breaks a law; None if *within* are not enough."""
    for seed in range(within):
        try:
            World(seed, kit, mix).run()
        except AssertionError:
            return seed + 1
    return None


def campaign(*, at_least: int, seconds: float = 0.0, start: int = 0, workers: int = 2) -> Tally:
    """At least so many schedules for at least so long, from seed *start* on; ends early after ten violations."""
    total = Tally()
    began = time.monotonic()
    chunks = iter(range(start, 1 << 62, CHUNK))
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        for tally in _finished(pool, chunks, 2 * workers):
            total.add(tally)
            total.seconds = time.monotonic() - began
            enough = total.schedules >= at_least and total.seconds >= seconds
            if enough or len(total.broken) >= 10:
                break
        pool.shutdown(cancel_futures=True)
    return total


def _finished(pool: ProcessPoolExecutor, chunks: Iterator[int], ahead: int) -> Iterator[Tally]:
    """Results as they come, with *ahead* chunks on their way."""
    running: set[Future[Tally]] = {pool.submit(run_seeds, next(chunks), CHUNK) for _ in range(ahead)}
    while running:
        done, running = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            running.add(pool.submit(run_seeds, next(chunks), CHUNK))
            yield future.result()
