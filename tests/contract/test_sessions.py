"""What every keeper of sessions promises: in this process, and on a real Redis."""

import asyncio

import pytest

from evercache.codecs.sealed import KeyRing
from evercache.errors import ConfigurationError
from evercache.sessions import ReadOnly, SessionGone, Sessions, TooLarge
from evercache.stores.redis.data import RedisData
from evercache.testing.clock import ManualClock

SECRET = b"0123456789abcdef"


@pytest.fixture(params=["memory", "redis"])
async def sessions(request, redis_url, redis_namespace):
    if request.param == "memory":
        yield Sessions(secret=SECRET, clock=ManualClock())
        return
    async with RedisData(redis_url, namespace=redis_namespace, budget=30) as data:
        yield Sessions(data, secret=SECRET)


async def kept(sessions, cookie=None, **data):
    """The cookie of a session with this data."""
    opened = await sessions.open(cookie)
    opened.session.update(data)
    return await opened.close() or cookie


async def test_what_was_put_in_comes_out_again(sessions):
    """Exactly, by its types; and nothing is kept for who puts nothing in."""
    opened = await sessions.open(None)
    assert await opened.close() is None
    cookie = await kept(sessions, cart=[1, {"a": None}], name="Ada", n=2.5)
    again = await sessions.open(cookie)
    assert dict(again.session) == {"cart": [1, {"a": None}], "name": "Ada", "n": 2.5}
    assert not again.session.is_new


async def test_a_name_that_a_client_chose_is_no_session(sessions):
    """Fixation: whatever is sent, the new session has a new name."""
    real = await kept(sessions, a=1)
    place, _, secret = real.partition(".")
    for chosen in ("", "x", place, f"{place}.{'A' * 43}", f"{'0' * 32}.{secret}", real + "A", real.upper()):
        opened = await sessions.open(chosen)
        assert opened.session.is_new
        opened.session["evil"] = True
        made = await opened.close()
        assert made not in (chosen, real)
    assert dict((await sessions.open(real)).session) == {"a": 1}


async def test_signing_in_changes_the_name_and_keeps_the_data(sessions):
    """Who knew the old name can't write by it, reads for a moment, and then has nothing."""
    before = await kept(sessions, cart=[7])
    opened = await sessions.open(before)
    opened.session.sign_in("ada")
    after = await opened.close()
    assert after != before
    signed_in = await sessions.open(after)
    assert (signed_in.session.user, signed_in.session["cart"]) == ("ada", [7])
    old = await sessions.open(before)
    assert old.session.read_only
    with pytest.raises(ReadOnly):
        old.session["cart"] = []


async def test_ten_requests_at_once_lose_nothing(sessions):
    """Each writes a field of its own; all of them are kept."""
    cookie = await kept(sessions, start=True)
    opened = [await sessions.open(cookie) for _ in range(10)]
    for number, each in enumerate(opened):
        each.session[f"f{number}"] = number
    await asyncio.gather(*[each.close() for each in opened])
    assert len((await sessions.open(cookie)).session) == 11


async def test_a_list_that_was_changed_in_place_is_noticed(sessions):
    """And a field that was only read is not written."""
    cookie = await kept(sessions, cart=[1], other=[2])
    opened = await sessions.open(cookie)
    opened.session["cart"].append(3)
    assert opened.session["other"] == [2]
    other = await sessions.open(cookie)
    other.session["other"] = [9]
    await other.close()
    await opened.close()
    assert dict((await sessions.open(cookie)).session) == {"cart": [1, 3], "other": [9]}


async def test_what_has_ended_is_never_brought_back(sessions):
    """A request that was running while its user signed out."""
    cookie = await kept(sessions, a=1)
    running, leaving = await sessions.open(cookie), await sessions.open(cookie)
    leaving.session.end()
    assert await leaving.close() == ""
    running.session["a"] = 2
    with pytest.raises(SessionGone):
        await running.close()
    assert (await sessions.open(cookie)).session.is_new


async def test_signing_out_wins_every_race(sessions):
    """Write and end at once, two hundred times."""
    for _ in range(200):
        cookie = await kept(sessions, a=1)
        running, leaving = await sessions.open(cookie), await sessions.open(cookie)
        running.session["a"] = 2
        leaving.session.end()
        await asyncio.gather(running.close(), leaving.close(), return_exceptions=True)
        assert (await sessions.open(cookie)).session.is_new


async def test_all_sessions_of_a_user_end_at_once(sessions):
    """Those of others, and those that begin afterwards, go on."""
    cookies = []
    for user in ("ada", "ada", "ben"):
        opened = await sessions.open(None, device="Firefox", address="203.0.113.7")
        opened.session.sign_in(user)
        cookies.append(await opened.close())
    shown = await sessions.of_user("ada")
    assert [each["device"] for each in shown] == ["Firefox", "Firefox"]
    assert "203" not in str(shown)
    await sessions.end_all("ada")
    assert [(await sessions.open(cookie)).session.user for cookie in cookies] == [None, None, "ben"]
    assert await sessions.of_user("ada") == []
    opened = await sessions.open(None)
    opened.session.sign_in("ada")
    assert (await sessions.open(await opened.close())).session.user == "ada"


async def test_too_much_is_refused_and_changes_nothing(sessions):
    """64 KiB, of all fields together."""
    cookie = await kept(sessions, a="x" * 40_000)
    opened = await sessions.open(cookie)
    opened.session["b"] = "x" * 40_000
    with pytest.raises(TooLarge):
        await opened.close()
    assert list((await sessions.open(cookie)).session) == ["a"]


async def test_messages_are_shown_once_and_forms_are_told_apart(sessions):
    """Flashes and the token against forged forms."""
    opened = await sessions.open(None)
    opened.session.flash("saved")
    token = opened.session.csrf_token
    cookie = await opened.close()
    opened = await sessions.open(cookie)
    assert opened.session.is_csrf_token(token)
    assert not opened.session.is_csrf_token(token + "x")
    assert (opened.session.flashes(), opened.session.flashes(), len(opened.session)) == (["saved"], [], 0)
    await opened.close()
    assert (await sessions.open(cookie)).session.flashes() == []


async def test_lives():
    """Idle, longest, renewal and the grace of a name that was left, on a clock."""
    clock = ManualClock()
    sessions = Sessions(secret=SECRET, clock=clock)
    cookie = await kept(sessions, a=1)
    for _ in range(5):
        clock.advance(6_000)
        opened = await sessions.open(cookie)
        assert not opened.session.is_new, "it is used, so it lives"
        cookie = await opened.close() or cookie
    clock.advance(11)
    clock.advance(7_201)
    assert (await sessions.open(cookie)).session.is_new, "two hours without use"

    cookie = first = await kept(sessions, a=1)
    clock.advance(1_801)
    opened = await sessions.open(cookie)
    cookie = await opened.close()
    assert cookie not in (None, first), "half an hour: a new name"
    assert (await sessions.open(first)).session.read_only
    clock.advance(11)
    assert (await sessions.open(first)).session.is_new, "the old one led here for ten seconds"
    for _ in range(12):
        clock.advance(3_600)
        opened = await sessions.open(cookie)
        cookie = await opened.close() or cookie
    assert (await sessions.open(cookie)).session.is_new, "twelve hours, used or not"


def test_settings_that_are_not_safe_are_refused():
    """At once, and with the way out."""
    with pytest.raises(ConfigurationError, match=r"secrets\.token_bytes"):
        Sessions(secret=b"short")
    with pytest.raises(ConfigurationError, match="idle is at most longest"):
        Sessions(secret=SECRET, idle="1d", longest="1h")


async def test_nothing_in_the_store_is_readable_or_enough_to_be_somebody(redis_url, redis_server, redis_namespace):
    """Neither the cookie's secret, nor the user, nor, sealed, the data."""
    ring = KeyRing({"k1": bytes(range(32))}, "k1")
    async with RedisData(redis_url, namespace=redis_namespace, budget=30) as data:
        sessions = Sessions(data, secret=SECRET, keyring=ring)
        opened = await sessions.open(None, device="Firefox", address="203.0.113.7")
        opened.session.sign_in("ada@example.com")
        opened.session["card"] = "4111"
        cookie = await opened.close()
        names = redis_server.command("KEYS", f"*{redis_namespace}*")
        dump = b"|".join(names)
        for name in names:
            kind = redis_server.command("TYPE", name)
            if kind == b"hash":
                dump += b"|".join(redis_server.command("HGETALL", name))
            assert redis_server.command("PTTL", name) > 0
        for word in (cookie.partition(".")[2].encode(), b"example.com", b"4111", b"Firefox", b"203.0"):
            assert word not in dump
        assert (await sessions.open(cookie)).session["card"] == "4111"


async def test_reading_writes_nothing_within_the_touch_interval(redis_url, redis_server, redis_namespace):
    """One script for a page that only looks; two for one that changes."""
    async with RedisData(redis_url, namespace=redis_namespace, budget=30) as data:
        sessions = Sessions(data, secret=SECRET)
        cookie = await kept(sessions, a=1)
        before = redis_server.info("commandstats")
        opened = await sessions.open(cookie)
        assert opened.session["a"] == 1
        await opened.close()
        after = redis_server.info("commandstats")
        for write in ("cmdstat_hset", "cmdstat_pexpire", "cmdstat_hincrby"):
            assert before.get(write) == after.get(write)
