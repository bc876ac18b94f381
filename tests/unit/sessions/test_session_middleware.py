"""The middleware of sessions: cookies, what leaves when, and what an outage does."""

import pytest

from evercache.errors import ConfigurationError, NotStarted, StoreUnavailable
from evercache.sessions import Cookie, ReadOnly, SessionMiddleware, Sessions, session_of
from evercache.sessions.memory import MemorySessions
from evercache.testing.clock import ManualClock

SECRET = b"0123456789abcdef"


class Away(MemorySessions):
    """A keeper that can be away."""

    away = False

    async def load(self, token, lives):
        if self.away:
            raise StoreUnavailable("away", reason="refused")
        return await super().load(token, lives)

    async def save(self, *arguments, **more):
        if self.away:
            raise StoreUnavailable("away", reason="refused")
        return await super().save(*arguments, **more)


class Browser:
    """Keeps the cookie, and asks."""

    def __init__(self, page, backend=None):
        sessions = Sessions(secret=SECRET, clock=ManualClock(), backend=backend)
        self.app = SessionMiddleware(self.application, sessions=sessions)
        self.page = page
        self.cookie = None

    async def application(self, scope, receive, send):
        body = str(await self.page(scope)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"public")]})
        await send({"type": "http.response.body", "body": body})

    async def get(self):
        headers = [] if self.cookie is None else [(b"cookie", f"__Host-session={self.cookie}".encode())]
        sent = []

        async def send(message):
            sent.append(message)

        await self.app({"type": "http", "path": "/", "headers": headers, "client": ("1.1.1.1", 1)}, None, send)
        self.fields = dict(sent[0]["headers"])
        if (line := self.fields.get(b"set-cookie")) is not None:
            self.cookie = line.decode().partition("=")[2].partition(";")[0] or None
        return sent[0]["status"], sent[1]["body"]


async def test_a_page_that_asks_for_no_session_sends_none():
    """Its response is as it was."""

    async def page(scope):
        return "plain"

    browser = Browser(page)
    assert await browser.get() == (200, b"plain")
    assert browser.fields == {b"cache-control": b"public"}


async def test_the_cookie_is_as_safe_as_browsers_let_it_be():
    """For this host only, over TLS, not for scripts, not across sites; and the response is nobody else's."""

    async def page(scope):
        session = await session_of(scope)
        session["n"] = session.get("n", 0) + 1
        return session["n"]

    browser = Browser(page)
    assert [await browser.get() for _ in range(3)] == [(200, b"1"), (200, b"2"), (200, b"3")]
    fresh = Browser(page)
    await fresh.get()
    line = fresh.fields[b"set-cookie"].decode()
    assert line.startswith("__Host-session=")
    assert line.endswith("; Max-Age=43200; Path=/; HttpOnly; SameSite=Strict; Secure")
    assert (fresh.fields[b"cache-control"], fresh.fields[b"vary"]) == (b"no-store", b"Cookie")


async def test_two_cookies_of_one_name_are_none():
    """Somebody else may have set the other one."""
    cookie = Cookie()
    assert cookie.read([(b"cookie", b"a=1; __Host-session=x; b=2")]) == "x"
    assert cookie.read([(b"cookie", b"__Host-session=x; __Host-session=y")]) is None
    assert cookie.read([(b"cookie", b"session=x")]) is None


def test_a_cookie_that_browsers_would_refuse_is_an_error():
    """At once."""
    with pytest.raises(ConfigurationError):
        Cookie(same_site="None", secure=False)
    with pytest.raises(ConfigurationError):
        Cookie(name="a b")


async def test_signing_out_drops_the_cookie():
    """In the response that did it."""

    async def page(scope):
        session = await session_of(scope)
        if session.user is None:
            session.sign_in("ada")
        else:
            session.end()

    browser = Browser(page)
    await browser.get()
    assert browser.cookie is not None
    await browser.get()
    assert browser.cookie is None
    assert b"Max-Age=0" in browser.fields[b"set-cookie"]


@pytest.mark.expects_logs
async def test_while_the_store_is_away_who_needs_a_session_gets_503_and_keeps_the_cookie():
    """Nobody is signed out by an outage; pages for everybody go on with nothing."""
    backend = Away(ManualClock().monotonic)
    wanted = {"required": True}

    async def page(scope):
        session = await session_of(scope, required=wanted["required"])
        if not session.read_only:
            session["n"] = 1
        return dict(session)

    browser = Browser(page, backend)
    await browser.get()
    cookie, backend.away = browser.cookie, True
    status, _ = await browser.get()
    assert (status, browser.fields[b"retry-after"], browser.cookie) == (503, b"5", cookie)
    wanted["required"] = False
    assert await browser.get() == (200, b"{}")
    assert b"set-cookie" not in browser.fields
    wanted["required"], backend.away = True, False
    assert await browser.get() == (200, b"{'n': 1}")


@pytest.mark.expects_logs
async def test_a_change_that_can_not_be_kept_is_no_success():
    """The store goes away between reading and writing: 503, and not the page that says it was saved."""
    backend = Away(ManualClock().monotonic)
    going = {"away": False}

    async def page(scope):
        (await session_of(scope))["n"] = object.__hash__(scope)
        backend.away = going["away"]
        return "saved"

    browser = Browser(page, backend)
    await browser.get()
    going["away"] = True
    assert await browser.get() == (503, b"")


async def test_a_change_after_the_head_of_the_response_is_an_error():
    """It would be lost without a word."""
    app_session = {}

    async def application(scope, receive, send):
        app_session["it"] = session = await session_of(scope)
        session["a"] = 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        with pytest.raises(ReadOnly):
            session["b"] = 2
        await send({"type": "http.response.body", "body": b""})

    async def send(_):
        pass

    app = SessionMiddleware(application, sessions=Sessions(secret=SECRET))
    await app({"type": "http", "path": "/", "headers": []}, None, send)


async def test_without_the_middleware_the_error_says_what_to_add():
    """And not that a key is missing."""
    with pytest.raises(NotStarted, match="SessionMiddleware"):
        await session_of({"type": "http"})
