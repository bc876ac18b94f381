"""RFC 9111 §4.4: what a successful change makes outdated."""

import pytest

from evercache.http.unsafe import Target, invalidated_targets, is_safe
from tests.unit.http.heads import head

HERE = Target("https", "example.com", b"/items/1", b"x=1")


def dropped(*lines, method="POST", status=200, target=HERE):
    return invalidated_targets(method, status, target, head(*lines))


@pytest.mark.parametrize(
    ("method", "safe"),
    [("GET", True), ("HEAD", True), ("OPTIONS", True), ("TRACE", True), ("QUERY", True), ("POST", False), ("PUT", False),
     ("PATCH", False), ("DELETE", False), ("PURGE", False), ("get", False), ("", False)],
)  # fmt: skip
def test_h11_what_is_not_known_to_be_safe_changes_something(method, safe):
    """Names of methods have a case."""
    assert is_safe(method) is safe
    assert dropped(method=method) == (() if safe else (HERE,))


@pytest.mark.parametrize(
    ("status", "drops"),
    [(200, True), (204, True), (303, True), (399, True), (400, False), (404, False), (500, False), (100, False)],
)
def test_h11_failures_drop_nothing(status, drops):
    """RFC 9111 §4.4: a non-error response is 2xx or 3xx."""
    assert bool(dropped(status=status)) is drops


@pytest.mark.parametrize(
    ("reference", "path", "query"),
    [
        ("/items/2", b"/items/2", b""),
        ("2", b"/items/2", b""),
        ("../a/./b?c=d#e", b"/a/b", b"c=d"),
        ("?y=2", b"/items/1", b"y=2"),
        ("https://example.com/a%2Fb", b"/a%2Fb", b""),
        ("HTTPS://EXAMPLE.COM:443/a", b"/a", b""),
        ("//example.com", b"/", b""),
        ("https://user@example.com/a", b"/a", b""),
        ("/caf\xe9", b"/caf\xe9", b""),
    ],
)
def test_h11_location_and_content_location_of_the_same_origin_are_dropped_too(reference, path, query):
    """RFC 3986 §5; found under the host as it is written in the request."""
    other = Target("https", "example.com", path, query)
    assert dropped(f"Location: {reference}") == (HERE, other)
    assert dropped(f"Content-Location: {reference}") == (HERE, other)


@pytest.mark.parametrize(
    "reference",
    ["https://example.org/a", "http://example.com/a", "https://example.com:444/a", "//evil/a", "mailto:a@example.com",
     "data:,a", "https://[/a", "https://exa[mple.com/", "ftp://example.com/a", "https://example.com:x/a"],
)  # fmt: skip
def test_h11_other_origins_are_not_touched(reference):
    """One application can't empty another one's cache; nonsense leads nowhere."""
    assert dropped(f"Location: {reference}") == (HERE,)


def test_h11_the_port_is_part_of_the_origin():
    """A default port needn't be named, another one must."""
    here = Target("http", "example.com:80", b"/", b"")
    assert dropped("Location: http://example.com/a", target=here)[1:] == (here._replace(path=b"/a"),)
    there = Target("http", "example.com:8080", b"/", b"")
    assert dropped("Location: http://example.com/a", target=there) == (there,)
    assert dropped("Location: /a", target=there)[1:] == (there._replace(path=b"/a"),)


def test_h11_each_resource_is_dropped_once():
    """However often it is named."""
    assert dropped("Location: /a", "Content-Location: /a", "Location: /items/1?x=1") == (
        HERE,
        HERE._replace(path=b"/a", query=b""),
    )
