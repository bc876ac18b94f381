"""`key=`: a name, a name with fields, or a function."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pytest
from fastapi import Depends

from evercache import Cache, cache_response
from evercache.errors import ConfigurationError, KeyEncodingError


@dataclass
class User:
    id: int
    org: str
    seen: int = 0


class Account:
    def __init__(self, id):
        self.id = id


INJECTED = Depends(lambda: None)


@pytest.fixture
async def cache():
    cache = Cache(namespace="keyed")
    yield cache
    await cache.stop()


def texts(cache):
    """The readable logical keys of what is cached, as globs see them."""
    return sorted(site.text(key) for site in cache.engine.sites.values() for key in site.table)


async def find(user_id: int, lang: str = "en"):
    return user_id, lang


@pytest.mark.row("S0.20", "W21")
async def test_a_key_without_fields_is_a_name_and_the_arguments_are_appended(cache):
    """A search for twenty results is not the one for fifty."""
    cached = cache.cached(key="profile")(find)
    assert [await cached(1), await cached(2), await cached(1, "de")] == [(1, "en"), (2, "en"), (1, "de")]
    assert texts(cache) == ["profile:1:de", "profile:1:en", "profile:2:en"]


@pytest.mark.row("S0.20")
async def test_fields_show_where_the_arguments_stand(cache):
    """The text that globs see is the one that was written."""
    cached = cache.cached(key="profile/{lang}/{user_id}")(find)
    assert await cached(7) == await cached(user_id=7, lang="en") == (7, "en")
    assert texts(cache) == ["profile/en/7"]
    await cache.invalidate_pattern("profile/*/7")
    assert not await cached.peek(7)


@pytest.mark.row("W21")
async def test_a_parameter_without_a_field_is_appended(cache):
    """Forgetting one changes how the key reads, not what it means."""
    cached = cache.cached(key="profile:{user_id}")(find)
    assert [await cached(1), await cached(1, "de")] == [(1, "en"), (1, "de")]
    assert texts(cache) == ["profile:1:de", "profile:1:en"]


@pytest.mark.row("W3", "W35")
async def test_fields_never_make_two_calls_one(cache):
    """("a:b", "c") and ("a", "b:c") have one text and two keys; so have 1 and "1"."""

    async def pair(a, b):
        return a, b

    cached = cache.cached(key="{a}:{b}")(pair)
    calls = [("a:b", "c"), ("a", "b:c"), (1, "1"), ("1", 1)]
    assert [await cached(*call) for call in calls] == calls
    assert len({cached.key(*call) for call in calls}) == 4


async def test_a_field_takes_a_part_of_its_argument(cache):
    """Attributes and items as they are; with a format, the text."""

    async def greet(user: User, day: date, row: dict[str, int]):
        return user.seen

    cached = cache.cached(key="greet:{user.id}:{user.org}:{day:%Y}:{row[a]}:{user.id}")(greet)
    first = User(1, "x", seen=1), date(2026, 1, 1), {"a": 1}
    same = User(1, "x", seen=2), date(2026, 5, 5), {"a": 1, "b": 2}
    other = User(1, "y", seen=3), date(2026, 1, 1), {"a": 1}
    assert [await cached(*first), await cached(*same), await cached(*other)] == [1, 1, 3]
    assert texts(cache) == ["greet:1:x:2026:1:1", "greet:1:y:2026:1:1"]


@pytest.mark.row("W2")
async def test_a_field_never_makes_a_text_of_an_object(cache):
    """`{account}` would be an address, which the next object gets again."""

    async def greet(account: object):
        return 1

    cached = cache.cached(key="greet:{account}")(greet)
    with pytest.raises(KeyEncodingError, match="Account"):
        await cached(Account(1))


@pytest.mark.row("W1")
async def test_who_is_injected_stands_in_the_key_or_is_an_error(cache):
    """A field says what of a user counts; without one the whole user has to be encodable."""

    async def tasks(status: str, user: Account = INJECTED):
        return status, user.id

    cached = cache.cached(key="tasks:{status}:{user.id}")(tasks)
    assert [await cached("open", Account(1)), await cached("open", Account(2))] == [("open", 1), ("open", 2)]
    with pytest.raises(KeyEncodingError, match="'user' is injected"):
        cache.cached(key="tasks:{status}")(tasks)
    with pytest.raises(TypeError, match="'user'"):
        cached.key("open")


async def test_a_key_in_a_named_cache_begins_with_its_name(cache):
    """Dropping the named cache drops these too."""
    users = cache.named("users")
    cached = users.cached(key="profile/{user_id}")(find)
    await cached(1)
    assert texts(cache) == ["users:profile/1:en"]
    await users.invalidate_all()
    assert not await cached.peek(1)


async def test_a_function_as_key_makes_the_whole_key(cache):
    """As key_by does."""
    cached = cache_response(key=lambda user_id, lang: lang)(find)
    assert [await cached(1), await cached(2), await cached(2, "de")] == [(1, "en"), (1, "en"), (2, "de")]


def test_braces_can_be_written_as_they_are(cache):
    """Two of them are one."""
    assert cache.cached(key="a{{b}}")(find).key(1).startswith("a%7Bb%7D#")


@pytest.mark.parametrize(
    ("key", "sentence"),
    [("{nobody}", "uses 'nobody', which is none of its parameters"), ("{", "can't be read"), ("", "neither a text"),
     (7, "neither a text nor a function"), ("{}", "uses ''"), ("{0}", "uses '0'")],
)  # fmt: skip
def test_a_key_that_cannot_be_meant_is_an_error(cache, key, sentence):
    """At decoration, with what is wrong."""
    with pytest.raises(ConfigurationError, match=sentence):
        cache.cached(key=key)(find)


def test_one_thing_makes_the_key(cache):
    """A template and a function, or two functions, would contradict each other."""
    with pytest.raises(ConfigurationError, match="choose one"):
        cache.cached(key="{user_id}", key_by=lambda user_id, lang: 1)(find)
    with pytest.raises(ConfigurationError, match="give one of them"):
        cache.cached(key=lambda user_id, lang: 1, key_by=lambda user_id, lang: 1)(find)


def test_a_key_with_fields_leaves_nothing_to_key_by(cache):
    """Registered afterwards or at decoration: one thing makes the key."""
    cached = cache.cached(key="{user_id}")(find)
    with pytest.raises(ConfigurationError, match="and so does key_by"):
        cached.key_by(lambda user_id, lang: 1)
