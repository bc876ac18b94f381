"""A request that may change something: what it makes outdated is invalidated once its success is known, and before the
client knows it (RFC 9111 §4.4, RFC 9875 §3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from evercache.http.fields import Fields, indexed
from evercache.http.groups import group_tag, invalidated_groups
from evercache.http.key import host_of, is_allowed_host, resource_tag
from evercache.http.messages import Message, Receive, Send, raw_path
from evercache.http.status import Forwarded, cache_status
from evercache.http.template import fill
from evercache.http.unsafe import Target, invalidated_targets

if TYPE_CHECKING:
    from evercache.cache import Cache
    from evercache.engine.engine import Engine
    from evercache.http.exchange import Exchange
    from evercache.http.rules import Settings

__all__ = ["Change", "watch"]

_NAMING = frozenset({b"location", b"content-location", b"cache-group-invalidation"})
"""Fields by which the response to a change names other resources than the one that was asked for."""


async def watch(app: Any, scope: Message, receive: Receive, send: Send, cache: Cache, settings: Settings) -> None:
    """Run *app* for a request that no rule covers: its response passes as it is. But what a successful change names in
    it may be covered: a form that answers elsewhere, and points at the page that it has changed."""
    outdated = _Outdated(cache.engine)

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            fields = list(message.get("headers", ()))
            message = {**message, "headers": fields}
            if any(name.lower() in _NAMING for name, _ in fields):
                await outdated.drop(_named(scope, message["status"], fields, cache.workshop.secret, settings))
        await send(message)

    try:
        await app(scope, receive, sent)
    finally:
        await outdated.drop_again()


class _Outdated:
    """What a change has made outdated: dropped once its success is known, before the client knows it, and once more when
    the application has returned. Many applications end their transaction after the response (a dependency that is closed
    then); who reads between the two still reads what was, and it would be kept."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ids: list[bytes] = []

    async def drop(self, tags: Iterable[str]) -> None:
        self._ids = [self._engine.tag_id(tag) for tag in dict.fromkeys(tags)]
        await self.drop_again()

    async def drop_again(self) -> None:
        if self._ids:
            await self._engine.invalidator.tags(self._ids)


def _named(scope: Message, status: int, fields: Fields, secret: bytes, settings: Settings) -> list[str]:
    host = host_of(indexed(scope["headers"]))
    if host is None or not is_allowed_host(host, settings.hosts):
        return []
    target = Target(scope.get("scheme", "http"), host, raw_path(scope), scope.get("query_string", b""))
    return _outdated(scope["method"], status, target, fields, secret)


def _outdated(method: str, status: int, target: Target, fields: Fields, secret: bytes) -> list[str]:
    """The tags of what no longer holds after the response *status* with *fields*; a resource goes with any query."""
    targets = invalidated_targets(method, status, target, fields)
    if not targets:
        return []
    tags = [resource_tag(each._replace(query=b""), secret) for each in targets]
    tags += [group_tag(target.origin, group) for group in invalidated_groups(method, fields)]
    return list(dict.fromkeys(tags))


class Change:
    """One request with a method that isn't cached."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self._outdated = _Outdated(exchange.covered.engine)

    async def run(self) -> None:
        exchange = self.exchange
        exchange.covered.counters.bypassed("method")
        try:
            await exchange.app(exchange.scope, exchange.receive, self._send)
        finally:
            await self._outdated.drop_again()

    async def _send(self, message: Message) -> None:
        exchange = self.exchange
        if message["type"] == "http.response.start":
            fields = list(message.get("headers", ()))
            await self.invalidate(message["status"], fields)
            said = cache_status(exchange.covered.settings.name, Forwarded.METHOD, forwarded_status=message["status"])
            message = {**message, "headers": exchange.reply.decorated(fields, said)}
        await exchange.send(message)

    async def invalidate(self, status: int, fields: Fields) -> None:
        """Drop what no longer holds after a response with this head."""
        exchange, covered = self.exchange, self.exchange.covered
        tags = _outdated(exchange.method, status, exchange.target, fields, covered.secret)
        if not tags:
            return
        tags += [fill(tag, exchange.params) for tag in covered.rule.invalidates]
        covered.counters.invalidated += len(tags)
        await self._outdated.drop(tags)
