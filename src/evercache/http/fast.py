"""The short way of a hit: one look in this process's memory for a request that asks for nothing special.

What makes it short: the rule is known by the path; the names of the fields were sorted out before, into those that make
a request special and those that don't; the key is a tuple of what the server has parsed already; and the fields of the
answer are made once for each second. Whatever isn't plain takes the long way, which decides everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from evercache.engine.loading import MISSING
from evercache.errors import StoreUnavailable
from evercache.http.answer import private_fields
from evercache.http.conditional import not_modified_fields
from evercache.http.key import Address
from evercache.http.messages import Message, Send
from evercache.http.policy import Audience
from evercache.http.seen import NOTHING_SEEN, Seen, Tagged

if TYPE_CHECKING:
    from evercache.http.covered import Covered
    from evercache.http.stored import Stored

__all__ = ["Fast"]

# What the name of a request's field means here. A plain one means nothing, whatever its value.
_PLAIN, _HOST, _TAG, _DATE, _SPECIAL, _UNKNOWN = range(6)
_KINDS = {
    b"host": _HOST,
    b"if-none-match": _TAG,
    b"if-modified-since": _DATE,
    b"range": _SPECIAL,
    b"if-match": _SPECIAL,
    b"if-unmodified-since": _SPECIAL,
    b"if-range": _SPECIAL,
    b"content-length": _SPECIAL,
    b"transfer-encoding": _SPECIAL,
}
_ASKING = frozenset({b"cache-control", b"pragma"})
_NAMES = 1_024
_NOWHERE = None, None

Person = tuple[()] | tuple[tuple[str, str]]


class Fast:
    """The short way of one rule."""

    def __init__(self, covered: Covered) -> None:
        self.covered = covered
        rule, policy = covered.rule, covered.policy
        self._off = (
            "GET" not in covered.methods
            or bool(rule.dimensions or rule.ignore_query or rule.sort_query)
            or rule.keep_query is not None
            or covered.settings.x_cache
            or covered.settings.expose_key
        )
        self._personal = policy.audience is Audience.ONE_PRINCIPAL
        self._kinds = dict(_KINDS)
        self._hosts: dict[bytes, str] = {}
        self._table, self._l1, self._clock = covered.site.table, covered.engine.l1, covered.clock.monotonic
        self._stats, self._counters = covered.site.stats, covered.counters
        self._dropped, self._date = covered.dropped, not covered.settings.adds_date

    async def hit(self, scope: Message, send: Send, person: Person = ()) -> bool:
        """Answer, if it is that simple. False: nothing was sent. *person*: whose response it is (`Covered.person`); only
        then a response of one principal has a short way."""
        key, tag = self._asked(scope, person)
        entry = self._table.get(key)
        if entry is None:
            return False
        now = self._clock()
        if not (entry.until > now < entry.lease.until and entry.checked == self._l1.counter):
            return False
        stored = entry.value
        left = stored.left - (now - stored.made)  # NaN while it was never looked at
        if not (left > 0.0 and stored.plain):
            return False
        reply = self._reply(stored, tag, min(left, entry.fresh_until - now), now)
        if reply is None:
            return False
        entry.hits += 1
        self._stats.hits += 1
        self._counters.hit += 1
        await send(reply[0])
        await send(reply[1])
        return True

    async def far(self, scope: Message, send: Send, params: Mapping[str, str], person: Person = ()) -> Seen | None:
        """The same with the shared store, where memory has nothing. None: it has answered; else what it has seen, for
        the long way, which needn't look again."""
        covered = self.covered
        key, tag = self._asked(scope, person) if covered.engine.shares else _NOWHERE
        if key is None:
            return NOTHING_SEEN
        address = Address._make(key)
        tags = (covered.resource(address.scheme, address.host, address.path), *covered.tags_of(params))
        try:
            found = await covered.choosy.find(covered.site, address, (Tagged(tags),))
        except StoreUnavailable:
            return NOTHING_SEEN
        stored, now = found.value, self._clock()
        if stored is MISSING or not stored.plain:
            return Seen(address, found)
        left = min(stored.left - stored.since(found.left, now), found.left)
        reply = self._reply(stored, tag, left, now) if left > 0.0 else None
        if reply is None:
            return Seen(address, found)
        self._stats.hits += found.source == "l1"
        self._stats.l2_hits += found.source != "l1"
        self._counters.hit += 1
        await send(reply[0])
        await send(reply[1])
        return None

    def _reply(self, stored: Stored, tag: bytes | None, left: float, now: float) -> tuple[Message, Message] | None:
        """The messages of the answer: 304 to who has it with this *tag*; None if that isn't simple."""
        status, body = stored.head.status, stored.body
        if now >= stored.said_until:
            self._say(stored, left, now)
        fields = stored.said.copy()  # the caller's own: middleware outside changes it
        if tag is not None:
            if status != 200 or (b"etag", tag) not in fields:
                return None
            self._counters.not_modified += 1
            self._counters.bytes_saved += len(body)
            status, fields, body = 304, not_modified_fields(fields), b""
        return (
            {"type": "http.response.start", "status": status, "headers": fields},
            {"type": "http.response.body", "body": body},
        )

    def _say(self, stored: Stored, left: float, now: float) -> None:
        """Make the fields of its answers, until the age or the ttl in them is another whole second."""
        age = stored.exact_age(now)
        fields = stored.answered(int(age), self._dropped, date=self._date)
        stored.said = private_fields(fields) if self._personal else fields
        stored.said.append((b"cache-status", self.covered.said_of_hit(left)))
        stored.said_until = now + min(1.0 - age % 1.0, left % 1.0)

    def _asked(self, scope: Message, person: Person) -> tuple[tuple[Any, ...] | None, bytes | None]:
        """Where the answer to a request that asks for nothing special lies, and the tag of what the client has already;
        no place for any other request."""
        known_by_server = "session" in scope or "user" in scope or "tls" in (scope.get("extensions") or ())
        if self._off or scope["method"] != "GET" or (not person if self._personal else known_by_server):
            return _NOWHERE
        host = tag = None
        dated = False
        kinds = self._kinds
        for name, value in scope["headers"]:
            kind = kinds.get(name, _UNKNOWN)
            if kind == _PLAIN:
                continue
            if kind == _HOST and host is None:
                host = value
            elif kind == _TAG and tag is None:
                tag = value
            elif kind == _DATE:
                dated = True  # counts only without a tag (RFC 9110 §13.1.3)
            elif kind != _UNKNOWN or self._learn_name(name) != _PLAIN:
                return _NOWHERE
        known = self._hosts.get(host) if host is not None else None
        if known is None:
            self._learn_host(host)
            return _NOWHERE
        raw = scope.get("raw_path")
        if raw is None or (dated and tag is None):
            return _NOWHERE
        return ("GET", scope["scheme"], known, scope.get("root_path", ""), raw, scope["query_string"], b"", person), tag

    def _learn_name(self, name: bytes) -> int:
        """Whether a request with this field takes the long way; remembered."""
        covered = self.covered
        anonymous = covered.policy.audience is Audience.ANYONE_ANONYMOUS
        special = (
            (covered.settings.honor_request and name in _ASKING)
            or name != name.lower()
            or (anonymous and (name == b"cookie" or name in covered.settings.credentials))
        )
        kind = _SPECIAL if special else _PLAIN
        if len(self._kinds) < _NAMES:
            self._kinds[name] = kind
        return kind

    def _learn_host(self, host: bytes | None) -> None:
        """Remember how a host is written in keys; the long way looks at it anyhow."""
        known = None if host is None else self.covered.host([(b"host", host)])
        if host is not None and known is not None:
            if len(self._hosts) >= _NAMES:
                self._hosts.clear()  # whoever invents hosts must not keep the real one out for good
            self._hosts[host] = known
