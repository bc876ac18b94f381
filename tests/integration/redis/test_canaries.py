"""Secrets that pass through a cache as arguments, tags, values and credentials: where they must never appear."""

from __future__ import annotations

import asyncio
import threading

import pytest

from evercache.testing.servers import ReplyError
from tests.support.ears import until
from tests.support.outage import cache_on, trusted

pytestmark = pytest.mark.expects_logs
ARGUMENT, TAG, VALUE, PASSWORD = "canary-argument", "canary-tag", "canary-value", "canary-password"
CANARIES = (ARGUMENT, TAG, PASSWORD, "canary-late", "canary-error")


class Monitor:
    """Everything that a server executes, as MONITOR tells it, but for the bytes of values."""

    def __init__(self, server):
        self.wire = server.connect(timeout=60.0)
        self.wire.command("MONITOR")
        self.lines, self.ended = [], threading.Event()
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self):
        try:
            while True:
                self.lines.append(self.wire.read())
                if b"the-end" in self.lines[-1]:
                    self.ended.set()
        except (OSError, ReplyError, ValueError):
            return

    def close(self, server):
        server.command("SET", "the-end", "1")
        assert self.ended.wait(30)
        server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        self.thread.join()
        self.wire.close()
        return b"\n".join(self.lines)


async def workload(cache):
    """Every kind of call, with a canary wherever the caller has a say."""
    from evercache import current

    @cache.cached(key="secretive", tags=["token:{token}", TAG], l1=False, negative_ttl={PermissionError: "1m"})
    async def secretive(token: str, *, user: tuple[str, int] = ("nobody", 1)) -> dict[str, str]:
        current().tags("canary-late")
        if token.endswith("!"):
            raise ValueError("the loader's own error, canary-error")
        if token.endswith("?"):
            raise PermissionError(VALUE)  # kept as the answer, so it is a value
        return {"answer": VALUE}

    for token in (ARGUMENT, ARGUMENT * 20, "é" + ARGUMENT):
        await secretive(token, user=(ARGUMENT, 2))
        await secretive(token, user=(ARGUMENT, 2))
    for token in (ARGUMENT + "!", ARGUMENT + "?"):
        with pytest.raises((ValueError, PermissionError)):
            await secretive(token)
    await secretive.refresh(ARGUMENT)
    await secretive.put({"answer": VALUE}, ARGUMENT)
    await secretive.peek(ARGUMENT)
    await secretive.invalidate(ARGUMENT)
    await secretive.expire(ARGUMENT)
    await cache.get_or_load(("key", ARGUMENT), lambda: asyncio.sleep(0, VALUE), tags=[TAG])
    await cache.set(("key", ARGUMENT), VALUE)
    await cache.set(("key", ARGUMENT), {"unstorable": object(), "text": ARGUMENT})
    await cache.invalidate(("key", ARGUMENT))
    await cache.invalidate_tags(TAG, f"token:{ARGUMENT}")
    await cache.expire_tags(TAG)
    await cache.named("part").get_or_load(("key", ARGUMENT), lambda: asyncio.sleep(0, VALUE))
    texts = [str(await secretive.why(ARGUMENT))]
    for wrong in (object(), {ARGUMENT: object()}):
        with pytest.raises(Exception) as caught:  # noqa: PT011 - what it is doesn't matter, what it says does
            await cache.get_or_load(("key", wrong), lambda: asyncio.sleep(0, 1))
        texts.append(repr(caught.value))
    return texts


@pytest.mark.row("S2.101")
async def test_no_secret_leaves_the_place_it_belongs_to(make_redis, redis_namespace, caplog):
    """
    Arguments, tags and the password appear in no key, no command, no log record, event, counter, health report or error
    of ours; a value only inside the command that stores it.
    """
    caplog.set_level("DEBUG")
    server = make_redis(password=PASSWORD)
    monitor, events = Monitor(server), []
    cache = cache_on(server.url, redis_namespace)
    cache.observe(events.append)
    async with cache:
        await trusted(cache)
        told = await workload(cache)
        keys = server.command("KEYS", "*")
        executed = monitor.close(server)
        server.kill()
        await until(lambda: cache.health().status == "down")
        told += await workload(cache)
        told += [
            repr(cache),
            repr(cache.settings),
            repr(cache.statistics()),
            repr(cache.health()),
            repr(cache.advice()),
        ]
        server.start()
        await trusted(cache)
    told += [repr(event) for event in events]
    told += [repr({**vars(record), "text": record.getMessage()}) for record in caplog.records if is_ours(record)]
    where = {"keys": repr(keys), "commands": repr(executed), "told": "\n".join(told)}
    found = {(place, canary) for place, text in where.items() for canary in CANARIES if canary in text}
    # A client has to say the password to the server; MONITOR hides that.
    assert found == set()
    assert VALUE not in where["keys"] + where["told"]
    assert len(events) > 10
    assert len(keys) > 3


def is_ours(record):
    return record.name.startswith("evercache")
