"""`invalidates`: after success, and only then."""

from __future__ import annotations

import inspect
from dataclasses import dataclass

import pytest

from evercache import MISSING, Cache
from evercache.errors import ConfigurationError, InvalidationPending


@dataclass
class Task:
    id: int
    title: str = ""


@pytest.fixture
async def cache():
    async with Cache(namespace="invalidates") as cache:
        yield cache


@pytest.fixture
async def find(cache):
    """A cached function with a tag for each task, with the tasks 1 to 3 in the cache."""

    @cache.cached(key="task", tags=["task:{task_id}", "tasks"])
    async def find(task_id: int) -> Task:
        return Task(task_id)

    for task_id in (1, 2, 3):
        await find(task_id)
    return find


async def held(find):
    return [task_id for task_id in (1, 2, 3) if await find.peek(task_id) is not MISSING]


@pytest.mark.row("W12")
async def test_tags_are_dropped_after_the_function_has_succeeded(cache, find):
    """Not before: a reader could load the old data again between the invalidation and the write."""
    seen = []

    @cache.invalidates("task:{task_id}")
    async def rename(task_id: int, title: str = "new"):
        """Renames."""
        seen.append(await held(find))
        return title

    assert await rename(2, title="x") == "x"
    assert seen == [[1, 2, 3]]
    assert await held(find) == [1, 3]
    assert (rename.__name__, rename.__doc__) == ("rename", "Renames.")
    assert inspect.signature(rename) == inspect.signature(rename.__wrapped__)


@pytest.mark.row("W12")
async def test_nothing_is_dropped_when_the_function_fails(cache, find):
    """What has not changed is still true."""

    @cache.invalidates("task:{task_id}", "tasks")
    async def rename(task_id: int):
        raise LookupError(task_id)

    with pytest.raises(LookupError):
        await rename(2)
    assert await held(find) == [1, 2, 3]


async def test_tags_may_use_the_result_and_functions_the_arguments(cache, find):
    """An id is known only after it was made."""

    @cache.invalidates("task:{result.id}", lambda title, *more: [f"task:{number}" for number in more[0]])
    async def create(title: str, *more: int) -> Task:
        return Task(1, title)

    assert await create("new", 2) == Task(1, "new")
    assert await held(find) == [3]


@pytest.mark.row("S2.50", "S4.52")
@pytest.mark.parametrize(
    "make",
    [
        lambda result: [f"task:{task.id}" for task in result],
        lambda title, result: [f"task:{task.id}" for task in result],
        lambda result, /, *, extra: [f"task:{number}" for number in (result[0].id, extra)],
        lambda *, result, prefix="task": [f"{prefix}:{task.id}" for task in result],
        lambda title, extra: ["task:1", f"task:{extra}"],
        lambda text, number: ["task:1", f"task:{number}"],
        lambda: ["task:1", "task:2"],
    ],
)
async def test_a_function_gets_what_its_parameters_name(cache, find, make):
    """
    Arguments and the result by their names; a function that names something else gets all arguments in their order.
    """

    @cache.invalidates(make)
    async def create(title: str, extra: int) -> list[Task]:
        return [Task(1, title), Task(extra)]

    await create("new", extra=2)
    assert await held(find) == [3]


async def test_a_tag_that_cannot_be_made_is_an_error_after_the_others(cache, find):
    """A silent gap would be a stale answer; and the tags that can be made don't suffer from it."""

    @cache.invalidates("task:{result.id}", "task:{task_id}", lambda task_id: 1)
    async def update(task_id: int) -> Task | None:
        return None

    with pytest.raises(ConfigurationError, match=r"'task:\{result.id\}' can't be made .*AttributeError.*has succeeded"):
        await update(3)
    assert await held(find) == [1, 2]


async def test_a_tag_never_holds_an_address(cache):
    """Nobody could name it again, so what carries it would never be invalidated; a text like one is a text."""

    class User:
        pass

    @cache.cached(key="greet", key_by=lambda user: 1, tags=["user:{user}"])
    async def greet(user: object) -> int:
        return 1

    @cache.cached(key="search", tags=["search:{text}"])
    async def search(text: str) -> int:
        return 1

    with pytest.raises(ConfigurationError, match=r"would hold the address of an object of type .*User.*\{user.id\}"):
        await greet(User())
    assert await search("<User object at 0x7f0000000000>") == 1


async def test_a_method_invalidates_too(cache, find):
    """`self` is a name like the others."""

    class Service:
        task_id = 1

        @cache.invalidates("task:{self.task_id}")
        async def rename(self):
            return self.task_id

    assert await Service().rename() == 1
    assert await held(find) == [2, 3]


@pytest.mark.expects_logs
async def test_what_cannot_be_confirmed_raises_where_it_was_asked_for():
    """Redis isn't there: the write has happened, the journal keeps the invalidation, and the caller hears it."""
    cache = Cache("redis://127.0.0.1:1/0", namespace="invalidates")

    @cache.invalidates("tasks", on_pending="raise")
    async def loud():
        return 1

    @cache.invalidates("tasks")
    async def calm():
        return 1

    assert await calm() == 1
    with pytest.raises(InvalidationPending, match="repeated"):
        await loud()


def test_what_cannot_be_meant_is_refused_at_decoration(cache):
    """No tag, an unknown name, a plain function, an unknown word."""

    async def write(task_id: int):
        return task_id

    for tags, options, target in [
        ((), {}, write), (("task:{nobody}",), {}, write), (("",), {}, write), (("task:{",), {}, write),
        ((lambda result, nobody: [],), {}, write), (("tasks",), {}, lambda: 1), (("tasks",), {"on_pending": "later"}, write),
    ]:  # fmt: skip
        with pytest.raises(ConfigurationError):
            cache.invalidates(*tags, **options)(target)
