"""Addresses of Redis, and what may be shown of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercache.core.url import Address, parse_url, safe_url
from evercache.errors import ConfigurationError


@pytest.mark.row("S2.106", "S4.61")
def test_with_and_without_a_database_is_the_same_server() -> None:
    """redis://localhost:6379 and …/0."""
    assert (
        parse_url("redis://localhost:6379") == parse_url("redis://localhost:6379/0") == parse_url("redis://localhost")
    )


@pytest.mark.parametrize(
    ("text", "addresses", "db", "tls"),
    [
        ("redis://h:1/2", [Address("h", 1)], 2, False),
        ("rediss://h/?db=3", [Address("h")], 3, True),
        ("redis://[::1]:7", [Address("::1", 7)], 0, False),
        ("unix:///run/redis.sock?db=4", [Address("", 0, "/run/redis.sock")], 4, False),
        ("redis+cluster://a:1,b", [Address("a", 1), Address("b")], 0, False),
        ("rediss+cluster://a", [Address("a")], 0, True),
        ("redis+sentinel://a,b:2/main/5", [Address("a", 26379), Address("b", 2)], 5, False),
    ],
)
def test_forms(text: str, addresses: list[Address], db: int, tls: bool) -> None:
    """One server, a socket, sentinels, a Cluster; each with TLS."""
    url = parse_url(text)
    assert (list(url.addresses), url.db, url.tls) == (addresses, db, tls)


def test_sentinels_name_a_primary() -> None:
    """It is part of the address."""
    assert parse_url("redis+sentinel://a/main").primary_name == "main"


def test_credentials_are_unquoted_and_hidden() -> None:
    """They never appear in a repr."""
    url = parse_url("redis://us%40er:p%23%2F%3Ass@h")
    assert (url.username, url.password) == ("us@er", "p#/:ss")
    assert "p#" not in repr(url)
    assert "us@er" not in repr(url)


@pytest.mark.parametrize(
    "text",
    ["", "localhost", "http://h", "redis://h:port", "redis://h:0", "redis://h:70000", "redis://h/x", "redis://h/1/2",
     "redis://a,b", "redis+cluster://a/1", "redis+sentinel://a", "unix://", "unix://host/path", "redis://:hunter2",
     "redis://user:hunter2/x@h", "redis://user:hunter2?x@h", "redis://user:hunter2#x@h", "redis://[::1", "redis://[h]x:1"],
)  # fmt: skip
def test_what_cannot_be_read_is_never_repeated(text: str) -> None:
    """A piece of a password may look like a host, a port or a database."""
    with pytest.raises(ConfigurationError, match=r"^url ") as caught:
        parse_url(text)
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in safe_url(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://h:1/2", "redis://h:1/2"),
        ("redis://:hunter2@h", "redis://:***@h"),
        ("redis://user:hunter2@h", "redis://user:***@h"),
        ("redis://hunter2@h", "redis://***@h"),
        ("unix:///run/r.sock?db=1&password=hunter2", "unix:///run/r.sock?db=1&password=***"),
        ("redis+sentinel://a,b/main?sentinel_password=hunter2", "redis+sentinel://a,b/main?sentinel_password=***"),
    ],
)
def test_what_may_be_shown(text: str, shown: str) -> None:
    """Everything but the secrets; a lone user name is as often a password in the wrong place."""
    assert safe_url(text) == shown


@given(
    st.text(min_size=8, max_size=20), st.sampled_from(["redis://:{}@h", "redis://u:{}@h:1/0", "redis://h?password={}"])
)
def test_no_password_is_ever_shown(password: str, form: str) -> None:
    """Escaped or not, readable or not: neither the safe form nor the error has it."""
    secret = "Zq" + password + "Zq"
    text = form.format(secret)
    assert secret not in safe_url(text)
    assert secret not in said(text)


def said(text: str) -> str:
    """What is said about an unreadable address; nothing if it can be read."""
    try:
        parse_url(text)
    except ConfigurationError as error:
        return str(error)
    return ""
