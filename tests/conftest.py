"""What every test is held to, whether it asks or not.

- A test that ends leaves no task in its event loop and no socket that it opened.
- It leaves no warning and no error in evercache's log, unless it says that it wants some: with the marker
  ``expects_logs``, or by asking for ``caplog`` itself.
- A warning is an error, and a test that hangs is stopped after 120 s with every stack printed (pyproject.toml).

Real servers, clocks and proxies come from ``evercache.testing.plugin``; this file only watches.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytest_plugins = ["evercache.testing.plugin"]

# The same cases on every machine, however slow it is; make soak is there to look for new ones.
hypothesis.settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("steady")

# Each of these is many processes: make test runs them in stages of their own, chosen by these markers.
TOPOLOGIES = {"shared_redis_cluster": "cluster", "shared_redis_sentinel": "sentinel"}
# A transport that was closed gives its socket back a turn or two of the loop later.
TURNS_TO_CLOSE = 5
DESCRIPTORS = Path("/proc/self/fd")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a Cluster or a Sentinel; stand the audit around every async test and its own fixtures."""
    for item in items:
        if not isinstance(item, pytest.Function):
            continue
        for topology in TOPOLOGIES.keys() & set(item.fixturenames):
            item.add_marker(TOPOLOGIES[topology])
        if inspect.iscoroutinefunction(item.obj):
            item.fixturenames.insert(len(shared_fixtures(item)), "nothing_left_running")


def shared_fixtures(item: pytest.Function) -> list[str]:
    """The fixtures of *item* that outlive it; pytest sets them up first, and what they open is theirs."""
    known = item._fixtureinfo.name2fixturedefs
    return [name for name in item.fixturenames if name in known and known[name][-1].scope != "function"]


@pytest.fixture
async def nothing_left_running() -> AsyncIterator[None]:
    """Fail the test that leaves a task or a socket behind; what had been there before is nobody's fault."""
    tasks, sockets = asyncio.all_tasks(), open_sockets()
    yield
    for _ in range(TURNS_TO_CLOSE):
        await asyncio.sleep(0)
    left_tasks = [repr(task) for task in asyncio.all_tasks() - tasks - {asyncio.current_task()}]
    left_sockets = sorted(open_sockets() - sockets)
    if left_tasks or left_sockets:
        pytest.fail("\n".join(["The test left behind:", *left_tasks, *left_sockets]), pytrace=False)


@pytest.fixture(autouse=True)
def nothing_said(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test during which evercache logged a warning or an error that nobody had asked for."""
    if "caplog" in request.fixturenames or request.node.get_closest_marker("expects_logs"):
        yield
        return
    logger, keeper = logging.getLogger("evercache"), Keeper(logging.WARNING)
    logger.addHandler(keeper)
    yield
    logger.removeHandler(keeper)
    if keeper.records:
        pytest.fail("\n".join(["evercache logged, unasked:", *keeper.records]), pytrace=False)


class Keeper(logging.Handler):
    """Keeps what was logged, as text."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(f"{record.levelname} {record.name}: {record.getMessage()}")


def open_sockets() -> set[str]:
    """The sockets of this process, where the system shows them (Linux); elsewhere none."""
    found: set[str] = set()
    for descriptor in DESCRIPTORS.iterdir() if DESCRIPTORS.exists() else ():
        # The folder itself is open while it is read, and closed when we look.
        with suppress(OSError):
            found.add(str(descriptor.readlink()))
    return {name for name in found if name.startswith("socket:")}
