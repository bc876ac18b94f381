"""A request that may change something: what it makes outdated is invalidated once its success is known, and before the
client knows it (RFC 9111 §4.4, RFC 9875 §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evercache.http.groups import group_tag, invalidated_groups
from evercache.http.key import resource_tag
from evercache.http.messages import Message
from evercache.http.status import Forwarded, cache_status
from evercache.http.template import fill
from evercache.http.unsafe import invalidated_targets

if TYPE_CHECKING:
    from evercache.http.exchange import Exchange

__all__ = ["Change"]


class Change:
    """One request with a method that isn't cached."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    async def run(self) -> None:
        exchange = self.exchange
        exchange.covered.counters.bypassed("method")
        await exchange.app(exchange.scope, exchange.receive, self._send)

    async def _send(self, message: Message) -> None:
        exchange = self.exchange
        if message["type"] == "http.response.start":
            fields = message.get("headers", ())
            await self._invalidate(message["status"], fields)
            said = cache_status(exchange.covered.settings.name, Forwarded.METHOD, forwarded_status=message["status"])
            message = {**message, "headers": exchange.reply.decorated(fields, said)}
        await exchange.send(message)

    async def _invalidate(self, status: int, fields: list[tuple[bytes, bytes]]) -> None:
        exchange, covered = self.exchange, self.exchange.covered
        targets = invalidated_targets(exchange.method, status, exchange.target, fields)
        if not targets:
            return
        tags = [resource_tag(target._replace(query=b""), covered.secret) for target in targets]
        tags += [group_tag(exchange.target.origin, group) for group in invalidated_groups(exchange.method, fields)]
        tags += [fill(tag, exchange.params) for tag in covered.rule.invalidates]
        covered.counters.invalidated += len(tags)
        engine = covered.engine
        await engine.invalidator.tags([engine.tag_id(tag) for tag in dict.fromkeys(tags)])
