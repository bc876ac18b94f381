"""What the middleware can't be told: said at once, with the way out."""

import pytest

from evercache import Cache
from evercache.errors import ConfigurationError
from evercache.http import CacheMiddleware, Rule
from evercache.sessions import Sessions


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"rules": Rule("/a")}, "no list of rules"),
        ({"rules": ["/a"]}, "no list of rules"),
        ({"rules": "/a"}, "no list of rules"),
        ({"cache": None}, "no Cache"),
        ({"allowed_hosts": "shop.example"}, "is one text"),
        ({"credential_headers": "x-key"}, "is one text"),
        ({"harmless_cookies": "_ga*"}, "is one text"),
        ({"security_names": "guard"}, "is one text"),
        ({"heuristic": 3}, "from 0 to 1"),
        ({"validations_per_second": 0}, "above 0"),
    ],
)
def test_what_is_wrong_by_itself_is_refused_at_once(given, said):
    """A text instead of a list would be a list of its letters: no host would match, and no credential be known."""
    with pytest.raises(ConfigurationError, match=said):
        CacheMiddleware(None, **{"cache": Cache(environ={}), **given})


def test_a_secret_is_bytes():
    """A text would fail at the first user who signs in."""
    with pytest.raises(ConfigurationError, match="16 bytes"):
        Sessions(secret="a text that is long enough")
