"""SEC2: who identifies himself is not answered from what others share."""

import pytest

from evercache.http.credentials import NameList, credentials_of, may_share
from evercache.http.directives import NO_DIRECTIVES, directives_of
from evercache.http.policy import Audience
from tests.unit.http.heads import head


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Authorization: Basic x", ("authorization",)),
        ("AUTHORIZATION: ", ("authorization",)),
        ("Proxy-Authorization: x", ("proxy-authorization",)),
        ("X-Api-Key: x", ("x-api-key",)),
        ("X-Auth-Token: x", ("x-auth-token",)),
        ("Cookie: session=1", ("cookie",)),
        ("Accept: */*", ()),
        ("X-Authentic: no", ()),
    ],
)
def test_sec2_what_identifies_a_user(line, expected):
    """By name; values stay where they are."""
    assert credentials_of(head(line)) == expected


def test_sec2_an_application_names_its_own_fields():
    """In any case; a star stands for any rest, and cookies still count."""
    names = NameList.of_fields(("X-Tenant", "X-Sso-*"))
    asked = head("x-tenant: 1", "X-SSO-User: 2", "Authorization: 3", "Cookie: 4=5")
    assert credentials_of(asked, names=names) == ("x-tenant", "x-sso-user", "cookie")


def test_sec2_what_the_server_knows_besides():
    """A session, a user, a certificate."""
    assert credentials_of([], session=True) == ("session",)
    assert credentials_of([], user=True) == ("user",)
    assert credentials_of([], certificate=True) == ("certificate",)
    assert credentials_of([], session=True, user=True, certificate=True) == ("session", "user", "certificate")


@pytest.mark.parametrize(
    ("cookies", "harmless"),
    [
        ("", True),
        ("theme=dark", True),
        ("theme=dark; _ga=1; _ga_X=2;", True),
        ("theme=dark; session=1", False),
        ("Theme=dark", False),
        ("theme", False),
        ("=theme", False),
        ("theme=dark, session=1; x", False),
    ],
)
def test_sec2_cookies_on_the_list_identify_nobody(cookies, harmless):
    """Each one must be on it; what can't be read could be anything."""
    found = credentials_of(head(f"Cookie: {cookies}"), harmless_cookies=NameList({"theme", "_ga*"}))
    assert (found == ()) is harmless


def test_sec2_of_two_cookie_lines_each_counts():
    """HTTP/2 sends them apart."""
    assert credentials_of(head("Cookie: theme=1", "Cookie: session=1"), harmless_cookies=NameList({"theme"})) == (
        "cookie",
    )


@pytest.mark.parametrize(
    ("said", "lifted"),
    [("public", True), ("s-maxage=0", True), ("must-revalidate", True), ("max-age=60", False), ("proxy-revalidate", False),
     ("public=x", False)],
)  # fmt: skip
def test_sec2_the_response_may_lift_it(said, lifted):
    """RFC 9111 §3.5."""
    assert (
        may_share(("authorization",), directives_of(head(f"Cache-Control: {said}")), Audience.ANYONE_ANONYMOUS)
        is lifted
    )


def test_sec2_the_rule_may_lift_it():
    """By saying that the response is for everyone, or that the principal is part of the key."""
    assert not may_share(("cookie",), NO_DIRECTIVES, Audience.ANYONE_ANONYMOUS)
    assert may_share(("cookie",), NO_DIRECTIVES, Audience.EVERYONE)
    assert may_share(("cookie",), NO_DIRECTIVES, Audience.ONE_PRINCIPAL)
    assert may_share((), NO_DIRECTIVES, Audience.ANYONE_ANONYMOUS)
