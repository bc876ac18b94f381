"""One request: is there a response for it, may it be used, and if not, who fetches one.

select     follow the variants of the address to the response that was stored for such a request
decide     `reuse.decide`: answer with it, answer and refresh behind, or ask the application
fetch      board the flight that loads it already, or be its lead: run the application and let `tee` watch
change     a method that isn't cached: after its success, what it makes outdated is invalidated
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, cast

from evercache.core.flight import Flight
from evercache.engine.choosy import Found
from evercache.engine.loading import MISSING
from evercache.engine.waiting import within
from evercache.errors import ConfigurationError, StoreUnavailable
from evercache.http.changes import Change
from evercache.http.credentials import credentials_of, may_share
from evercache.http.directives import NO_DIRECTIVES, Directives, request_directives
from evercache.http.fields import Fields, has, indexed
from evercache.http.key import content_of
from evercache.http.lead import Lead, Nothing, SoloLead
from evercache.http.messages import Message, Receive, Send, body_of, copied, has_content, nowhere, raw_path, replayed
from evercache.http.policy import Audience
from evercache.http.replies import Reply
from evercache.http.reuse import Reuse, decide
from evercache.http.seen import NOTHING_SEEN, Seen
from evercache.http.since import Since
from evercache.http.status import Forwarded, cache_status, why_forwarded
from evercache.http.storable import request_refusal
from evercache.http.stored import Stored
from evercache.http.tee import COMMIT, Tee
from evercache.http.unsafe import Target
from evercache.http.validate import unconditional
from evercache.http.vary import variant_of
from evercache.http.views import Request

if TYPE_CHECKING:
    from evercache.http.covered import Covered

__all__ = ["Exchange"]

_log = logging.getLogger("evercache.http")

ROUNDS = 3
"""How often a request waits for others before it asks the application itself; each time something overtook them."""

DEPTH = 4
"""How many times the responses of one URL may name further fields that they vary on."""


class Exchange:
    """One request and its response. Made for the request, thrown away after it."""

    def __init__(
        self,
        covered: Covered,
        app: Any,
        scope: Message,
        receive: Receive,
        send: Send,
        params: Mapping[str, str],
        principal: str | None,
        since: Since | None = None,
        seen: Seen = NOTHING_SEEN,
    ) -> None:
        self.covered = covered
        self.app = app
        self.scope = scope
        self.receive = receive
        self.send = send
        self.params = params
        self.principal = principal
        self.since = since
        self.seen = seen
        self.method: str = scope["method"]
        self.fields = indexed(scope["headers"])
        self.requested = covered.clock.wall()
        self.directives: Directives = NO_DIRECTIVES
        self.credentials: tuple[str, ...] = ()
        self.content: bytes | None = None
        self.known_url = False
        self.policy = covered.policy

    async def run(self) -> None:
        """Answer the request."""
        covered = self.covered
        host, path = covered.host(self.fields), raw_path(self.scope)
        self.target = Target(self.scope.get("scheme", "http"), host or "", path, self.scope.get("query_string", b""))
        if host is None:
            await self.bypass("host")
            return
        if self.method not in covered.methods:
            await Change(self).run()
            return
        if reason := await self._prepare():
            await self.bypass(reason)
            return
        self.address = covered.address(self.scope, host, path, self._content_key(), self.principal)
        if self.credentials and covered.is_personal(self.address):
            await self.bypass("credentials")
            return
        if covered.queries is not None and not covered.queries.admits(path, self.address.query, self.now):
            await self.bypass("too-many-queries")
            return
        if covered.keys is not None and not covered.keys.admits(None, self.address, self.now):
            await self.bypass("too-many-keys")
            return
        self.tags = (covered.resource(self.target.scheme, host, path), *covered.tags_of(self.params))
        await self._answer()

    @property
    def reply(self) -> Reply:
        """What answers this request; made when it is wanted, for the two would keep each other alive until the garbage
        collector came."""
        return Reply(self)

    @property
    def now(self) -> float:
        """The moment on this process's clock."""
        return self.covered.clock.monotonic()

    async def _prepare(self) -> str:
        """Find out who asks for what; why the cache takes no part, or nothing."""
        covered = self.covered
        if not covered.engine.enabled:
            return "disabled"
        if has(self.fields, b"if-match") or has(self.fields, b"if-unmodified-since"):
            return "precondition"  # the application's to decide (RFC 9110 §13.1.1), and its 412 is for nobody else
        if self.policy.audience is Audience.ONE_PRINCIPAL:
            if self.principal is None:
                self.principal = self._principal()
            if self.principal is None:
                return "no-principal"
        else:
            self.credentials = self.credentials_in(self.scope)
        self.directives = request_directives(self.fields)
        if self.method in ("QUERY", "POST"):
            self.content, self.receive = await body_of(self.receive, covered.body_limit)
            if self.content is None:
                return "content-too-large"
        elif has_content(self.fields):
            return "content"
        return ""

    def credentials_in(self, scope: Message) -> tuple[str, ...]:
        """What identifies the user, where that makes a difference."""
        if self.policy.audience is not Audience.ANYONE_ANONYMOUS:
            return ()
        settings, user = self.covered.settings, scope.get("user")
        tls = (scope.get("extensions") or {}).get("tls") or {}
        return credentials_of(
            self.fields,
            names=settings.credentials,
            harmless_cookies=settings.harmless_cookies,
            session=bool(scope.get("session")),
            user=user is not None and bool(getattr(user, "is_authenticated", True)),
            certificate=bool(tls.get("client_cert_name") or tls.get("client_cert_chain")),
        )

    def credentials_after(self, scope: Message) -> tuple[str, ...]:
        """The same once the application has answered, in its *scope*: a request without a session may have begun one (a
        form with a token in it), and what was put around the application may have found out who asks."""
        return self.credentials_in(scope) if "session" in scope or "user" in scope else self.credentials

    def _principal(self) -> str | None:
        """The user, as the rule's function knows it. One that fails costs the cache, not the request."""
        rule = self.covered.rule
        try:
            found = None if rule.key_by is None else rule.key_by(Request(self.scope, self.params))
            if found is not None and not isinstance(cast("object", found), str):
                raise ConfigurationError(f"it returned {type(found).__name__}; return a text, or None for nobody.")
            return found or None  # an empty name is nobody's
        except Exception:  # noqa: BLE001 - the user's function; logged
            _log.exception("%s: key_by failed; the request isn't cached", rule.title)
            return None

    def _content_key(self) -> bytes:
        return b"" if self.content is None else content_of(self.fields, self.content)

    # -- what is there -------------------------------------------------------------------------------------------

    async def _answer(self) -> None:
        for turn in range(ROUNDS + 1):
            key, found = await self._select()
            if key is None:
                await self.pass_on(Forwarded.VARY_MISS, "too-many-variants")
                return
            use = self._use(found)
            if use is None:
                await self.bypass("credentials")
            elif use is Reuse.GATEWAY_TIMEOUT:
                await self.reply.gateway_timeout("only-if-cached")
            elif use is Reuse.REVALIDATE or use is Reuse.LOAD:
                if not await self._fetch(key, found, last=turn == ROUNDS):
                    continue
            else:
                await self._reply_with(key, found, use)
            return

    async def _select(self) -> tuple[Hashable | None, Found]:
        """The place of this request among the variants, and what lies there. A stored response says which fields chose
        it; where the request says something else in them, the response for that lies one step further on."""
        covered = self.covered
        key: Hashable = self.address
        for _ in range(DEPTH):
            found = covered.choosy.held(covered.site, key)
            if found is None:
                seen, self.seen = self.seen, NOTHING_SEEN
                found = seen.found if seen.key == key else await self._find(key)
            if found.value is MISSING:
                return key, found
            stored: Stored = found.value
            if not stored.names:
                return key, found
            variant = variant_of(stored.names, self.fields, self.policy.codings)
            if variant == stored.variant:
                return key, found
            self.known_url = True
            key = (self.address, stored.names, variant)
        return None, Found()

    async def _find(self, key: Hashable) -> Found:
        try:
            return await self.covered.choosy.find(self.covered.site, key, (self,))
        except StoreUnavailable:
            return Found()

    def moment(self, found: Found) -> float:
        """Now, on the clock by which the times of this response are told."""
        return float(found.value.moment(found.left, self.now))

    def _use(self, found: Found) -> Reuse | None:
        """What to do; None: the response isn't for who asks."""
        if found.value is MISSING:
            return decide(None, self.directives, 0.0, self.policy)
        head = found.value.head
        if not may_share(self.credentials, head.directives, self.policy.audience):
            return None
        moment = self.moment(found)
        use = decide(head, self.directives, moment, self.policy)
        if self.policy.honor_request and use in (Reuse.REVALIDATE, Reuse.LOAD):
            lenient = dataclasses.replace(self.policy, honor_request=False)
            unforced = decide(head, self.directives, moment, lenient)
            if unforced is not use and not self.covered.rate.take(self.now):
                return unforced
        return use

    async def _reply_with(self, key: Hashable, found: Found, use: Reuse) -> None:
        counters, stats = self.covered.counters, self.covered.site.stats
        if use is Reuse.FRESH:
            counters.hit += 1
            stats.hits += found.source == "l1"
            stats.l2_hits += found.source != "l1"
        else:
            counters.stale += 1
            stats.stale += 1
        if use is Reuse.STALE_WHILE_REVALIDATE:
            self.covered.choosy.refresh(self.covered.site, key, (Lead(self.tags, self._refresher(key, found)),), found)
        await self.reply.stored(found, None)

    # -- what isn't there ----------------------------------------------------------------------------------------

    async def _fetch(self, key: Hashable, found: Found, *, last: bool) -> bool:
        """Have the application answer, or use what it answers to somebody else. False: select once more."""
        covered = self.covered
        refusal = request_refusal(self.method, self.fields, self.policy)
        if refusal is not None:
            await self.pass_on(self.why(found), refusal.value, refused=True)
            return True
        if last:
            await self.pass_on(self.why(found), "overtaken")
            return True
        choosy, site = covered.choosy, covered.site
        forced = found.value is not MISSING and found.left > 0 and not found.value.head.asks_each_time
        arrival = choosy.arrive()
        flight = None if forced else choosy.joinable(site, key)
        if flight is not None:
            return await self._follow(flight, arrival, found)
        spare = None if found.value is MISSING else found
        solo = choosy.solo(site, key, (self,), spare=spare, force=forced)
        if solo is not None:
            await self._load(SoloLead(solo, self.tags), solo.flight, key, found)
            return True
        lead = Lead(self.tags)
        try:
            flight = choosy.depart(site, key, (lead,), spare=spare, absent=found.asked, force=forced)
        except StoreUnavailable:
            await self.pass_on(Forwarded.BYPASS, "store-down")
            return True
        return await self._lead(lead, flight, key, found)

    async def _lead(self, lead: Lead, flight: Flight, key: Hashable, found: Found) -> bool:
        """Run the application for the flight, unless it finds on its way that another process has done so."""
        lead.watch(flight)
        try:
            # Another process may be loading it; who has waited long enough for that asks the application himself.
            patience = COMMIT if self.covered.patience is None else self.covered.patience
            if not await within(self.covered.clock, patience, lead.called):
                lead.give_up(Nothing.ABANDONED)
                await self.pass_on(self.why(found), "collapse-timeout")
                return True
            if not lead.called.result():
                return False
        except BaseException:
            lead.give_up(Nothing.ABANDONED)
            raise
        await self._load(lead, flight, key, found)
        return True

    async def _load(self, lead: Lead | SoloLead, flight: Flight, key: Hashable, found: Found) -> None:
        """Run the application for the flight. Whatever happens, nobody waits for it longer than that."""
        try:
            await self.forward(lead, flight, key, found)
        finally:
            lead.give_up(Nothing.ABANDONED)

    async def _follow(self, flight: Flight, arrival: int, found: Found) -> bool:
        """Wait for a load of somebody else. Who shows credentials doesn't: the response is hardly for both."""
        covered = self.covered
        if covered.patience is None or self.credentials:
            await self.pass_on(self.why(found), "not-collapsed")
            return True
        if not await within(covered.clock, covered.patience, flight.waiter):
            await self.pass_on(self.why(found), "collapse-timeout")
            return True
        landed = covered.choosy.landed(flight, joined=True)
        if landed.value is Nothing.FAILED and found.value is not MISSING:
            covered.counters.stale += 1
            covered.site.stats.stale += 1
            await self.reply.stored(found, self.why(found), collapsed=True)
            return True
        if isinstance(landed.value, Nothing) and landed.value is not Nothing.ABANDONED:
            await self.pass_on(self.why(found), "not-shared")
            return True
        stored = landed.value
        if not isinstance(stored, Stored) or not flight.serves(arrival):
            return False
        if variant_of(stored.names, self.fields, self.policy.codings) != stored.variant:
            self.known_url = True
            return False
        covered.counters.collapsed += 1
        covered.site.stats.missed("collapsed")
        await self.reply.stored(landed, self.why(found), collapsed=True)
        return True

    def why(self, found: Found) -> Forwarded:
        """Why what was found didn't answer."""
        if found.value is MISSING:
            return why_forwarded(None, 0.0, known_url=self.known_url)
        return why_forwarded(found.value.head, self.moment(found), known_url=True)

    # -- the application -----------------------------------------------------------------------------------------

    async def forward(self, lead: Lead | SoloLead, flight: Flight | None, key: Hashable, found: Found) -> None:
        """Run the application and store what it answers."""
        tee = Tee(self, lead, flight, key, found)
        with self.covered.engine.recording() as recorder:
            tee.recorder = recorder
            try:
                await self.app(tee.scope, self.receive, tee)
            except Exception:
                if not await tee.failed():
                    raise
                _log.exception("%s: the application failed; a stored response answers", self.covered.rule.title)
            else:
                await tee.ended()

    async def pass_on(self, why: Forwarded, detail: str, *, refused: bool = False) -> None:
        """Have the application answer this request alone; nothing is stored."""
        self.covered.missed(why)
        if refused:
            self.covered.counters.refuse(detail)
        await self._plain(why, detail)

    async def bypass(self, reason: str) -> None:
        """The cache takes no part."""
        self.covered.counters.bypassed(reason)
        await self._plain(Forwarded.BYPASS, reason)

    async def _plain(self, why: Forwarded, detail: str) -> None:
        name = self.covered.settings.name

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                fields = list(message.get("headers", ()))
                await self.was_no_read(message["status"], fields)
                status = cache_status(name, why, forwarded_status=message["status"], detail=detail)
                message = {**message, "headers": self.reply.decorated(fields, status)}
            await self.send(message)

        await self.app(copied(self.scope), self.receive, send)

    async def was_no_read(self, status: int, fields: Fields) -> None:
        """Nothing of the response with this head is stored. A POST is a read only by the word of a rule's ttl or of its
        response; any other one was a change, whatever the rule hoped for."""
        if self.method == "POST" and self.policy.ttl is None:
            await Change(self).invalidate(status, fields)

    def _refresher(self, key: Hashable, found: Found) -> Any:
        """What fetches the response anew when nobody waits for it: the same request, by nobody."""
        scope = dict(self.scope, headers=unconditional(self.fields))
        if self.method == "HEAD":
            scope["method"] = "GET"
        if isinstance(scope.get("state"), dict):
            scope["state"] = dict(scope["state"])
        again = Exchange(
            self.covered, self.app, scope, replayed(self.content or b""), nowhere, self.params, self.principal
        )
        again.address, again.target, again.tags = self.address, self.target, self.tags
        again.directives, again.credentials, again.content = self.directives, self.credentials, self.content

        async def run(lead: Lead) -> None:
            again.requested = self.covered.clock.wall()
            await again.forward(lead, None, key, found)
            if not lead.ended:
                lead.give_up(Nothing.ABANDONED)

        return run
