"""Domain events: what is forgotten for which event, what is refused when it is written down, and what is told."""

from __future__ import annotations

import asyncio
from collections import UserDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest

from evercache import MISSING, Cache, Confirmation
from evercache.core.events import EventsPublished, Invalidated
from evercache.errors import ConfigurationError
from evercache.rules import Rules
from evercache.stores.local import MemoryStore
from tests.support.source import alone


@dataclass(frozen=True)
class CacheInvalidationEvent:
    """The event of the project service, as its document writes it down."""

    event_type: str
    project_id: int
    user_id: str
    timestamp: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass
class ProjectEvent:
    project_id: int
    user_id: str


@dataclass
class ProjectUpdated(ProjectEvent):
    fields: tuple[str, ...] = ()


@dataclass
class ClassificationUpdated(ProjectEvent):
    pass


@dataclass
class PredicateUpdated(ProjectEvent):
    pass


class UserErased(NamedTuple):
    user_id: str


KINDS = ("detail", "dashboard", "export", "list", "search", "stats")


class Projects:
    """What a project service caches: one function for each kind, by project or by user."""

    def __init__(self, cache: Cache) -> None:
        self.functions: dict[str, Any] = {}
        for kind in KINDS:
            name = "user_id" if kind in ("list", "search", "stats") else "project_id"
            self.functions[kind] = self._function(cache, kind, name)

    def _function(self, cache, kind, name):
        tags = [f"{kind}:{{project_id}}", "user:{user_id}", f"{kind}s-of:{{user_id}}"]

        @cache.cached(key=kind, ttl="1h", tags=tags)
        async def load(project_id: int, user_id: str) -> str:
            return f"{kind} of {project_id}"

        return load

    async def fill(self):
        for function in self.functions.values():
            for project, user in ((1, "ada"), (2, "ada"), (3, "grace")):
                await function(project, user)

    async def cold(self, project, user):
        """The kinds that are gone for this project and user."""
        return {kind for kind, function in self.functions.items() if await function.peek(project, user) is MISSING}


def project_rules(cache):
    rules = Rules(cache)
    rules.on(ProjectUpdated).invalidate(
        "detail:{project_id}", "dashboard:{project_id}", "export:{project_id}",
        "lists-of:{user_id}", "searchs-of:{user_id}", "statss-of:{user_id}",
    )  # fmt: skip
    for event in (ClassificationUpdated, PredicateUpdated):
        rules.on(event).invalidate("dashboard:{project_id}", "export:{project_id}")
    rules.on(UserErased).invalidate("user:{user_id}")
    return rules


SELECTIVE = [
    pytest.param(ProjectUpdated(1, "ada"), set(KINDS), id="project", marks=pytest.mark.row("S4.20", "S4.52", "S4.57")),
    pytest.param(ClassificationUpdated(1, "ada"), {"dashboard", "export"}, id="classification", marks=pytest.mark.row("S4.53", "W39")),
    pytest.param(PredicateUpdated(1, "ada"), {"dashboard", "export"}, id="predicate", marks=pytest.mark.row("S4.54", "W39")),
    pytest.param(UserErased("ada"), set(KINDS), id="user", marks=pytest.mark.row("S4.55")),
]  # fmt: skip


@pytest.mark.parametrize(("event", "gone"), SELECTIVE)
@pytest.mark.parametrize("shared", [False, True], ids=["alone", "shared"])
async def test_an_event_forgets_what_its_rules_name_and_nothing_else(manual_clock, shared, event, gone):
    """
    An update of the project drops all that is made of it; a classification drops dashboard and export, and the detail
    stays; what belongs to the user drops all of that user. Nobody else's answers are touched.
    """
    store = MemoryStore(manual_clock)
    cache = Cache(store=store.join, clock=manual_clock, environ={}) if shared else alone(manual_clock)
    async with cache:
        projects = Projects(cache)
        await projects.fill()
        result = await project_rules(cache).publish(event)
        assert (result.success, result.confirmation) == (True, Confirmation.CONFIRMED)
        assert await projects.cold(1, "ada") == gone
        assert await projects.cold(3, "grace") == set()


@pytest.mark.row("S4.3", "S2.81")
async def test_one_event_class_can_be_told_apart_by_kind_and_by_changed_fields(manual_clock):
    """
    A condition sees the event: its kind, or which fields have changed.
    """
    cache = alone(manual_clock)
    projects = Projects(cache)
    rules = Rules(cache)
    rules.on(CacheInvalidationEvent).invalidate("dashboard:{project_id}").invalidate(
        "detail:{project_id}", when=lambda event: event.event_type == "project_update"
    ).invalidate("lists-of:{user_id}", when=lambda event: "name" in event.metadata.get("updated_fields", ()))
    await projects.fill()
    await rules.publish(CacheInvalidationEvent("classification_update", 1, "ada"))
    assert await projects.cold(1, "ada") == {"dashboard"}
    await rules.publish(CacheInvalidationEvent("project_update", 1, "ada", metadata={"updated_fields": ["status"]}))
    assert await projects.cold(1, "ada") == {"dashboard", "detail"}
    await rules.publish(CacheInvalidationEvent("project_update", 1, "ada", metadata={"updated_fields": ["name"]}))
    assert await projects.cold(1, "ada") == {"dashboard", "detail", "list"}


async def test_a_rule_for_a_class_holds_for_the_classes_below_it(manual_clock):
    """
    What is to happen for every event of a project is written down once.
    """
    cache = alone(manual_clock)
    projects, rules = Projects(cache), Rules(cache)
    rules.on(ProjectEvent).invalidate("stats:{project_id}")
    await projects.fill()
    result = await rules.publish(ClassificationUpdated(1, "ada"))
    assert (result.rules, await projects.cold(1, "ada")) == (1, {"stats"})


async def test_a_rule_can_name_a_call_and_make_stale_instead_of_dropping(manual_clock):
    """
    The answer to one call is dropped; what expires softly still answers where stale_for allows.
    """
    cache = alone(manual_clock)
    loads = []

    @cache.cached(key="kept", ttl="1h", stale_for="1h", tags=["kept:{number}"])
    async def kept(number: int) -> int:
        loads.append(number)
        return len(loads)

    projects, rules = Projects(cache), Rules(cache)
    rules.on(ProjectUpdated).expire("kept:{project_id}").invalidate_call(
        projects.functions["detail"], lambda event: (event.project_id, event.user_id)
    )
    await projects.fill()
    assert await kept(1) == 1
    result = await rules.publish(ProjectUpdated(1, "ada"))
    assert (result.tags, result.calls) == (1, 1)
    assert await projects.cold(1, "ada") == {"detail"}
    assert await projects.cold(2, "ada") == set()
    assert await kept(1) == 1  # stale, at once; a reload runs behind
    await manual_clock.tick(1)
    assert loads == [1, 1]


async def test_a_function_of_the_event_may_give_several_tags(manual_clock):
    """
    Tags that no template can say come from a function: one text or several.
    """
    cache = alone(manual_clock)
    projects, rules = Projects(cache), Rules(cache)
    rules.on(ProjectUpdated).invalidate(lambda event: [f"{kind}:{event.project_id}" for kind in event.fields])
    await projects.fill()
    await rules.publish(ProjectUpdated(2, "ada", ("detail", "export")))
    assert await projects.cold(2, "ada") == {"detail", "export"}


@pytest.mark.row("S4.57", "S2.80")
async def test_the_result_counts_exactly_where_this_process_is_all_there_is(manual_clock):
    """
    Alone, the number of keys is exact: live ones only, each once, also if two tags name it. With a shared store it is an
    estimate, and says so; so is a publication that was told not to count.
    """
    cache = alone(manual_clock)
    projects, rules = Projects(cache), project_rules(cache)
    await projects.fill()
    result = await rules.publish(ProjectUpdated(1, "ada"), UserErased("ada"))
    assert (result.invalidated_keys, result.exact) == (12, True)
    assert (result.events, result.rules, result.tags) == (("ProjectUpdated", "UserErased"), 7, 7)
    assert (await rules.publish(UserErased("ada"))).invalidated_keys == 0
    assert not (await rules.publish(UserErased("ada"), counted=False)).exact
    async with Cache(store=MemoryStore(manual_clock).join, clock=manual_clock, environ={}) as shared:
        projects = Projects(shared)
        await projects.fill()
        result = await project_rules(shared).publish(ClassificationUpdated(1, "ada"))
        assert (result.invalidated_keys, result.exact) == (2, False)
    said = result.to_dict()
    assert (said["success"], said["confirmation"], said["timestamp"][-6:]) == (True, "confirmed", "+00:00")


async def test_of_very_many_entries_the_number_is_an_estimate(manual_clock):
    """
    Counting must not hold up the loop: beyond a few thousand entries the rest is estimated, and said to be.
    """
    cache = alone(manual_clock)

    @cache.cached(key="many", tags=["parity:{parity}"])
    async def many(number: int, parity: int) -> int:
        return number

    for number in range(6_000):
        await many(number, number % 2)
    rules = Rules(cache)
    rules.on(Plain).invalidate("parity:{number}")
    result = await rules.publish(Plain(1))
    assert not result.exact
    assert result.invalidated_keys == pytest.approx(3_000, rel=0.05)


async def test_an_audit_event_tells_what_was_done_and_no_name_of_a_tag(manual_clock):
    """
    Observers get one event for a publication, with classes, counts and duration.
    """
    cache = alone(manual_clock)
    projects, heard = Projects(cache), []
    cache.observe(heard.append)
    await projects.fill()
    await project_rules(cache).publish(ClassificationUpdated(1, "ada"))
    audits = [event for event in heard if isinstance(event, EventsPublished)]
    assert audits == [EventsPublished(("ClassificationUpdated",), 1 + 1, 2, 0, 2, True, "confirmed", 0.0)]
    assert "ada" not in repr(heard)
    assert sum(isinstance(event, Invalidated) for event in heard) == 1


async def test_nothing_is_sent_if_one_event_of_a_batch_is_wrong(manual_clock):
    """
    All tags, conditions and arguments are made before anything is sent.
    """
    cache = alone(manual_clock)
    projects, rules = Projects(cache), project_rules(cache)
    await projects.fill()

    class Vague(ProjectUpdated):
        @property
        def trouble(self):
            raise LookupError("secret")

    rules.on(Vague).invalidate("x:{trouble}")
    for event in (Vague(1, "ada"),):
        with pytest.raises(ConfigurationError, match=r"x:\{trouble\}.*LookupError.*nothing was sent") as caught:
            await rules.publish(ProjectUpdated(1, "ada"), event)
        assert "secret" not in str(caught.value)
    rules.on(PredicateUpdated).invalidate("x", when=lambda event: event.missing)
    with pytest.raises(ConfigurationError, match=r"condition.*AttributeError.*nothing was sent"):
        await rules.publish(ProjectUpdated(1, "ada"), PredicateUpdated(1, "ada"))
    rules.on(UserErased).invalidate_call(projects.functions["detail"], lambda event: ())
    with pytest.raises(ConfigurationError, match=r"detail.*TypeError.*nothing was sent"):
        await rules.publish(ProjectUpdated(1, "ada"), UserErased("ada"))
    assert await projects.cold(1, "ada") == set()


class Plain:
    def __init__(self, number: int) -> None:
        self.number = number


class Open(UserDict):
    pass


async def test_an_event_may_be_a_mapping(manual_clock):
    """
    Its keys are its fields.
    """
    cache = alone(manual_clock)
    projects, rules = Projects(cache), Rules(cache)
    rules.on(Open).invalidate("detail:{project_id}")
    await projects.fill()
    await rules.publish(Open(project_id=1))
    assert await projects.cold(1, "ada") == {"detail"}


def test_a_template_with_a_name_that_the_event_has_not_is_refused_when_it_is_written(manual_clock):
    """
    Dataclasses, named tuples and plain classes say what they have; where anything may be, nothing is refused.
    """
    rules = Rules(alone(manual_clock))
    rules.on(Plain).invalidate("n:{number}", "n:{number.real}")
    rules.on(ProjectUpdated).invalidate("p:{project_id}", "u:{user_id}", "f:{fields[0]}", "always")
    rules.on(Open).invalidate("o:{anything}")
    for event in (Plain, ProjectUpdated, UserErased):
        with pytest.raises(ConfigurationError, match="uses 'projectid', which a"):
            rules.on(event).invalidate("p:{projectid}")
    assert len(rules.describe()) == 7
    assert rules.describe()[0] == "on(Plain).invalidate('n:{number}')"


def test_what_is_no_rule_is_refused(manual_clock):
    """
    The sentence says what to write instead.
    """
    cache, other = alone(manual_clock), alone(manual_clock)
    rules, foreign = Rules(cache), Projects(other).functions["detail"]
    with pytest.raises(ConfigurationError, match="give the class"):
        rules.on("project_updated")
    with pytest.raises(ConfigurationError, match="without a tag"):
        rules.on(Plain).invalidate()
    with pytest.raises(ConfigurationError, match="can't be read"):
        rules.on(Plain).invalidate("n:{number")
    with pytest.raises(ConfigurationError, match="no function"):
        rules.on(Plain).invalidate("n", when=True)
    with pytest.raises(ConfigurationError, match="not cached"):
        rules.on(Plain).invalidate_call(print, lambda event: ())
    with pytest.raises(ConfigurationError, match="another cache"):
        rules.on(Plain).invalidate_call(foreign, lambda event: ())


async def test_an_event_without_a_rule_does_nothing(manual_clock):
    """
    Publishing is the application's habit; not every event concerns the cache.
    """
    result = await Rules(alone(manual_clock)).publish(Plain(1))
    assert (result.rules, result.tags, result.invalidated_keys, result.success) == (0, 0, 0, True)


@pytest.mark.row("S4.52", "W40")
async def test_a_load_that_was_overtaken_by_an_event_is_never_seen_later(manual_clock):
    """
    A load that began before the event can't bring the old answer back.
    """
    async with Cache(store=MemoryStore(manual_clock).join, clock=manual_clock, environ={}) as cache:
        version, gate = [0], asyncio.Event()

        @cache.cached(key="slow", tags=["slow:{project_id}"])
        async def slow(project_id: int) -> int:
            read = version[0]
            await gate.wait()
            return read

        rules = Rules(cache)
        rules.on(ProjectUpdated).invalidate("slow:{project_id}")
        loading = asyncio.ensure_future(slow(1))
        await manual_clock.tick(0.01)
        version[0] = 1
        await rules.publish(ProjectUpdated(1, "ada"))
        gate.set()
        await loading
        assert await slow(1) == 1
