"""Random stories of requests, time and changes against a whole `CacheMiddleware`, judged by a model of a few dozen lines.

The model is written from RFC 9111 and knows no parser: every field that the application sends comes from a table that
says beside it what it means, by hand. What a client gets must be what the application answers now, or what it answered
to an earlier request that the model lets stand for this one.

`EVERCACHE_FUZZ` says how many stories, a hundredth of it (default 200; the nightly run sets 1,000,000).
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evercache.http import CacheMiddleware, Rule
from evercache.testing.clock import ManualClock
from tests.support.http import Answer, Asked, Backend, Client, Reply
from tests.support.source import pair_over_memory

STORIES = int(os.environ.get("EVERCACHE_FUZZ", "20000")) // 100
START = 1_700_000_000  # Tue, 14 Nov 2023 22:13:20 GMT
LONGEST = 2**31


# -- what the application may say, and what it means -------------------------------------------------------------------


@dataclass(frozen=True)
class Means:
    """What a Cache-Control says to a shared cache."""

    life: float | None = None
    store: bool = True
    each_time: bool = False  # never without asking
    stale: bool = True  # whether it may be used when it is stale
    lifts: bool = False  # RFC 9111 §3.5
    while_asking: float = 0
    on_error: float = 0
    immutable: bool = False


CONTROLS: dict[str | None, Means] = {
    None: Means(),
    "": Means(),
    "max-age=60": Means(60),
    "MAX-AGE=60": Means(60),
    'max-age="60"': Means(60),
    "max-age=60, max-age=5": Means(5),
    "max-age=0060,,": Means(60),
    "max-age=abc": Means(0),
    "max-age=-5": Means(0),
    "max-age=1.5": Means(0),
    "max-age=1_0": Means(0),
    "max-age=": Means(0),
    "max-age": Means(0),
    "max-age=99999999999999999999": Means(LONGEST),
    "s-maxage=30, max-age=90": Means(30, stale=False, lifts=True),
    "public, max-age=60": Means(60, lifts=True),
    "private, max-age=60": Means(store=False),
    'private="x-other", max-age=60': Means(60),
    "no-store": Means(store=False),
    "max-age=60, No-Store": Means(store=False),
    'x="a, no-store': Means(store=False),
    "no-cache, max-age=60": Means(60, each_time=True, stale=False),
    'no-cache="x-other", max-age=60': Means(60),
    "max-age=10, stale-while-revalidate=20": Means(10, while_asking=20),
    "max-age=10, stale-if-error=40": Means(10, on_error=40),
    "max-age=10, must-revalidate, stale-while-revalidate=20": Means(10, stale=False, lifts=True),
    "max-age=10, proxy-revalidate, stale-if-error=40": Means(10, stale=False),
    "max-age=40, immutable": Means(40, immutable=True),
    'max-age=20, must-understand, x-y="z", \x80=\xff': Means(20),
}  # fmt: skip
STALE = [said for said, means in CONTROLS.items() if means.while_asking or means.on_error] * 3
EXPIRES: dict[str | None, float | None] = {  # seconds after START, or the past
    None: None,
    "Tue, 14 Nov 2023 22:14:10 GMT": 50,
    "Tuesday, 14-Nov-23 22:14:10 GMT": 50,
    "0": -LONGEST,
    "Tue, 14 Nov 2023 22:14:10 +0000": -LONGEST,
    "Fri, 31 Dec 9999 23:59:59 GMT": LONGEST,
}
DATES: dict[str | None, float | None] = {
    None: None,
    "Tue, 14 Nov 2023 22:13:20 GMT": 0,
    "Tue Nov 14 22:13:10 2023": -10,
    "Tue, 14 Nov 2023 25:13:20 GMT": None,
    "now": None,
}
AGES: dict[str | None, float] = {None: 0, "5": 5, "7, 3": 7, "abc": 0, "-9": 0, "\xb2": 0}
VARIES: dict[str | None, tuple[str, ...] | None] = {
    None: (),
    "X-Kind": ("x-kind",),
    "x-kind, ACCEPT-LANGUAGE": ("x-kind", "accept-language"),
    "*": None,
    "x-kind, *": None,
    "a b": None,
}
TAGS = (None, '"{v}"', 'W/"{v}"', "{v}", '"{v}')
STATUSES = (200, 200, 200, 200, 203, 301, 302, 404, 410, 400, 500, 503, 206)
BY_ITSELF = {200, 203, 301, 404, 410}  # of these, RFC 9110 §15.1
NEVER = {206, 400}  # a part; an error that the request may have caused

# -- what a client may ask ---------------------------------------------------------------------------------------------

ASKS: dict[str | None, dict[str, float]] = {
    None: {},
    "no-cache": {"max-age": 0},
    "max-age=0": {"max-age": 0},
    "max-age=5": {"max-age": 5},
    "max-stale": {"max-stale": float("inf")},
    "max-stale=15": {"max-stale": 15},
    "min-fresh=10": {"min-fresh": 10},
    "only-if-cached": {"only-if-cached": 1},
    "no-store": {},
    "max-stale=x, \xff": {"max-stale": 0},
}
LANGUAGES = {None: None, "en, de": "en,de", "EN,de": "en,de", "de": "de", "de;q=x": "de;q=x"}
RANGES: dict[str | None, slice | None] = {  # None: the whole
    None: None,
    "bytes=0-3": slice(0, 4),
    "bytes=2-": slice(2, None),
    "bytes=-2": slice(-2, None),
    "bytes=7-99999": slice(7, None),
    "bytes=99999-": None,
    "bytes=5-1": None,
    "lines=1-2": None,
    "bytes=0-1,3-4": None,
}
CONDITIONS = (None, None, None, "*", "seen", "W/seen", '"other"', 'seen, "x', "garbage")


@dataclass(frozen=True)
class Asks:
    """One request."""

    method: str
    path: str
    host: str
    kind: str | None
    language: str | None
    user: str | None
    control: str | None
    range: str | None
    if_none_match: str | None
    if_modified: bool


PLAIN = Asks("GET", "/a", "one", None, None, None, None, None, None, if_modified=False)


@dataclass(frozen=True)
class Says:
    """How the application answers from now on."""

    status: int
    control: str | None
    expires: str | None
    date: str | None
    age: str | None
    vary: str | None
    tag: str | None
    modified: bool
    cookie: bool
    chunks: int
    upper: bool


@dataclass
class Run:
    """One answer of the application, and what it was an answer to."""

    number: int
    asked: Asked
    says: Says
    version: int
    status: int  # 304 for a confirmation
    at: float
    moment: int  # the step at which it read what it answers with
    body: bytes


def mostly(usual: Any, *others: Any, weight: int = 3) -> st.SearchStrategy[Any]:
    """*usual* in *weight* of *weight* + 1 cases, else one of the *others*; what is rare in all its parts is never whole."""
    return st.sampled_from([usual] * weight * len(others) + list(others))


def asks() -> st.SearchStrategy[Asks]:
    return st.builds(
        Asks,
        method=mostly("GET", "HEAD"),
        path=mostly("/a", "/b", "/a?x=1"),
        host=mostly("one", "two", weight=5),
        kind=mostly(None, "k", "l", weight=1),
        language=mostly(None, *LANGUAGES, weight=1),
        user=mostly(None, "Ada", "Grace"),
        control=mostly(None, *ASKS, weight=1),
        range=mostly(None, *RANGES, weight=1),
        if_none_match=mostly(None, *CONDITIONS, weight=1),
        if_modified=mostly(False, True),
    )


def says() -> st.SearchStrategy[Says]:
    return st.builds(
        Says,
        status=mostly(200, *STATUSES),
        control=st.sampled_from(["max-age=60"] * 12 + [None] * 6 + [*CONTROLS] + STALE),
        expires=mostly(None, *EXPIRES, weight=1),
        date=mostly(None, *DATES),
        age=mostly(None, *AGES),
        vary=mostly(None, "X-Kind", *VARIES, weight=1),
        tag=st.sampled_from(TAGS),
        modified=st.booleans(),
        cookie=mostly(False, True, weight=9),
        chunks=st.integers(0, 3),
        upper=st.booleans(),
    )


OFTEN = ["ask"] * 12 + ["tick"] * 3 + ["overlap", "change", "says", "changed", "invalidate", "fail", "worker"]


def steps() -> st.SearchStrategy[list[tuple[str, Any]]]:
    """Few different requests, many times: what matters happens between those that are alike."""
    return st.lists(asks(), min_size=1, max_size=4).flatmap(
        lambda found: st.lists(st.sampled_from(OFTEN).flatmap(lambda kind: step(kind, found)), min_size=10, max_size=40)
    )


def step(kind: str, found: list[Asks]) -> st.SearchStrategy[tuple[str, Any]]:
    asked = st.sampled_from([PLAIN, *found])
    what = {
        "ask": asked,
        "overlap": asked,
        "change": asked,
        "tick": st.sampled_from([1, 5, 10, 15, 25, 50, 500]),
        "says": says(),
        "invalidate": mostly("/a", "/b"),
        "fail": mostly(False, True, weight=2),
    }
    return st.tuples(st.just(kind), what.get(kind, st.none()))


# -- the application ---------------------------------------------------------------------------------------------------


class AppError(Exception):
    """What the application raises."""


@dataclass
class World:
    """The application's side of a story."""

    clock: ManualClock
    says: Says
    version: int = 0
    failing: bool = False
    moment: int = 0
    runs: list[Run] = field(default_factory=list[Run])
    dropped: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])

    def drop(self, path: str, *hosts: str) -> None:
        """*path* with any query is invalidated in this step."""
        self.dropped.update({(host, path): self.moment for host in hosts})

    def answer(self, asked: Asked) -> Reply:
        """What the application answers; it confirms what it is asked about, and knows no ranges."""
        said = self.says
        if asked.scope["method"] not in ("GET", "HEAD"):
            return Reply(b"", status=204 if not self.failing else 409)
        if self.failing:
            raise AppError
        seen = [asked.field(name) for name in ("x-kind", "accept-language", "authorization")]
        mine = self.tag_of(said, asked)
        known = asked.field("if-none-match")
        since = asked.field("if-modified-since")
        confirms = said.status == 200 and (
            (known is not None and mine is not None and mine in known)
            or (known is None and since is not None and said.modified and since == self.modified(*seen))
        )
        text = "|".join(
            [asked.scope["path"], asked.scope["query_string"].decode(), asked.field("host") or "", *map(str, seen)]
        )
        body = f"{text}|{self.version}|{'.' * 8}".encode()
        run = Run(
            len(self.runs),
            asked,
            said,
            self.version,
            304 if confirms else said.status,
            self.clock.wall(),
            self.moment,
            body,
        )
        self.runs.append(run)
        fields = list(self.fields(run, mine, self.modified(*seen)))
        if run.status == 304 or asked.scope["method"] == "HEAD":
            return Reply(b"", status=run.status, headers=fields)
        size = -(-len(body) // said.chunks) if said.chunks else len(body)
        chunks = [body[at : at + size] for at in range(0, len(body), size)]
        if said.chunks == 1:
            fields.append(("Content-Length", str(len(body))))
        return Reply(chunks, status=run.status, headers=fields)

    def fields(self, run: Run, tag: str | None, modified: str) -> Iterator[tuple[str, str]]:
        said = run.says
        found = {
            "cache-control": said.control,
            "expires": said.expires,
            "date": said.date,
            "age": said.age,
            "vary": said.vary,
            "etag": tag,
            "last-modified": modified if said.modified else None,
            "set-cookie": "a=1" if said.cookie else None,
        }
        yield "x-run", str(run.number)
        for name, value in found.items():
            if value is not None:
                yield name.upper() if said.upper else name, value

    def tag_of(self, said: Says, asked: Asked) -> str | None:
        """Another one for each body that it may have."""
        seen = ".".join((asked.field(name) or "-").replace('"', "") for name in ("x-kind", "authorization"))
        language = (asked.field("accept-language") or "-").replace(" ", "")
        version = f"{self.version}.{asked.scope['path'][1:]}.{seen}.{language}".replace(" ", "").replace(",", ".")
        return None if said.tag is None else said.tag.format(v=version)

    def modified(self, kind: str | None, language: str | None, user: str | None) -> str:
        """Another date for each body that it may have, long ago."""
        minute = (("k", "l", None).index(kind) * 5 + list(LANGUAGES).index(language)) * 3
        minute += ("Ada", "Grace", None).index(user)
        return f"Mon, 13 Nov 2023 10:{minute:02}:{self.version % 60:02} GMT"


# -- the model ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Model:
    """What RFC 9111 lets a shared cache do. *strict*: clients may ask for more; else there is a rule with *ttl*."""

    strict: bool
    ttl: float | None

    def may_stand(self, run: Run, asks: Asks, now: float, dropped: dict[tuple[str, str], int], *, failed: bool) -> str:
        """Why the answer of *run* may not be the answer to *asks* now; nothing if it may. *dropped*: what had been
        invalidated when the client asked."""
        said, means = run.says, CONTROLS[run.says.control]
        scope = run.asked.scope
        if (scope["path"], scope["query_string"].decode(), run.asked.field("host")) != address(asks):
            return "another resource"
        if run.moment < dropped.get((asks.host, scope["path"]), -1):
            return "invalidated since it was read"
        if not means.store or said.cookie or VARIES[said.vary] is None or said.status in NEVER:
            return "not to be stored"
        if run.asked.field("range") is not None or scope["method"] != "GET":
            return "not made by a whole GET"
        if "no-store" in (run.asked.field("cache-control") or ""):
            return "its request said no-store"
        if (asks.user or run.asked.field("authorization")) and not means.lifts:
            return "with credentials"
        for name in VARIES[said.vary] or ():
            if same(name, run.asked.field(name)) != same(name, asks.kind if name == "x-kind" else asks.language):
                return f"another variant by {name}"
        return self.age_allows(run, asks, now, failed=failed)

    def age_allows(self, run: Run, asks: Asks, now: float, *, failed: bool) -> str:
        said, means, wants = run.says, CONTROLS[run.says.control], ASKS[asks.control] if self.strict else {}
        life = self.life(run)
        if life is None:
            return "nobody said that it is fresh"
        date = DATES[said.date]
        apparent = 0 if date is None else max(0, run.at - (START + date))
        age = max(apparent, AGES[said.age]) + now - run.at
        left = life - age
        if means.each_time:
            return "to be asked about each time"
        if left > 0 and means.immutable and asks.control != "no-cache":
            return ""
        if age > wants.get("max-age", float("inf")) or (asks.control == "no-cache" and self.strict):
            return "" if failed and means.stale and -left < means.on_error and asks.control != "no-cache" else "too old"
        if left > 0:
            return "" if left >= wants.get("min-fresh", 0) else "not fresh for long enough"
        if means.stale and (-left < means.while_asking or -left <= wants.get("max-stale", -1)):
            return ""
        if means.stale and failed and -left < means.on_error:
            return ""
        return f"stale for {-left} s"

    def life(self, run: Run) -> float | None:
        said, means = run.says, CONTROLS[run.says.control]
        if means.life is not None:
            return means.life
        expires = EXPIRES[said.expires]
        if expires is not None:
            date = DATES[said.date]
            return min(LONGEST, max(0, START + expires - (run.at if date is None else START + date)))
        return self.ttl if self.ttl is not None and said.status in BY_ITSELF and said.status < 400 else None


def address(asks: Asks) -> tuple[str, str, str]:
    path, _, query = asks.path.partition("?")
    return path, query, asks.host


def same(name: str, value: str | None) -> str | None:
    return LANGUAGES.get(value, value) if name == "accept-language" else value


# -- a story -----------------------------------------------------------------------------------------------------------


class Story:
    """Plays steps against two workers, and judges every answer."""

    def __init__(self, workers: list[Client], world: World, model: Model, caches: Any, reached: Counter[str]) -> None:
        self.workers, self.world, self.model, self.caches = workers, world, model, caches
        self.reached = reached
        self.backend = Backend(world.answer)
        self.seen: dict[tuple[str, str, str], str] = {}

    async def play(self, steps: list[tuple[str, Any]]) -> None:
        world = self.world
        for kind, what in steps:
            world.moment += 1
            if kind == "ask":
                await self.ask(what)
            elif kind == "change":
                await self.ask(replace(what, method="POST"))
            elif kind == "overlap":
                await self.overlap(what)
            elif kind == "tick":
                await world.clock.tick(what)
            elif kind == "says":
                world.says = what
                world.version += 1
            elif kind == "changed":
                world.version += 1
            elif kind == "fail":
                world.failing = what
            elif kind == "worker":
                self.workers.reverse()
            elif kind == "invalidate":
                await self.caches[0].invalidate_tags(f"page:{what[1:]}")
                if not self.model.strict:  # no rule, no tags
                    world.drop(what, "one", "two")
            await world.clock.tick(0)

    async def overlap(self, asks: Asks) -> None:
        """The application reads, then things change and are invalidated, then it answers."""
        asks = replace(asks, method="GET", user=None)
        gate = self.backend.shut()
        before, dropped = len(self.world.runs), dict(self.world.dropped)
        slow = self.start(asks)
        await self.world.clock.tick(0)
        self.world.version += 1
        self.world.moment += 1
        if not self.model.strict:
            await self.caches[1].invalidate_tags(f"page:{asks.path[1:2]}")
            self.world.drop(address(asks)[0], "one", "two")
        gate.set()
        self.backend.gate = None
        await self.finish(slow, asks, before, dropped)

    def start(self, asks: Asks) -> Any:
        given = {
            "x-kind": asks.kind,
            "accept-language": asks.language,
            "authorization": asks.user,
            "cache-control": asks.control,
            "range": asks.range,
            "if-modified-since": self.world.modified(asks.kind, asks.language, asks.user) if asks.if_modified else None,
        }
        seen = self.seen.get(address(asks))
        tags = (asks.if_none_match or "").replace("seen", (seen or '"x"').removeprefix("W/")) or None
        headers = [("host", asks.host), *((name, value) for name, value in given.items() if value is not None)]
        if tags is not None:
            headers.append(("if-none-match", tags))
        return self.workers[0].start(asks.method, asks.path, headers=headers)

    async def ask(self, asks: Asks) -> None:
        await self.finish(self.start(asks), asks, len(self.world.runs), dict(self.world.dropped))

    async def finish(self, exchange: Any, asks: Asks, before: int, dropped: dict[tuple[str, str], int]) -> None:
        world = self.world
        failing = world.failing
        try:
            answer = await exchange
        except AppError:
            assert failing, "it raises only what the application raises"
            self.reached["raised"] += 1
            return
        if asks.method not in ("GET", "HEAD"):
            if 200 <= answer.status < 400:
                world.drop(address(asks)[0], asks.host)
            return
        self.judge(asks, answer, before, dropped, failed=failing)

    def judge(
        self, asks: Asks, answer: Answer, before: int, dropped: dict[tuple[str, str], int], *, failed: bool
    ) -> None:
        world, [number] = self.world, answer.fields("x-run") or [None]
        if number is None:
            assert answer.status == 504, "only the cache's own 504 has no run"
            assert asks.control == "only-if-cached" or failed
            self.reached["504"] += 1
            return
        run = world.runs[int(number)]
        now_answered = int(number) >= before
        if not now_answered:
            failed = failed or world.says.status in (500, 502, 503, 504)
            why = self.model.may_stand(run, asks, world.clock.wall(), dropped, failed=failed)
            assert not why, f"{why}: {run} for {asks}"
            self.reached["hit"] += 1
            self.reached["stale"] += int(answer.cache.get("ttl", "1")) <= 0
        self.check_fields(answer, now_answered=now_answered)
        self.check_content(asks, answer, run)
        if answer.field("etag"):
            self.seen[address(asks)] = answer.fields("etag")[-1]

    def check_fields(self, answer: Answer, *, now_answered: bool) -> None:
        assert len(answer.fields("cache-status")) == 1
        if not now_answered:
            [age] = answer.fields("age")
            assert age.isdecimal()
            assert not answer.fields("date"), "the server adds its own"
            assert not answer.fields("set-cookie")

    def check_content(self, asks: Asks, answer: Answer, run: Run) -> None:
        """The body of the run, as much of it as this client asked for."""
        status = 200 if run.status == 304 and answer.status != 304 else run.status
        if answer.status == 304 and run.says.status != 304 and run.status != 304:
            self.reached["304"] += 1
            assert answer.body == b""
            assert self.has_it_already(asks, answer, run)
        elif answer.status == 304:
            self.reached["304"] += 1
            assert answer.body == b""
        elif answer.status == 206 and status == 200:
            self.reached["206"] += 1
            first, last, _ = (wanted := RANGES[asks.range] or slice(0)).indices(len(run.body))
            assert answer.field("content-range") == f"bytes {first}-{last - 1}/{len(run.body)}"
            assert answer.body == run.body[wanted] != b""
        elif answer.status == 416 and status == 200:
            self.reached["416"] += 1
            assert asks.range == "bytes=99999-"
        else:
            assert answer.status == status
            assert answer.body == (b"" if asks.method == "HEAD" else run.body)

    def has_it_already(self, asks: Asks, answer: Answer, run: Run) -> bool:
        tags = (asks.if_none_match or "").replace("seen", (self.seen.get(address(asks)) or '"x"').removeprefix("W/"))
        if tags:
            mine = (answer.field("etag") or "").removeprefix("W/")
            return tags == "*" or (bool(mine) and mine in tags and '"x' not in tags.removesuffix('"x"'))
        return asks.if_modified and run.says.modified  # without Last-Modified it is of now


def play(steps: list[tuple[str, Any]], first: Says, strict: bool, reached: Counter[str]) -> None:
    async def run() -> None:
        clock = ManualClock()
        clock.jump_wall(START - clock.wall())
        world = World(clock, first)
        async with pair_over_memory(clock) as caches:
            story = Story([], world, Model(strict, None if strict else 30), caches, reached)
            rules = [] if strict else [Rule("/{page}", ttl=30, tags=["page:{page}"])]
            given: dict[str, Any] = {"respect_origin": True, "honor_request_cache_control": True} if strict else {}
            story.workers += [
                Client(CacheMiddleware(story.backend, cache=cache, rules=rules, validations_per_second=1e9, **given))
                for cache in caches
            ]
            await story.play(steps)

    asyncio.run(run())


@pytest.mark.row("S2.33", "S2.37", "W9")
@pytest.mark.expects_logs
def test_every_answer_is_one_that_the_rfc_allows() -> None:
    """
    Of now, or of an earlier moment that may stand for it: never of another user, variant or resource, never what was
    invalidated; and the stories do reach hits, stale answers, 304s and parts.
    """
    reached: Counter[str] = Counter()

    @settings(max_examples=STORIES)
    @given(steps(), says(), st.booleans())
    def story(steps: list[tuple[str, Any]], first: Says, strict: bool) -> None:
        play(steps, first, strict, reached)

    story()
    assert all(reached[what] for what in ("hit", "stale", "304", "206", "504", "raised")), reached


# -- and where nobody knows what it means ------------------------------------------------------------------------------

NAMES = (
    "cache-control", "cdn-cache-control", "expires", "date", "age", "vary", "etag", "last-modified", "content-range",
    "content-encoding", "content-location", "cache-groups", "surrogate-key", "content-length", "connection", "warning",
)  # fmt: skip
ASKED = (
    "cache-control", "pragma", "range", "if-range", "if-none-match", "if-modified-since", "if-match", "accept-encoding",
    "accept-language", "cookie", "authorization", "connection", "content-type", "x-forwarded-host", "x-auth-a",
)  # fmt: skip
LIFTS = ("public", "s-maxage", "must-revalidate")
TEXTS = [
    text for text in (*CONTROLS, *EXPIRES, *DATES, *AGES, *VARIES, *RANGES, *CONDITIONS, *ASKS, "gzip", "/b?c") if text
]


def noise(names: tuple[str, ...]) -> st.SearchStrategy[list[tuple[str, str]]]:
    """Fields with values that stand elsewhere, or nowhere; repeated, in any case."""
    value = st.one_of(st.sampled_from(TEXTS), st.binary(max_size=20).map(lambda raw: raw.decode("latin-1")))
    name = st.sampled_from(names)
    return st.lists(st.tuples(st.one_of(name, name.map(str.title)), value), max_size=5)


class Loud:
    """An application that sends noise; its body says for whom it is, and what it said."""

    def __init__(self) -> None:
        self.fields: list[tuple[str, str]] = []

    def answer(self, asked: Asked) -> Reply:
        lifted = any(word in value.lower() for _, value in self.fields for word in LIFTS)
        who = [asked.field(name) or "-" for name in ("host", "authorization", "cookie", "x-auth-a")]
        body = "|".join([asked.scope["path"], *who]) if not lifted else "|".join([asked.scope["path"], who[0], "all"])
        return Reply(body.encode("latin-1"), headers=[("Cache-Control", "max-age=60"), *self.fields])


async def shout(story: list[tuple[str, str, list[tuple[str, str]], list[tuple[str, str]]]], *, strict: bool) -> None:
    clock, app = ManualClock(), Loud()
    async with pair_over_memory(clock) as (cache, _):
        middleware = CacheMiddleware(
            Backend(app.answer), cache=cache, respect_origin=True, honor_request_cache_control=strict, heuristic=0.1
        )
        client = Client(middleware)
        for method, path, asked, app.fields in story:
            answer = await client.start(method, path, headers=[("host", "one"), *asked])
            assert answer.status in (200, 206, 304, 416, 504)
            if answer.status == 200 and method != "HEAD":
                own = dict.fromkeys(("authorization", "cookie", "x-auth-a"), "-")
                for name in own:
                    own[name] = ", ".join(value for other, value in asked if other.lower() == name) or "-"
                mine = "|".join([path, "one", *own.values()])
                assert answer.body.decode("latin-1") in (mine, f"{path}|one|all")
            await clock.tick(len(story) % 7 * 10)


def test_noise_breaks_nothing_and_shows_nobody_anothers_response() -> None:
    """
    Whatever stands in the fields of both sides: an answer, and never one that was made for other credentials.
    """
    line = st.tuples(
        st.sampled_from(["GET", "GET", "GET", "HEAD", "QUERY", "POST", "get"]), st.sampled_from(["/a", "/b"]),
        noise(ASKED), noise(NAMES),
    )  # fmt: skip

    @settings(max_examples=STORIES)
    @given(st.lists(line, min_size=2, max_size=8), st.booleans())
    def story(lines: list[Any], strict: bool) -> None:
        asyncio.run(shout(lines, strict=strict))

    story()
