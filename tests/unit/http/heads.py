"""Heads of messages, written as they look on the wire."""

from evercache.http.policy import Policy
from evercache.http.response import StoredResponse, arrived

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT
RULE = Policy(ttl=60)
PLAIN = Policy()


def head(*lines: str) -> list[tuple[bytes, bytes]]:
    """Header pairs from lines such as `Cache-Control: max-age=60`."""
    pairs = [line.partition(":") for line in lines]
    return [(name.encode("latin-1"), value.strip().encode("latin-1")) for name, _, value in pairs]


def stored(*lines: str, status: int = 200, policy: Policy = PLAIN, at: float = NOW) -> StoredResponse:
    """What becomes of a response with these lines that was made and arrived at *at*."""
    return arrived(status, head(*lines), policy, requested=at, received=at)
