"""What `cached` makes of a function, and what it refuses."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import inspect
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import pytest

from evercache import MISSING, Cache, Confirmation, Skip
from evercache.errors import ConfigurationError, KeyEncodingError


@pytest.fixture
async def cache():
    """A cache of this process alone; stopping it ends the thread that plain functions may have needed."""
    cache = Cache(namespace="cached")
    yield cache
    await cache.stop()


class Service:
    def __init__(self, tenant: str):
        self.tenant = tenant
        self.runs = 0

    def __cache_key__(self):
        return self.tenant


# -- what is refused -----------------------------------------------------------------------------------------------


async def generate():
    yield 1


def produce():
    yield 1


class Maker:
    async def find(self):
        return 1


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        (Maker, "is a class; cache the function"),
        (Maker().find, "is bound to an object"),
        (staticmethod(produce), "write @staticmethod above"),
        (classmethod(produce), "write @classmethod above"),
        (generate, "is a generator; .* Return a list"),
        (produce, "is a generator; .* Return a list"),
        (functools.partial(produce), "no function that was written with def"),
        (print, "no function that was written with def"),
        (7, "an object of type int is no function"),
    ],
)
def test_what_is_no_plain_function_is_refused_at_decoration(cache, target, sentence):
    """Each with the sentence that says what to do."""
    for decorate in (cache.cached, cache.cached(key="name"), cache.using(contextlib.nullcontext)):
        with pytest.raises(ConfigurationError, match=sentence):
            decorate(target)


def test_a_function_is_cached_once(cache):
    """Two layers of one cache would be two sets of options for one answer."""

    @cache.cached
    async def find():
        return 1

    with pytest.raises(ConfigurationError, match="is cached already"):
        cache.cached(key="again")(find)


@pytest.mark.row("W35")
def test_two_functions_never_share_a_name(cache):
    """Lambdas and redefinitions have the same name; their answers would be each other's."""
    first = cache.cached(lambda x: x + 1)
    with pytest.raises(ConfigurationError, match="taken by another cached function"):
        cache.cached(lambda x: x + 2)
    assert first is not None
    with pytest.raises(ConfigurationError, match="Give this one a name of its own"):
        cache.cached(key="pair")(lambda x: x), cache.cached(key="pair")(lambda x: -x)


def test_closures_over_other_values_never_share_a_name(cache):
    """The same lines, and another meaning each time."""

    def make(factor):
        @cache.cached(key="times")
        async def times(x: int):
            return x * factor

        return times

    kept = make(2)
    with pytest.raises(ConfigurationError, match="taken"):
        make(3)
    del kept
    assert make(3) is not None


async def test_decorating_the_same_lines_again_is_no_second_function(cache):
    """A module that is loaded again defines its functions again."""

    def define():
        @cache.cached
        async def find(x: int):
            return x

        return find

    kept = define()
    assert define().key(1) == kept.key(1)


async def test_a_plain_function_that_returns_an_awaitable_is_refused(cache):
    """It could be awaited only once; the second caller would get an error instead of a value."""

    async def find(x):
        return x

    def traced(x):
        return find(x)

    wrapped = cache.cached(key="wrapped")(traced)
    with pytest.raises(ConfigurationError, match="plain function that returns an awaitable"):
        wrapped(1)
    with pytest.raises(ConfigurationError, match="plain function that returns an awaitable"):
        await asyncio.to_thread(wrapped, 1)


def test_options_that_contradict_each_other_are_refused_at_decoration(cache):
    """As early as it can be known."""
    for options in ({"ttl": 0}, {"soft_timeout": 5, "hard_timeout": 1, "fail_safe": 60}, {"l1": False, "l2": False},
                    {"tags": ["user:{nobody}"]}, {"tags": "users"}, {"jitter": 2}, {"ttl": "soon"}):  # fmt: skip
        with pytest.raises(ConfigurationError):
            cache.cached(**options)(generate_nothing)


async def generate_nothing(user_id: int):
    return user_id


# -- methods -------------------------------------------------------------------------------------------------------


@pytest.mark.row("W2")
async def test_methods_answer_for_their_own_object(cache):
    """Five services for the tenants A, B, C, A, B: each gets its own answer, and the second A finds the first one's."""

    class Tenanted(Service):
        @cache.cached
        async def name(self, suffix: str = ""):
            """The name."""
            self.runs += 1
            return self.tenant + suffix

    services = [Tenanted(tenant) for tenant in "ABCAB"]
    assert [await service.name() for service in services] == list("ABCAB")
    assert [service.runs for service in services] == [1, 1, 1, 0, 0]
    assert await services[0].name("!") == "A!"
    assert await Tenanted.name(services[0]) == "A"


@pytest.mark.row("W2")
async def test_an_object_without_an_identity_is_an_error_and_never_an_address(cache):
    """An address is used again as soon as an object is gone."""

    class Anonymous:
        @cache.cached
        async def name(self):
            return 1

    with pytest.raises(KeyEncodingError, match="__cache_key__"):
        await Anonymous().name()


async def test_bound_methods_have_the_handles_without_the_object(cache):
    """What one asks of a method is asked without `self`."""

    class Tenanted(Service):
        @cache.cached(key="tenanted")
        async def find(self, value: int):
            self.runs += 1
            return self.tenant, value

    service, other = Tenanted("a"), Tenanted("b")
    assert await service.find(1) == await service.find(value=1) == ("a", 1)
    assert await service.find.peek(1) == ("a", 1)
    assert await other.find.peek(1) is MISSING
    assert (await service.find.why(1)).state == "hit"
    assert await service.find.refresh(1) == ("a", 1)
    assert service.runs == 2
    await service.find.put(("a", 5), 1)
    assert await service.find(1) == ("a", 5)
    assert service.find.key(1) == Tenanted.find.key(service, 1) != other.find.key(1)
    assert await service.find.invalidate(1) is Confirmation.CONFIRMED
    assert await service.find.peek(1) is MISSING
    assert await service.find.expire(value=1)
    assert (service.find.__name__, service.find.__self__) == ("find", service)
    assert str(inspect.signature(service.find)) == "(value: 'int')"
    assert inspect.iscoroutinefunction(service.find)


async def test_a_method_can_choose_its_key_in_the_class(cache):
    """`key_by` works where the method is written."""

    class Tenanted(Service):
        @cache.cached(key="chosen")
        async def find(self, value: int):
            return value

        @find.key_by
        def _(self, value):
            return value % 10

    assert [await Tenanted("a").find(1), await Tenanted("b").find(11)] == [1, 1]


class Repository:
    """Its class methods are cached below."""


async def test_class_methods_and_static_methods_are_cached_below_their_decorator(cache):
    """The class is part of the key by its name."""

    async def find(cls, value: int):
        return cls.__name__, value

    find.__qualname__ = "Repository.find"
    cached = cache.cached(find)
    Repository.find = classmethod(cached)
    Repository.add = staticmethod(cache.cached(key="add")(generate_nothing))

    assert await Repository.find(1) == ("Repository", 1)
    assert await cached.peek(Repository, 1) == ("Repository", 1)
    assert await Repository.add(3) == 3
    assert await Repository.add.peek(3) == 3

    class Local(Repository):
        pass

    with pytest.raises(KeyEncodingError, match="no name that is its own"):
        await Local.find(1)


# -- the scope of a load -------------------------------------------------------------------------------------------


async def test_using_opens_its_scope_for_each_load_and_hides_the_parameter(cache):
    """Opened only when something is loaded, closed after it, and no part of signature, key or call."""
    opened = []

    @contextlib.asynccontextmanager
    async def session():
        opened.append("open")
        yield "session"
        opened.append("closed")

    @cache.using(session, key="orders", stale_for="1h")
    async def orders(db: object, user_id: int, *, limit: int = 10):
        return db, user_id, limit

    assert str(inspect.signature(orders)) == "(user_id: 'int', *, limit: 'int' = 10)"
    assert await orders(7) == await orders(user_id=7, limit=10) == ("session", 7, 10)
    assert opened == ["open", "closed"]
    assert await orders.refresh(7) == ("session", 7, 10)
    assert len(opened) == 4
    with pytest.raises(TypeError):
        await orders("db", 7, 10)


def test_using_needs_a_first_parameter_to_supply(cache):
    """Whoever has none, or a `self` there, hears it at decoration."""

    async def none():
        return 1

    async def named(*, db):
        return db

    class Method:
        async def find(self, db):
            return db

    for function in (none, named):
        with pytest.raises(ConfigurationError, match="supplies the first parameter"):
            cache.using(contextlib.nullcontext)(function)
    with pytest.raises(ConfigurationError, match="'self'"):
        cache.using(contextlib.nullcontext)(Method.find)


def test_using_needs_a_function_that_opens_a_scope(cache):
    """A bare generator, an opened scope and a class without one are refused before anything is loaded."""

    async def find(db):
        return db

    async def bare():
        yield 1

    opened = contextlib.asynccontextmanager(bare)()
    for scope, sentence in [
        (bare, "asynccontextmanager above it"),
        (opened, "leave out its parentheses"),
        (7, "function"),
    ]:
        with pytest.raises(ConfigurationError, match=sentence):
            cache.using(scope)(find)


# -- life ----------------------------------------------------------------------------------------------------------


async def test_threads_that_call_a_function_first_together_share_its_entries(cache):
    """One site, whoever prepares it: what one of them invalidates, no other one still finds."""
    runs = []
    together = threading.Barrier(8)

    @cache.cached(key="slow")
    def slow(x: int):
        runs.append(x)
        return len(runs)

    def call():
        together.wait()
        return slow(1)

    with ThreadPoolExecutor(8) as threads:
        answers = [future.result() for future in [threads.submit(call) for _ in range(8)]]
    assert set(answers) == {1}
    assert slow._cached.prepared().table is slow._cached.stencil.namespace["_ec_table"]
    assert await slow.invalidate(1)
    assert await asyncio.to_thread(slow, 1) == 2


async def test_a_plain_function_is_cached_for_threads(cache):
    """Called from a thread it waits for the loop; called on the loop it answers from memory or simply runs."""
    runs = []

    @cache.cached(key="square")
    def square(x: int):
        runs.append(x)
        return x * x

    assert [await asyncio.to_thread(square, 3), await asyncio.to_thread(square, 3), square(3)] == [9, 9, 9]
    assert runs == [3]
    assert square(4) == 16


@pytest.mark.row("W19", "S1.29")
@pytest.mark.parametrize("nothing", [None, [], {}, 0, "", False])
async def test_answers_that_are_nothing_are_cached(cache, nothing):
    """The function runs once, whatever it says."""
    runs = []

    @cache.cached(key="nothing")
    async def find():
        runs.append(1)
        return nothing

    assert [await find() for _ in range(5)] == [nothing] * 5
    assert runs == [1]


async def test_an_inherited_stale_for_does_not_concern_a_borrowed_load():
    """A cache-wide option is for those who can use it; what a function itself asks for is an error (see plumbing)."""
    cache = Cache(namespace="inherited", stale_for="1h", early=True)

    async def find(db: Annotated[object, Skip], x: int):
        return x

    cached = cache.cached(key="find")(find)
    assert await cached(None, 1) == 1
    policy = cached._cached.prepared().policy
    assert (policy.stale_for, policy.beta) == (0.0, 0.0)


def test_a_function_that_nobody_holds_is_gone(cache):
    """Decorating keeps nothing alive."""

    def define():
        async def find():
            return 1

        return weakref.ref(cache.cached(key="gone")(find))

    gone = define()
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("key", ["made", "made:{number}"], ids=["named", "by template"])
async def test_functions_that_are_made_again_and_again_leave_no_tables_behind(cache, key):
    """However many closures had the name before: their entries and their keys' texts go with them."""

    def define(version):
        @cache.cached(key=key)
        async def find(number: int):
            return version

        return find

    l1 = cache._engine.l1
    for version in range(5):
        find = define(version)
        assert await find(1) == version
        assert await find(2) == version
        del find
    gc.collect()
    kept = define(5)
    assert await kept(1) == 5
    assert len(l1._texts) == 1
    assert l1.policy.items == 1
