"""RFC 9211: Cache-Status."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercache.http.status import Forwarded, cache_status, why_forwarded
from evercache.http.structured import Token, parse_list
from tests.unit.http.heads import NOW, stored


def test_a8_a_hit():
    """RFC 9211 §2.1, §2.4: with the seconds that are left, negative for a stale one."""
    assert cache_status("evercache", ttl=29.8) == b"evercache;hit;ttl=29"
    assert cache_status("evercache", ttl=-3) == b"evercache;hit;ttl=-3"


@pytest.mark.parametrize("why", Forwarded)
def test_a8_a_request_that_went_on(why):
    """RFC 9211 §2.2: never a hit at the same time."""
    assert cache_status("evercache", why) == f"evercache;fwd={why.value}".encode()


def test_a8_all_that_can_be_said():
    """In the order of RFC 9211."""
    said = cache_status(
        "evercache", Forwarded.STALE, forwarded_status=304, ttl=5, stored=True, collapsed=True, key="/a", detail="x"
    )
    assert said == b'evercache;fwd=stale;fwd-status=304;ttl=5;stored;collapsed;key="/a";detail=x'


def test_a8_why_a_request_went_on():
    """RFC 9211 §2.2: nothing of this URL, no such variant, not fresh, or the request wouldn't have it."""
    fresh, asked_about = stored("Cache-Control: max-age=9"), stored("Cache-Control: no-cache, max-age=9")
    assert why_forwarded(None, NOW, known_url=False) is Forwarded.URI_MISS
    assert why_forwarded(None, NOW, known_url=True) is Forwarded.VARY_MISS
    assert why_forwarded(fresh, NOW, known_url=True) is Forwarded.REQUEST
    assert why_forwarded(fresh, NOW + 9, known_url=True) is Forwarded.STALE
    assert why_forwarded(asked_about, NOW, known_url=True) is Forwarded.STALE


def test_a5_a_cache_that_failed_says_so():
    """A word is a token, a sentence a string."""
    assert cache_status("evercache", Forwarded.BYPASS, detail="store-down") == b"evercache;fwd=bypass;detail=store-down"
    assert cache_status("my cache", detail='no "store"') == b'"my cache";hit;detail="no \\"store\\""'


@given(st.text(), st.text(), st.text())
def test_a8_no_name_key_or_detail_breaks_the_field(cache, key, detail):
    """What a string can't hold is percent-encoded, so that nothing can be smuggled into the head."""
    (member,) = parse_list(cache_status(cache, key=key, detail=detail).decode("ascii"))
    assert list(member.parameters) == ["hit", "key", "detail"]
    if Token(detail) == detail and detail.isalpha() and detail.isascii():
        assert member.parameters["detail"] == detail
