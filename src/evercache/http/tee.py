"""Watching a response on its way from the application to the client, and keeping a copy of it where that is allowed.

    start ── may it be stored? ── no ──▶ PASSING: everything goes through
               │ yes
               ├─ HOLDING: the head waits for the first piece, as servers may too; if that is all, it gets a tag
               └─ there is more ────────▶ STREAMING: each piece goes through at once, and into the copy
    start ── 304 to our question ──────▶ SILENT: the stored response is fresh again, and is sent
    start ── 5xx, and stale will do ───▶ SILENT: the stored response is sent

The last piece goes out after the copy has been stored, so that the client's next request finds it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING, Any

from evercache.core.flight import Flight
from evercache.engine.choosy import Found
from evercache.engine.loading import MISSING
from evercache.engine.waiting import within
from evercache.http.conditional import is_not_modified, not_modified_fields
from evercache.http.etag import make_etag
from evercache.http.fields import Fields, has
from evercache.http.groups import group_tag, groups_of
from evercache.http.lead import Lead, Nothing, SoloLead
from evercache.http.messages import Message, copied
from evercache.http.response import StoredResponse, arrived
from evercache.http.reuse import AfterFailure, after_failure
from evercache.http.since import Since
from evercache.http.status import Forwarded
from evercache.http.storable import Refusal, is_whole, may_store, request_refusal
from evercache.http.stored import Stored
from evercache.http.validate import merged_fields, unconditional, with_conditions
from evercache.http.vary import merged_vary, variant_of, vary_names
from evercache.http.views import Request, Response

if TYPE_CHECKING:
    from evercache.http.exchange import Exchange

__all__ = ["COMMIT", "Tee"]

_log = logging.getLogger("evercache.http")

COMMIT = 0.25
"""Seconds that the end of a response waits for the shared store."""

KEPT_FOR_VALIDATION = 86_400.0
"""Seconds after its freshness for which a response is kept that the application may confirm."""

LEADING = "evercache.leading"
"""The cache that a response is being fetched for, in the scope of the application that makes it."""

_FAILURES = frozenset({500, 502, 503, 504})
_UNREACHABLE = frozenset({502, 503, 504})


class _Mode(Enum):
    WAITING = "waiting"
    PASSING = "passing"
    HOLDING = "holding"
    STREAMING = "streaming"
    SILENT = "silent"


class Tee:
    """The `send` that an application gets whose response may be stored."""

    def __init__(
        self, exchange: Exchange, lead: Lead | SoloLead, flight: Flight | None, key: Any, found: Found
    ) -> None:
        self.exchange = exchange
        self.covered = exchange.covered
        self.lead = lead
        self.flight = flight
        self.key = key
        self.found = found
        self.why = exchange.why(found)
        self.recorder: Any = None  # what notes the tags of everything that is read meanwhile
        stored: Stored | None = None if found.value is MISSING else found.value
        self.stored = stored
        self.asks = stored is not None and stored.head.has_validator
        if stored is not None and self.asks:
            fields = with_conditions(exchange.fields, stored.head.fields, stored.head.received)
        else:
            fields = unconditional(exchange.fields)
        self.scope = copied(exchange.scope, fields)
        self.scope[LEADING] = exchange.covered.engine
        self.mode = _Mode.WAITING
        self._start: Message = {}
        self._head: StoredResponse | None = None
        self._names: tuple[str, ...] = ()
        self._groups: tuple[str, ...] = ()
        self._parts: list[bytes] = []
        self._size = 0

    async def __call__(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start" and self.mode is _Mode.WAITING:
            await self._on_start(message)
        elif kind == "http.response.body" and self.mode in (_Mode.HOLDING, _Mode.STREAMING):
            await self._on_body(message)
        elif self.mode is not _Mode.SILENT:
            if self.mode is _Mode.HOLDING:  # whatever it is, it comes after the head
                await self._stream()
            await self._send(message)

    async def _send(self, message: Message) -> None:
        """Hand *message* to the client. One that is gone is no fault of the application: who waits for the response
        has somebody else fetch it. So has who waits for a client that takes nothing, for as long as one waits."""
        patience = self.covered.patience if self.mode is _Mode.STREAMING else None
        limit = None
        if patience is not None:
            limit = asyncio.get_running_loop().call_later(patience, self._stalled)
        try:
            await self.exchange.send(message)
        except Exception:
            self.lead.give_up(Nothing.ABANDONED)
            raise
        finally:
            if limit is not None:
                limit.cancel()

    def _stalled(self) -> None:
        """Keep nothing for a client that takes nothing."""
        self.lead.give_up(Nothing.ABANDONED)
        self.covered.counters.refuse("slow-client")
        self._count_miss()
        self._parts.clear()
        self.mode = _Mode.PASSING

    # -- the head ------------------------------------------------------------------------------------------------

    async def _on_start(self, message: Message) -> None:
        status: int = message["status"]
        fields = tuple([(bytes(name), bytes(value)) for name, value in message.get("headers", ())])
        if status == 304 and self.asks and self.stored is not None:
            self.mode = _Mode.SILENT
            await self._confirmed(self.stored, fields)
            return
        if status in _FAILURES and self._stale_will_do(answered=status) is AfterFailure.STALE:
            self.mode = _Mode.SILENT
            await self._stale(status)
            return
        self._start = {**message, "headers": fields}
        refusal = self._refusal(status, fields, trailers=bool(message.get("trailers")))
        if refusal:
            await self.exchange.was_no_read(status, fields)
            await self._refuse_at_once(refusal)
        else:
            self.mode = _Mode.HOLDING

    def _refusal(self, status: int, fields: Fields, *, trailers: bool) -> str:
        """Why this response isn't stored, or nothing; then its head is known."""
        exchange, covered, policy = self.exchange, self.covered, self.exchange.policy
        read = covered.heads.read(status, fields, requested=exchange.requested, received=covered.clock.wall())
        head = read.response
        credentials = exchange.credentials_after(self.scope)
        if read.coded or credentials:
            refusal = may_store(exchange.method, exchange.fields, fields, head, policy, credentials)
        else:
            refusal = request_refusal(exchange.method, exchange.fields, policy) or read.refusal
        if refusal is not None:
            if refusal is Refusal.CREDENTIALS or refusal is Refusal.PRIVATE:
                covered.was_personal(exchange.address)
            return refusal.value
        if read.streams:
            return "streaming"
        if trailers:
            return "trailers"
        if read.size > covered.header_limit:
            return "headers-too-large"
        if covered.routed is not None and not covered.is_routed(exchange.scope, self.scope):
            return "other-route"
        known = () if self.stored is None else self.stored.names
        known_by_key: tuple[str, ...] = () if self.key == exchange.address else self.key[1]
        self._names = merged_vary((*known, *known_by_key), read.names)
        if not covered.variants.admits(exchange.address, self._variant(), exchange.now):
            return "too-many-variants"
        self._head, self._groups = head, read.groups
        covered.was_shared(exchange.address)
        return ""

    def _variant(self) -> tuple[str | None, ...]:
        return variant_of(self._names, self.exchange.fields, self.exchange.policy.codings)

    async def _refuse_at_once(self, reason: str) -> None:
        """Not stored. The application wasn't shown the client's conditions, so they are answered here."""
        exchange, fields = self.exchange, self._start["headers"]
        status: int = self._start["status"]
        if not is_not_modified(exchange.method, exchange.fields, status, fields, self.covered.clock.wall()):
            await self._refuse(reason)
            return
        self._start = {**self._start, "status": 304, "headers": not_modified_fields(fields)}
        await self._refuse(reason)
        await self._send({"type": "http.response.body", "body": b""})
        self.mode = _Mode.SILENT

    async def _refuse(self, reason: str) -> None:
        """Not stored after all: let it through."""
        self.covered.counters.refuse(reason)
        self._count_miss()
        self.lead.give_up(Nothing.REFUSED)
        if self.mode is not _Mode.STREAMING:
            await self._send_start(detail=reason)
        self.mode = _Mode.PASSING

    async def _send_start(self, detail: str | None = None) -> None:
        decorated = self.exchange.reply.decorated(self._start["headers"], self._said(detail=detail))
        await self._send({**self._start, "headers": decorated})

    async def _stream(self) -> None:
        """Let the head go. Whether the response will be stored can't be said yet: its body may become too long."""
        self.mode = _Mode.STREAMING
        await self._send_start("store-down" if self._bypasses() else None)

    def _count_miss(self) -> None:
        """Count the request whom the application answers; a refresh is nobody's request."""
        if self.flight is not None:
            self.covered.missed(self.why)

    def _said(self, *, stored: bool = False, detail: str | None = None) -> bytes:
        status: int = self._start["status"]
        return self.covered.said(self.why, status, stored, detail)

    # -- the body ------------------------------------------------------------------------------------------------

    async def _on_body(self, message: Message) -> None:
        body, more = message.get("body", b""), message.get("more_body", False)
        self._size += len(body)
        if self._size > self.covered.body_limit:
            self._parts.clear()  # nothing is held back but the head: what came before has been sent
            await self._refuse("body-too-large")
            await self._send(message)
            return
        self._parts.append(bytes(body))
        if not more:
            await self._complete(message)
            return
        if self.mode is _Mode.HOLDING:
            await self._stream()
        await self._send(message)

    async def _complete(self, message: Message) -> None:
        head = self._head
        held = self.mode is _Mode.HOLDING
        body = b"".join(self._parts)
        fields = self._start["headers"]
        if head is None or not is_whole(fields, len(body)):
            await self._refuse("incomplete")
            await self._send(message)
            return
        self.mode = _Mode.PASSING
        etag = None if has(head.fields, b"etag") else make_etag([body], weak=self.covered.weak)
        stored = self._put_away(head, body, etag)
        if refusal := await self._bring(stored, (), fields, self._groups):
            self.mode = _Mode.HOLDING if held else _Mode.STREAMING
            await self._refuse(refusal)
            await self._send(message)
            return
        kept = await self._landed()
        detail = None if kept else self._why_not_kept()
        if detail == "store-down" and self.flight is not None:
            self.covered.counters.bypassed(detail)
            self.covered.site.stats.missed("bypass")
        else:
            self._count_miss()
        if not held:
            await self._send(message)
            return
        tagged = fields if etag is None else (*fields, (b"etag", etag.encode("latin-1")))
        decorated = self.exchange.reply.decorated(tagged, self._said(stored=kept, detail=detail))
        await self.exchange.reply.whole(head.status, decorated, body, tagged, head.received)

    # -- storing -------------------------------------------------------------------------------------------------

    def _put_away(self, head: StoredResponse, body: bytes, etag: str | None) -> Stored:
        spent = max(0.0, self.covered.clock.wall() - head.received)
        left = head.fresh_for(head.received) - spent
        if head.asks_each_time:
            left = min(left, 0.0)
        return Stored(
            head,
            body,
            names=self._names,
            variant=self._variant(),
            etag=etag,
            left=left,
            spent=spent,
            made=self.exchange.now,
        )

    async def _bring(self, stored: Stored, ids: Iterable[bytes], fields: Fields, groups: Iterable[str]) -> str:
        """Hand the response to the flight, with every tag it is to be found by; why that can't be, or nothing."""
        exchange, covered, head = self.exchange, self.covered, stored.head
        try:
            tags = covered.late_tags(Request(exchange.scope, exchange.params), Response(head.status, fields))
        except Exception:  # noqa: BLE001 - the user's function; logged
            _log.exception("%s: its function for tags failed; the response isn't stored", covered.rule.title)
            return "tags-failed"
        tags += [group_tag(exchange.target.origin, group) for group in groups]
        since = exchange.since
        recorders = [self.recorder] if since is None else [self.recorder, since.recorder]
        ids = {*ids}.union(*[recorder.tags for recorder in recorders])
        near: set[bytes] = set().union(*[recorder.near for recorder in recorders])
        if since is not None and not await self._untouched(since, [*exchange.tags, *tags], ids | near):
            return "overtaken"
        if any(recorder.stale for recorder in recorders):
            stored.left = min(stored.left, 0.0)  # what is made of something stale is stale itself
        kept = max(
            head.stale_while_revalidate,
            head.stale_if_error,
            covered.settings.unreachable if head.may_be_stale else 0.0,
            KEPT_FOR_VALIDATION if head.has_validator else 0.0,
            60.0 if exchange.policy.honor_request and head.may_be_stale else 0.0,
        )
        until = exchange.now + max(stored.left, 0.0) + kept
        if stored.names:
            covered.variants.add(exchange.address, stored.variant, until)
        if covered.keys is not None:
            covered.keys.add(None, exchange.address, until)
        if covered.queries is not None:
            covered.queries.add(exchange.target.path, exchange.address.query, until)
        self.lead.bring(stored, kept=kept, tags=tags, ids=ids, near=near)
        return ""

    async def _untouched(self, since: Since, names: Iterable[str], ids: Iterable[bytes]) -> bool:
        covered = self.covered
        key = covered.site.request(self.key, (self.lead,)).key
        return await since.untouched(key, [*map(covered.engine.tag_id, names), *ids])

    async def _landed(self) -> bool:
        """Wait until it is stored, but not for ever; whether it is."""
        flight = self.flight
        if flight is None:
            self.covered.counters.stored += 1
            return True
        if self.covered.engine.shares:
            await within(self.covered.clock, COMMIT, flight.waiter)
        elif not flight.waiter.done():
            await asyncio.shield(flight.waiter)
        self.covered.counters.stored += flight.proved
        return flight.proved

    def _why_not_kept(self) -> str:
        if self._bypasses():
            return "store-down"
        landed = self.flight is None or self.flight.waiter.done()
        return "overtaken" if landed else "store-slow"

    def _bypasses(self) -> bool:
        """Whether the shared store can't be asked, so that the cache takes no part in this request."""
        engine, key = self.covered.engine, None if self.flight is None else self.flight.store_key
        if not engine.shares or key is None or engine.reachable(engine.partition_of(key.id)):
            return False
        if self.stored is None:
            self.why = Forwarded.BYPASS
        return True

    # -- instead of the application's response -------------------------------------------------------------------

    async def _confirmed(self, stored: Stored, update: Fields) -> None:
        """The application says that the stored response still holds (RFC 9111 §4.3.4)."""
        exchange, policy = self.exchange, self.exchange.policy
        fields = merged_fields(stored.head.fields, update)
        received = self.covered.clock.wall()
        head = arrived(stored.head.status, fields, policy, requested=exchange.requested, received=received)
        self._names = merged_vary(stored.names, vary_names(fields) or ())
        self._head = head
        again = self._put_away(head, stored.body, stored.etag)
        credentials = exchange.credentials_after(self.scope)
        refusal = may_store(exchange.method, exchange.fields, fields, head, policy, credentials)
        # What it was made of wasn't read again, so its tags are those that it had.
        why = await self._bring(again, self.found.tags, update, groups_of(update)) if refusal is None else refusal.value
        if why:
            self.covered.counters.refuse(why)
            self.lead.give_up(Nothing.REFUSED)
        await self._landed()
        if self.flight is not None:
            self.covered.counters.revalidated += 1
            self.covered.site.stats.missed("revalidated")
        await exchange.reply.stored(Found(again, again.ttl), Forwarded.STALE, forwarded=304)

    async def _stale(self, status: int | None) -> None:
        if self.flight is not None:
            self.covered.counters.stale += 1
            self.covered.site.stats.stale += 1
        self.lead.give_up(Nothing.FAILED)
        await self.exchange.reply.stored(self.found, Forwarded.STALE, forwarded=status)

    def _stale_will_do(self, answered: int | None) -> AfterFailure:
        """What to do about a failure: an answer of 5xx, or (None) an exception."""
        stored, exchange = self.stored, self.exchange
        if stored is None:
            return AfterFailure.FORWARD
        moment, head = exchange.moment(self.found), stored.head
        found = after_failure(head, exchange.directives, moment, exchange.policy, answered=answered is not None)
        gone = answered is None or answered in _UNREACHABLE
        late = -head.fresh_for(moment)
        if gone and head.may_be_stale and not head.asks_each_time and late < self.covered.settings.unreachable:
            return AfterFailure.STALE
        return found

    # -- the end of the application ------------------------------------------------------------------------------

    async def failed(self) -> bool:
        """The application raised. True: the client has an answer all the same."""
        if self.mode is not _Mode.WAITING and self.mode is not _Mode.HOLDING:
            if self.mode is _Mode.STREAMING:
                self.covered.counters.refuse("incomplete")
            self.lead.give_up(Nothing.REFUSED)
            return self.mode is _Mode.SILENT
        self.mode = _Mode.PASSING
        decision = self._stale_will_do(answered=None)
        if decision is AfterFailure.STALE:
            await self._stale(None)
            return True
        self.lead.give_up(Nothing.REFUSED)
        if decision is AfterFailure.GATEWAY_TIMEOUT:
            await self.exchange.reply.gateway_timeout("stale-forbidden")
            return True
        self._count_miss()
        return False

    async def ended(self) -> None:
        """The application returned. What isn't complete by now never will be."""
        if self.mode in (_Mode.HOLDING, _Mode.STREAMING):
            await self._refuse("incomplete")
        self.lead.give_up(Nothing.REFUSED)
