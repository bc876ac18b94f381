"""SEC6, SEC7, SEC10: no two resources share a key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercache.http.key import Address, content_of, digest_of, host_of, is_allowed_host, method_class, resource_tag
from evercache.http.query import significant_query
from evercache.http.unsafe import Target
from tests.unit.http.heads import head

TEXT = st.text(alphabet="ab:/|,", max_size=4)
BYTES = TEXT.map(str.encode)
ADDRESS = st.builds(
    Address,
    method=TEXT,
    scheme=TEXT,
    host=TEXT,
    root_path=TEXT,
    path=BYTES,
    query=BYTES,
    content=BYTES,
    dimensions=st.lists(st.tuples(TEXT, st.none() | TEXT), max_size=2).map(tuple),
)
VARIANT = st.none() | st.lists(st.none() | TEXT, max_size=3).map(tuple)
HOME = Address("GET", "https", "example.com", "", b"/", b"")


@given(ADDRESS, VARIANT, ADDRESS, VARIANT)
def test_sec6_two_keys_are_equal_only_if_all_parts_are(one, variant, other, other_variant):
    """No separator can be injected; absent is not empty; no variant is not an empty one."""
    same = digest_of(one, variant, b"k") == digest_of(other, other_variant, b"k")
    assert same == ((one, variant) == (other, other_variant))


def test_sec6_a_key_shows_nobody_s_data_and_can_not_be_guessed():
    """A digest of 128 bits with a secret."""
    digest = digest_of(HOME, (), b"secret")
    assert len(digest) == 32
    assert int(digest, 16) >= 0
    assert digest != digest_of(HOME, (), b"other")
    assert digest == digest_of(HOME, [], b"secret")


@pytest.mark.parametrize(
    "path",
    [b"/a/b", b"/a%2Fb", b"/a%2fb", b"/a;b", b"/a;/b", b"//a/b", b"/a//b", b"/a/b/", b"/a/./b", b"/x/../a/b", b"/A/b",
     b"/a/b%00", b"/a/b%0a", b"/a/b.css", b"/a/b;.css", b"/a/b%3B.css", b"/a/b%23.css", b"/a/b%3F.css", b"/a%5Cb", b"/a\\b"],
)  # fmt: skip
def test_sec10_spellings_of_a_path_are_resources_of_their_own(path):
    """The raw path is the key: what the application doesn't take for the same, the cache doesn't either."""
    digests = {digest_of(HOME._replace(path=other), (), b"") for other in (path, b"/a/b/c")}
    assert len(digests) == 2
    assert path == b"/a/b" or digest_of(HOME._replace(path=path), (), b"") != digest_of(
        HOME._replace(path=b"/a/b"), (), b""
    )


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("Host: Example.COM",), "example.com"),
        (("Host: example.com:8080",), "example.com:8080"),
        (("Host: [::1]:80",), "[::1]:80"),
        ((), None),
        (("Host: ",), None),
        (("Host: a", "Host: b"), None),
        (("Host: a", "Host: a"), None),
        (("Host: a/b",), None),
        (("Host: u@a",), None),
        (("Host: a:b",), None),
        (("Host: a, b",), None),
        (("X-Forwarded-Host: a",), None),
    ],
)
def test_sec7_there_is_one_host_or_none(lines, expected):
    """And what others say of the host doesn't count."""
    assert host_of(head(*lines)) == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("example.com", True),
        ("example.com:8000", True),
        ("a.example.org", True),
        ("a.b.example.org:1", True),
        ("example.org", False),
        ("badexample.org", False),
        ("example.com.evil", False),
        ("[::1]", True),
        ("[::1]:80", True),
        ("[::2]", False),
    ],
)
def test_sec7_hosts_are_on_a_list(host, expected):
    """Names, whatever the port, or all below a name."""
    assert is_allowed_host(host, ("Example.com", "*.example.org", "[::1]")) is expected
    assert is_allowed_host(host, ("*",))


def test_sec9_head_reads_what_get_stored():
    """And QUERY and POST only their own."""
    assert [method_class(method) for method in ("GET", "HEAD", "QUERY", "POST")] == ["GET", "GET", "QUERY", "POST"]


def test_h14_the_content_and_what_it_is_understood_by_are_part_of_the_key():
    """RFC 10008 §2.7."""
    plain, json = head("Content-Type: text/plain"), head("Content-Type: application/json")
    contents = [
        content_of(plain, b"a"),
        content_of(json, b"a"),
        content_of(json, b"b"),
        content_of([], b"a"),
        content_of([*json, *head("Content-Encoding: gzip")], b"a"),
        content_of([*json, *head("Content-Language: en")], b"a"),
    ]
    assert len(set(contents)) == len(contents)
    assert content_of(head("CONTENT-TYPE:  text/plain "), b"a") == contents[0]


def test_h11_all_responses_of_a_resource_have_one_tag():
    """That of another resource differs in any part."""
    home = Target("https", "example.com", b"/", b"")
    others = [
        home._replace(scheme="http"),
        home._replace(host="a"),
        home._replace(path=b"/a"),
        home._replace(query=b"a"),
    ]
    assert len({resource_tag(target, b"k") for target in (home, *others)}) == 5


@pytest.mark.parametrize(
    ("query", "options", "expected"),
    [
        (b"b=1&a=2", {}, b"b=1&a=2"),
        (b"b=1&&a=2", {"ignore": ("c",)}, b"b=1&a=2"),
        (b"b=1&a=2", {"any_order": True}, b"a=2&b=1"),
        (b"a=2&b=1&a=1", {"any_order": True}, b"a=2&a=1&b=1"),
        (b"a=1&utm_source=x&utm_medium=y", {"ignore": ("utm_*",)}, b"a=1"),
        (b"a=1&b=2&c", {"keep": ("a", "c")}, b"a=1&c"),
        (b"a=1&b=2", {"keep": ("a", "b"), "ignore": ("b",)}, b"a=1"),
        (b"a=1", {"keep": ()}, b""),
        (b"%61=1&b=2", {"keep": ("a",)}, b"%61=1"),
        (b"a+b=1&a%20b=2", {"ignore": ("a b",)}, b""),
        (b"%zz=1&\xff=2", {"ignore": ("a",)}, b"%zz=1&\xff=2"),
    ],
)
def test_sec12_the_rule_names_the_parameters_that_count(query, options, expected):
    """What counts stays as it is written."""
    assert significant_query(query, **options) == expected


@given(st.binary(max_size=30), st.booleans())
def test_sec12_no_query_makes_it_raise(query, any_order):
    """And reducing twice changes nothing."""
    once = significant_query(query, ignore=("a",), any_order=any_order)
    assert significant_query(once, ignore=("a",), any_order=any_order) == once
