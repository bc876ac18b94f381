"""What the cache itself sends: a stored response, whole, in part or as 304, and what it says about that."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from evercache.engine.choosy import Found
from evercache.http.answer import private_fields
from evercache.http.conditional import is_not_modified, not_modified_fields
from evercache.http.fields import Fields, without
from evercache.http.messages import send_whole
from evercache.http.policy import Audience
from evercache.http.ranges import Answer, Part, choose_part, partial_fields, unsatisfiable_fields
from evercache.http.status import Forwarded, cache_status
from evercache.http.stored import Stored

if TYPE_CHECKING:
    from evercache.http.exchange import Exchange

__all__ = ["Reply"]


class Reply:
    """The answers of one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    async def stored(
        self, found: Found, why: Forwarded | None, *, forwarded: int | None = None, collapsed: bool = False
    ) -> None:
        """Send a stored response. *why* the application was asked, and its status, where it was."""
        exchange = self.exchange
        covered, now = exchange.covered, exchange.now
        stored: Stored = found.value
        since = stored.since(found.left, now)
        left = min(stored.left - since, found.left)
        fields = stored.answered(stored.age(now), covered.dropped, date=not covered.settings.adds_date)
        if covered.policy.audience is Audience.ONE_PRINCIPAL:
            fields = private_fields(fields)
        if why is None and not covered.settings.expose_key:
            said = covered.said_of_hit(left)
        else:
            said = cache_status(
                covered.settings.name,
                why,
                forwarded_status=forwarded,
                ttl=left,
                stored=forwarded == 304,
                collapsed=collapsed,
                key=self._key(),
            )
        fields += self.said(said, hit=why is None)
        await self.whole(stored.head.status, fields, stored.body, stored.fields(), stored.head.received)

    async def whole(
        self, status: int, fields: list[tuple[bytes, bytes]], body: bytes, known: Fields, received: float
    ) -> None:
        """Send a response that is there as a whole, or as much of it as this client wants. *known* are the fields that
        its conditions are compared with."""
        exchange, counters = self.exchange, self.exchange.covered.counters
        method, asked = exchange.method, exchange.fields
        if is_not_modified(method, asked, status, known, received):
            counters.not_modified += 1
            counters.bytes_saved += len(body)
            await send_whole(exchange.send, 304, not_modified_fields(fields), b"")
            return
        part = choose_part(method, asked, status, known, len(body), received)
        if isinstance(part, Part):
            counters.partial += 1
            await send_whole(exchange.send, 206, partial_fields(fields, part, len(body)), body[part.start : part.stop])
        elif part is Answer.UNSATISFIABLE:
            left = without(fields, {b"content-length", b"content-range", b"content-type", b"etag"})
            await send_whole(exchange.send, 416, [*left, *unsatisfiable_fields(len(body))], b"")
        else:
            await send_whole(exchange.send, status, fields, b"" if method == "HEAD" else body)

    async def gateway_timeout(self, detail: str) -> None:
        """504: nothing that is stored may be used, and there is nobody to ask (RFC 9111 §4.2.4, §5.2.1.7)."""
        covered = self.exchange.covered
        covered.counters.bypassed(detail)
        status = cache_status(covered.settings.name, Forwarded.BYPASS, detail=detail)
        await send_whole(self.exchange.send, 504, [(b"content-length", b"0"), *self.said(status, hit=False)], b"")

    def decorated(self, fields: Iterable[tuple[bytes, bytes]], status: bytes) -> list[tuple[bytes, bytes]]:
        """The fields of the application's own response, with what the cache says about it."""
        covered = self.exchange.covered
        sent = without(fields, covered.dropped)
        if covered.policy.audience is Audience.ONE_PRINCIPAL and self.exchange.principal is not None:
            sent = private_fields(sent)
        return sent + self.said(status, hit=False)

    def said(self, status: bytes, *, hit: bool) -> list[tuple[bytes, bytes]]:
        said = [(b"cache-status", status)]
        if self.exchange.covered.settings.x_cache:
            said.append((b"x-cache", b"HIT" if hit else b"MISS"))
        return said

    def _key(self) -> str | None:
        return self.exchange.target.path.decode("latin-1") if self.exchange.covered.settings.expose_key else None
