"""Histories of two workers and their clients at random: whatever is answered was said by the application, to such a
client, about this page, and never before the last change that was answered.

Reads of every kind (plain, conditional, HEAD, a part, with credentials, of a user's own page) meet changes, failed
changes, invalidations by tag, failures of the application, clients that leave, and the end of freshness.
"""

from __future__ import annotations

import asyncio
import random
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evercache import Cache
from evercache.http import Rule
from evercache.stores.local import MemoryStore
from evercache.testing.chaos import ChaosStore, by_chance
from evercache.testing.clock import ManualClock
from tests.support.http import Backend, Reply, client_of

PAGES = 3
CHANCES = {"lose": 0.03, "lose_reply": 0.03, "late": 0.03, "twice": 0.05, "delay": 0.05, "refuse": 0.02}
SAID = (
    {},
    {"cache_control": "max-age=5"},
    {"cache_control": "max-age=2, stale-while-revalidate=4"},
    {"cache_control": "max-age=2, stale-if-error=4"},
    {"cache_control": "no-cache"},
    {"cache_control": "no-store"},
    {"cache_control": "max-age=0, must-revalidate"},
    {"surrogate_key": "pages"},
)
RULES = (
    Rule("/page/{number}", ttl=5, tags=["page:{number}"], stale_if_error=3),
    Rule("/mine/{number}", ttl=5, tags=["page:{number}"], key_by=lambda request: request.user.name),
)
OLDEST = 10
"""Seconds: the longest freshness and the longest window together."""


class Site:
    """The application: pages with versions, some with tags of their own, in pieces or whole, and a moody temper."""

    def __init__(self, chance):
        self.chance = chance
        self.versions = [0] * PAGES
        self.tags = chance.random() < 0.5
        self.said = [chance.choice(SAID) for _ in range(PAGES)]
        self.varies = [chance.random() < 0.5 for _ in range(PAGES)]
        self.backend = Backend(self.answer)

    async def __call__(self, scope, receive, send):
        for _ in range(self.chance.randrange(4)):
            await asyncio.sleep(0)
        await self.backend(scope, receive, send)

    def answer(self, asked):
        kind, number = asked.scope["path"].strip("/").split("/")
        number = int(number)
        if asked.scope["method"] == "PUT":
            if self.chance.random() < 0.3:
                return Reply(b"", status=422)
            self.versions[number] += 1
            return Reply(b"", status=204)
        if self.chance.random() < 0.1:
            return self.chance.choice([Reply(b"", status=503), ValueError("broken")])
        return self.page(asked, kind, number)

    def page(self, asked, kind, number):
        who = asked.scope["user"].name if kind == "mine" else "-"
        accept = asked.field("accept") if self.varies[number] else "-"
        body = f"{kind} {number} {self.versions[number]:04} {accept} {who}".ljust(40).encode()
        fields = ({"vary": "Accept"} if self.varies[number] else {}) | self.said[number]
        if self.tags:
            fields["etag"] = f'"{body.strip().hex()}"'
            if asked.field("if-none-match") == fields["etag"]:
                return Reply(b"", status=304, **fields)
        whole = self.chance.random() < 0.5
        if asked.scope["method"] == "HEAD":
            return Reply(b"", **fields)
        return Reply(body if whole else [body[:10], body[10:]], **fields)


class History:
    """One history, and what was promised so far at each side."""

    def __init__(self, seed, *, chaos):
        self.chance = random.Random(seed)
        self.clock = ManualClock()
        self.site, self.chaos = Site(self.chance), chaos
        store = MemoryStore(self.clock, partitions=self.chance.choice([1, 4]))

        def side(number):
            plan = by_chance(seed * 2 + number, CHANCES)
            made = (lambda: ChaosStore(store.join(), plan, seconds=0.02, clock=self.clock)) if chaos else store.join
            return Cache(store=made, clock=self.clock, environ={}, random=self.chance)

        self.caches = [side(0), side(1)]
        self.clients = [client_of(cache, self.site, *RULES) for cache in self.caches]
        self.promised = [[0] * PAGES, [0] * PAGES]
        self.writing = [asyncio.Lock() for _ in range(PAGES)]
        self.known = {}
        self.asked = [0, 0]

    async def pause(self):
        for _ in range(self.chance.randrange(6)):
            await asyncio.sleep(0)
        if self.chance.random() < 0.3:
            await self.clock.sleep(self.chance.random())

    async def read(self):
        for _ in range(50):
            number, side = self.chance.randrange(PAGES), self.chance.randrange(2)
            await self.read_once(number, side, self.chance.choice(["page", "page", "mine"]))
            await self.pause()

    async def read_once(self, number, side, kind):
        accept, who = self.chance.choice("ab"), self.chance.choice(["ann", "bob"])
        headers, method = {"accept": accept}, self.chance.choice(["GET", "GET", "GET", "HEAD"])
        tag = self.chance.choice([*self.known, '"unknown"']) if self.chance.random() < 0.3 else None
        if tag is not None:
            headers["if_none_match"] = tag
        elif self.chance.random() < 0.1:
            headers["range"] = "bytes=0-19"
        if kind == "page" and self.chance.random() < 0.1:
            headers["authorization"] = "Bearer x"
        scope = {"user": SimpleNamespace(is_authenticated=True, name=who)} if kind == "mine" else {}
        wanted = self.promised[side][number]
        self.asked[side] += 1
        exchange = self.clients[side].start(method, f"/{kind}/{number}", scope=scope, **headers)
        if self.chance.random() < 0.05:
            await asyncio.sleep(0)
            exchange.cancel()
            await asyncio.wait([exchange.task])
            return
        try:
            answer = await exchange
        except ValueError:
            return
        chosen = accept if self.site.varies[number] else "-"
        self.judge(answer, method, tag, f"{kind} {number}", f"{chosen} {who if kind == 'mine' else '-'}", wanted)

    def judge(self, answer, method, tag, what, who, wanted):
        """Every answer is one that the application could have given to this client since the last promise."""
        if answer.status in (503, 504):
            return
        if answer.status == 304:
            body = self.known[tag]
        elif method == "HEAD":
            assert answer.body == b""
            return
        else:
            assert answer.status in (200, 206)
            body = answer.body.decode()
        named, version, whom = body[:6], int(body[7:11]), body[12:].strip()
        assert named == what
        assert version >= wanted
        if answer.status == 206:
            assert who.startswith(whom)
            return
        assert whom == who
        assert answer.age is None or answer.age <= OLDEST
        if who[2:] != "-":
            assert "private" in (answer.field("cache-control") or "")
        if answer.status == 200 and answer.field("etag") is not None:
            assert self.known.setdefault(answer.field("etag"), body) == body

    async def write(self):
        for _ in range(25):
            number, side = self.chance.randrange(PAGES), self.chance.randrange(2)
            async with self.writing[number]:
                if self.chance.random() < 0.6:
                    kind = self.chance.choice(["page", "mine"])
                    scope = {"user": SimpleNamespace(is_authenticated=True, name="ann")}
                    answer = await self.clients[side].ask("PUT", f"/{kind}/{number}", scope=scope)
                    # A change of one page is one of its twin: their tag is dropped by hand, as a rule would.
                    if answer.status == 204:
                        await self.caches[side].invalidate_tags(f"page:{number}")
                else:
                    self.site.versions[number] += 1
                    await self.caches[side].invalidate_tags(f"page:{number}")
                version = self.site.versions[number]
                # What couldn't be confirmed binds the process that said it.
                for told in (side,) if self.chaos else (0, 1):
                    self.promised[told][number] = max(self.promised[told][number], version)
            await self.pause()

    async def run(self):
        async with self.caches[0], self.caches[1]:
            work = asyncio.gather(*(self.read() for _ in range(4)), self.write(), self.write())
            while not work.done():
                await self.clock.tick(0.1, turns=30)
            await work
            for _ in range(400):
                await self.clock.tick(0.05, turns=10)
                if not any(cache.health().owed or cache.engine.airfield().busy for cache in self.caches):
                    break
            assert [cache.engine.airfield().busy for cache in self.caches] == [0, 0]
        for client, asked in zip(self.clients, self.asked, strict=True):
            self.audit(client.app.statistics(), asked)

    def audit(self, statistics, asked):
        """Each request has one outcome at most; one that was given up, or that failed half way, may have none."""
        counted = 0
        for found in statistics.values():
            counted += sum(found[name] for name in ("hit", "miss", "stale", "revalidated", "collapsed"))
            counted += sum(count for reason, count in found["bypass"].items() if reason != "method")
        assert counted <= asked


@pytest.mark.expects_logs
@pytest.mark.row("S2.33", "S2.37", "W9", "W12", "PR1")
@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), chaos=st.booleans())
def test_no_client_of_two_workers_reads_what_is_not_his_or_no_longer_so(seed, chaos):
    """
    Page, user, variant, version, tag, part and age of every answer; nothing runs on at the end.
    """

    async def story():
        await History(seed, chaos=chaos).run()

    asyncio.run(story())
