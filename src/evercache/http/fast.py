"""The short way of a hit: one look in this process's memory for a request that asks for nothing special.

What makes it short: the rule is known by the path; the names of the fields were sorted out before, into those that make
a request special and those that don't; the key is a tuple of what the server has parsed already; and the fields of the
answer are made once for each second of its age. Whatever isn't plain takes the long way, which decides everything.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from evercache.http.messages import Message, Send
from evercache.http.policy import Audience

if TYPE_CHECKING:
    from evercache.http.covered import Covered

__all__ = ["Fast"]

_ALWAYS = frozenset(
    {
        b"range",
        b"if-match",
        b"if-none-match",
        b"if-modified-since",
        b"if-unmodified-since",
        b"if-range",
    }
)
_ASKING = frozenset({b"cache-control", b"pragma"})
_NAMES = 1_024


class Fast:
    """The short way of one rule."""

    def __init__(self, covered: Covered) -> None:
        self.covered = covered
        rule, policy = covered.rule, covered.policy
        self._off = (
            "GET" not in covered.methods
            or policy.audience is Audience.ONE_PRINCIPAL
            or bool(rule.dimensions or rule.ignore_query or rule.sort_query)
            or rule.keep_query is not None
            or covered.settings.x_cache
            or covered.settings.expose_key
        )
        self._special: dict[bytes, bool] = {}
        self._hosts: dict[bytes, str] = {}
        engine = covered.engine
        self._table, self._l1, self._clock = covered.site.table, engine.l1, covered.clock.monotonic
        self._prefix = f"{covered.settings.name};hit;ttl=".encode("ascii")

    async def hit(self, scope: Message, send: Send) -> bool:
        """Answer, if it is that simple. False: nothing was sent."""
        entry = self._table.get(self._key(scope))
        if entry is None:
            return False
        now = self._clock()
        if not (entry.until > now < entry.lease.until and entry.checked == self._l1.counter):
            return False
        stored = entry.value
        left = stored.left - (now - stored.made)  # NaN while it was never looked at
        if not (left > 0.0 and stored.plain):
            return False
        covered = self.covered
        entry.hits += 1
        covered.site.stats.hits += 1
        covered.counters.hit += 1
        fields = stored.answered(stored.age(now), covered.dropped, date=not covered.settings.adds_date)
        fields.append((b"cache-status", b"%b%d" % (self._prefix, min(left, entry.fresh_until - now))))
        await send({"type": "http.response.start", "status": stored.head.status, "headers": fields})
        await send({"type": "http.response.body", "body": stored.body})
        return True

    def _key(self, scope: Message) -> Hashable:
        """Where the answer to a request that asks for nothing special lies; None for any other one."""
        if self._off or scope["method"] != "GET" or "session" in scope or "user" in scope:
            return None
        if (extensions := scope.get("extensions")) and "tls" in extensions:
            return None
        host = None
        special = self._special
        for name, value in scope["headers"]:
            if name == b"host":
                if host is not None:
                    return None
                host = value
            elif special.get(name, True) and self._is_special(name):
                return None
        known = self._hosts.get(host) if host is not None else None
        if known is None:
            self._learn(host)
            return None
        raw = scope.get("raw_path")
        if raw is None:
            return None
        return "GET", scope["scheme"], known, scope.get("root_path", ""), raw, scope["query_string"], b"", ()

    def _is_special(self, name: bytes) -> bool:
        """Whether a request with this field takes the long way; remembered."""
        covered = self.covered
        anonymous = covered.policy.audience is Audience.ANYONE_ANONYMOUS
        special = (
            name in _ALWAYS
            or (covered.settings.honor_request and name in _ASKING)
            or name != name.lower()
            or (anonymous and (name == b"cookie" or name in covered.settings.credentials))
        )
        if len(self._special) < _NAMES:
            self._special[name] = special
        return special

    def _learn(self, host: bytes | None) -> None:
        """Remember how a host is written in keys; the long way looks at it anyhow."""
        if host is not None and len(self._hosts) < _NAMES:
            known = self.covered.host([(b"host", host)])
            if known is not None:
                self._hosts[host] = known
