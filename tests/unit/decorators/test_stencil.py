"""The generated stand-in, for every kind of parameter and every spelling of a call."""

from __future__ import annotations

import inspect
from typing import Annotated, NewType

import pytest

from evercache import Cache, KeyBy, Skip
from evercache.core.options import Options
from evercache.decorators.cached import Cached

UserId = NewType("UserId", int)


class User:
    def __init__(self, id, seen):
        self.id, self.seen = id, seen


@pytest.fixture
def cache():
    """A cache of this process alone; nothing of it has to be started."""
    return Cache(namespace="stencil")


async def plain(a: int, b: str = "x"):
    return "plain", a, b


async def positional(a: int, b: int = 2, /, c: int = 3):
    return "positional", a, b, c


async def keyword(*, a: int, b: str = "x", c: int):
    return "keyword", a, b, c


async def rest(a: int, *args: int, b: int = 0, **kwargs: int):
    return "rest", a, args, b, kwargs


async def untyped(a, b=None):
    return "untyped", a, b


async def optional(a: int | None = None, b: str | None = None):
    return "optional", a, b


async def builtins(str: str, int: int = 0, KeyError: int = 0, part: int = 0):  # noqa: N803
    return "builtins", str, int, KeyError, part


async def flags(a: bool, b: int = 0):
    return "flags", a, b


@pytest.mark.row("W34", "S1.28")
@pytest.mark.parametrize(
    ("function", "spellings"),
    [
        (plain, [((1,), {}), ((1, "x"), {}), ((), {"a": 1}), ((1,), {"b": "x"}), ((), {"b": "x", "a": 1})]),
        (positional, [((1,), {}), ((1, 2), {}), ((1, 2, 3), {}), ((1, 2), {"c": 3})]),
        (keyword, [((), {"a": 1, "c": 2}), ((), {"c": 2, "a": 1}), ((), {"c": 2, "b": "x", "a": 1})]),
        (rest, [((1, 2, 3), {"z": 1, "y": 2}), ((1, 2, 3), {"y": 2, "z": 1}), ((1, 2, 3), {"y": 2, "b": 0, "z": 1})]),
        (untyped, [((1,), {}), ((1, None), {}), ((), {"a": 1}), ((), {"b": None, "a": 1})]),
        (optional, [((), {}), ((None,), {}), ((None, None), {}), ((), {"b": None})]),
        (builtins, [(("a",), {}), ((), {"str": "a", "KeyError": 0, "int": 0}), (("a", 0, 0, 0), {})]),
        (flags, [((True,), {}), ((True, 0), {}), ((), {"b": 0, "a": True})]),
    ],
)  # fmt: skip
async def test_every_spelling_of_a_call_is_one_call(cache, function, spellings):
    """Positional, by name, in another order, with the default said or not: one key, one load."""
    cached = cache.cached(function)
    for args, kwargs in spellings:
        assert await cached(*args, **kwargs) == await function(*args, **kwargs)
    assert len({cached.key(*args, **kwargs) for args, kwargs in spellings}) == 1
    statistics = cache.statistics()["functions"][f"{__name__}.{function.__name__}"]
    assert statistics["fills"] == 1
    assert statistics["hits"] == len(spellings) - 1


@pytest.mark.row("W3", "W21", "W35")
@pytest.mark.parametrize(
    ("function", "calls"),
    [
        (plain, [((1,), {}), ((2,), {}), ((1, "y"), {}), ((True,), {}), ((1.0,), {}), (("1",), {}), ((2**61,), {})]),
        (plain, [((1, "x:y"), {}), ((1, "x"), {}), ((1, ""), {}), ((1, None), {}), ((1, b"x"), {}), ((1, 1), {})]),
        (rest, [((1, 2), {}), ((1,), {"b": 2}), ((1,), {"c": 2}), ((1, 2, 3), {}), ((1,), {"args": 2})]),
        (untyped, [(("x:y",), {}), (("x", "y"), {}), (((),), {}), (([],), {}), (("",), {}), ((None,), {}), ((0,), {})]),
        (optional, [((), {}), ((0,), {}), ((False,), {}), (("",), {}), ((None, ""), {}), ((None, "None"), {})]),
        (flags, [((True,), {}), ((1,), {}), ((False,), {}), ((0,), {}), ((True, True), {}), ((True, 1), {})]),
        (keyword, [((), {"a": 1, "c": 2}), ((), {"a": 2, "c": 1}), ((), {"a": 1, "c": 2, "b": "1"})]),
    ],
)  # fmt: skip
async def test_calls_with_other_arguments_are_other_calls(cache, function, calls):
    """Each gets its own answer, the second time too; Python's 1 == True == 1.0 is nobody's business here."""
    cached = cache.cached(function)
    for _ in range(2):
        for args, kwargs in calls:
            found, told = await cached(*args, **kwargs), await function(*args, **kwargs)
            assert found == told
            assert list(map(type, found)) == list(map(type, told))
    assert len({cached.key(*args, **kwargs) for args, kwargs in calls}) == len(calls)


@pytest.mark.row("S0.26", "S1.30")
@pytest.mark.parametrize("function", [plain, positional, keyword, rest, untyped, optional, builtins, flags])
def test_the_stand_in_looks_like_the_function(cache, function):
    """For inspect, FastAPI and a debugger it is the user's function."""
    cached = cache.cached(function)
    assert inspect.signature(cached) == inspect.signature(function)
    assert inspect.iscoroutinefunction(cached)
    assert inspect.isfunction(cached)
    assert cached.__wrapped__ is function
    for fact in (
        "__name__",
        "__qualname__",
        "__module__",
        "__doc__",
        "__annotations__",
        "__defaults__",
        "__kwdefaults__",
    ):
        assert getattr(cached, fact) == getattr(function, fact)


async def test_a_wrong_call_is_the_usual_type_error(cache):
    """The interpreter binds the arguments, so its errors are the ones that everybody knows."""
    cached = cache.cached(plain)
    for args, kwargs in [((), {}), ((1, "x", 3), {}), ((1,), {"c": 1}), ((1,), {"a": 1})]:
        with pytest.raises(TypeError, match=r"plain\(\)"):
            await cached(*args, **kwargs)


@pytest.mark.row("W34")
async def test_new_types_and_exact_classes_take_the_short_path(cache):
    """A NewType of int is an int, in the key too."""

    async def find(user_id: UserId):
        return user_id

    cached = cache.cached(key="find")(find)
    assert await cached(UserId(7)) == 7
    assert await cached(UserId(7)) == 7
    assert cached._cached.parameters[0].exact is int


async def test_defaults_are_those_of_the_decoration(cache):
    """A default that is changed later changes nothing, as in Python."""
    order = ["a"]

    async def find(order=order):
        return list(order)

    cached = cache.cached(key="find")(find)
    assert await cached() == ["a"]
    order.append("b")
    assert await cached() == ["a", "b"]
    assert await cached(["a"]) == ["a"]


async def test_plumbing_may_be_left_out_where_only_the_key_counts(cache):
    """invalidate, peek, key and why need the key; refresh runs the function, so it needs everything."""
    runs = []

    async def find(db: Annotated[object, Skip], user_id: int, lang: str = "en", *, trace: Annotated[object, Skip]):
        runs.append(db)
        return user_id, lang

    cached = cache.cached(key="find")(find)
    assert await cached("db", 7, trace=1) == (7, "en")
    assert await cached("other", 7, trace=2) == (7, "en")
    assert cached.key(user_id=7) == cached.key("db", 7) == cached.key("db", 7, "en", trace=3)
    assert await cached.peek(user_id=7) == (7, "en")
    assert (await cached.why(user_id=7)).state == "hit"
    assert await cached.invalidate(user_id=7)
    assert not await cached.peek(user_id=7)
    await cached.put((7, "put"), user_id=7)
    assert await cached("db", 7, trace=1) == (7, "put")
    assert await cached.refresh("db", 7, trace=1) == (7, "en")
    assert runs == ["db", "db"]
    with pytest.raises(TypeError, match="missing"):
        await cached.refresh("db", 7)
    with pytest.raises(TypeError, match="find needs 'user_id'; behind plumbing"):
        cached.key()
    with pytest.raises(TypeError, match="find needs 'user_id'"):
        cached.key("db")


async def test_parameters_may_be_called_like_the_handles_own(cache):
    """`self`, `value` and `args` are the user's words too."""

    async def find(self: int, value: int, args: int = 0, kwargs: int = 0):
        return self, value, args

    cached = cache.cached(key="find")(find)
    assert await cached(self=1, value=2, args=3) == (1, 2, 3)
    await cached.put((0, 0, 0), self=1, value=2, args=3)
    assert await cached.peek(self=1, value=2, args=3) == (0, 0, 0)
    assert await cached.invalidate(self=1, value=2, args=3)
    assert await cached(1, 2, 3) == (1, 2, 3)


async def test_a_part_of_an_argument_can_be_its_key(cache):
    """KeyBy says what counts."""

    async def greet(user: Annotated[User, KeyBy(lambda user: user.id)]):
        return user.seen

    cached = cache.cached(key="greet")(greet)
    assert [await cached(User(1, "a")), await cached(User(1, "b")), await cached(User(2, "c"))] == ["a", "a", "c"]


async def test_key_by_chooses_the_whole_key(cache):
    """Given at decoration or registered afterwards, with the parameters of the function; before the first call."""

    async def find(a: int, *, b: int = 0):
        return a, b

    first = cache.cached(key="first", key_by=lambda a, *, b: a % 10)(find)
    assert [await first(1), await first(11, b=5), await first(2)] == [(1, 0), (1, 0), (2, 0)]

    second = cache.cached(key="second")(find)

    @second.key_by
    def _(a: int, *, b: int = 0) -> object:
        return b

    assert [await second(1), await second(2), await second(2, b=1)] == [(1, 0), (1, 0), (2, 1)]
    assert second.key(5) == second.key(6)
    with pytest.raises(ValueError, match="before the first call"):
        second.key_by(lambda a, *, b: a)


def test_names_that_the_stand_in_uses_itself_are_refused():
    """The prefix is ours, and says so."""

    async def find(_ec_table: int):
        return _ec_table

    with pytest.raises(ValueError, match="'_ec_table'; the prefix is ours"):
        Cached(find, name="find", options=Options())


@pytest.mark.parametrize("name", ["<lambda>", "class", "two words", "", "__debug__"])
async def test_any_name_a_function_can_have_is_fine(cache, name):
    """A function may call itself what it likes; the generated one then has a plain name inside."""

    async def find():
        return 1

    find.__name__ = name
    assert await cache.cached(key="odd")(find)() == 1
