"""What a key looks like: who is asked, readable; what is asked, as a digest of one length."""

import re

import pytest

from evercache import Cache

FORM = re.compile(r"[\w.:%]+#[0-9a-f]{32}")


@pytest.mark.row("F2.2", "S2.96", "S2.29")
@pytest.mark.parametrize("text", ["x", "x:y", "x" * 201, "ann@example.org " * 10_000])
def test_long_arguments_make_no_long_keys(text: str):
    """A name and 128 bits, whatever the arguments: nothing is cut, nothing of them can be read."""
    cache = Cache(environ={})

    @cache.cached(key="search")
    async def search(text: str, *, limit: int = 20) -> list[str]:
        return [text]

    key = search.key(text)
    assert FORM.fullmatch(key)
    assert key.startswith("search#")
    assert len(key) == len("search#") + 32
    assert search.key(text) == search.key(text=text, limit=20) != search.key(text, limit=21)


@pytest.mark.row("F2.2", "S4.18")
def test_names_have_levels():
    """The named cache, then the function: one look at Redis says whose entry it is."""
    cache = Cache(environ={})

    @cache.named("projects").cached(key="detail")
    async def detail(project_id: int) -> int:
        return project_id

    @cache.cached
    async def other(project_id: int) -> int:
        return project_id

    assert detail.key(7).startswith("projects:detail#")
    assert other.key(7).startswith(f"{__name__}.")
    assert FORM.fullmatch(other.key(7))


@pytest.mark.row("F2.2")
def test_equal_arguments_of_two_functions_are_two_keys():
    """Also in two named caches with one function name."""
    cache = Cache(environ={})

    async def find(number: int) -> int:
        return number

    one = cache.named("users").cached(key="find")(find)
    two = cache.named("tasks").cached(key="find")(find)
    assert one.key(1) != two.key(1)
    assert one.key(1).partition("#")[2] != one.key(2).partition("#")[2]
