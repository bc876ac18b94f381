"""One rule at work on one cache: its place in the engine, its counters, its limits, and the addresses of its requests."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, cast

from evercache.codecs.packer import Packer
from evercache.core.duration import FOREVER
from evercache.core.keys import digest
from evercache.core.options import Options
from evercache.core.protocol import Key
from evercache.engine.choosy import Choosy
from evercache.engine.memory import Bounded
from evercache.engine.site import Arguments, Request, Site
from evercache.errors import ConfigurationError
from evercache.http import views
from evercache.http.counters import Counters
from evercache.http.exchange import Exchange
from evercache.http.fields import Fields
from evercache.http.frame import FrameCodec
from evercache.http.groups import GROUP_FIELDS
from evercache.http.heads import Heads
from evercache.http.key import Address, digest_of, host_of, is_allowed_host, method_class, resource_tag
from evercache.http.limits import Distinct, Rate
from evercache.http.policy import Audience
from evercache.http.query import significant_query
from evercache.http.rules import Rule, Settings
from evercache.http.seen import NOTHING_SEEN, Seen
from evercache.http.since import Since
from evercache.http.status import Forwarded, cache_status
from evercache.http.tee import LEADING
from evercache.http.template import fill
from evercache.http.unsafe import Target
from evercache.http.vary import normalised

if TYPE_CHECKING:
    from evercache.cache import Cache

__all__ = ["Covered"]

PERSONAL_FOR = 60.0
"""Seconds for which a URL whose last answer was one user's is not looked up for anybody who shows credentials."""

_KNOWN = 4_096
"""URLs of which the digests are remembered."""

_MARGIN = 65_536  # of a frame beside its body


class Covered:
    """What a rule covers. One for each rule of a middleware, and for each route of the route form.

    *weak*: made tags are weak, because something outside may still code the body (the route form under GZip).
    """

    def __init__(self, cache: Cache, rule: Rule, settings: Settings, *, weak: bool = False) -> None:
        self.cache = cache
        self.rule = rule
        self.settings = settings
        self.weak = weak
        # What names the route that was chosen, of the scope before and after.
        self.routed: Callable[[Mapping[str, Any], Mapping[str, Any]], str | None] | None = None
        self.engine = cache.engine
        self.clock = cache.clock
        self.policy = rule.policy(settings)
        self.counters = Counters()
        self.choosy = Choosy(cache.engine)
        self.heads = Heads(self.policy)
        self.variants = Distinct(rule.max_variants)
        self.keys = None if rule.max_keys is None else Distinct(rule.max_keys)
        self.queries = None if rule.max_distinct_queries is None else Distinct(rule.max_distinct_queries)
        self.rate = Rate(settings.validations_per_second, self.clock.monotonic())
        self.personal: Bounded[Address, float] = Bounded(10_000)
        self.body_limit, self.header_limit = rule.body_limit, rule.header_limit
        self.patience = rule.patience
        self.methods = frozenset({*rule.methods, "HEAD"} if "GET" in rule.methods else rule.methods)
        own = {b"app-cache-control"}
        self.dropped = frozenset(own | GROUP_FIELDS if rule.strip_groups else own)
        # Few different sentences are said about responses of the application, and each of them often.
        self.said = lru_cache(256)(partial(_said, settings.name))
        self._said_of_hits = cache_status(settings.name)
        self.secret = cache.workshop.secret
        self.resource = lru_cache(_KNOWN)(partial(_resource, self.secret))
        self.site = self._site(cache)
        cache.engine.statistics.http[rule.title] = self.counters.to_dict

    def _site(self, cache: Cache) -> Site:
        workshop, name = cache.workshop, f"http {self.rule.title}"
        options = Options(ttl=FOREVER, fail_safe=FOREVER, jitter=0.0, version=1)
        everyone = "!" if self.policy.audience is Audience.EVERYONE else ""

        @lru_cache(_KNOWN)
        def identified(key: Hashable) -> Key:
            address, variant = (key, None) if isinstance(key, Address) else _split(key)
            id = f"http{everyone}#{digest_of(address, variant, self.secret)}".encode()
            return Key(id, partial(_spelled, address))

        def request(key: Hashable, arguments: Arguments) -> Request:
            return Request(identified(key), arguments[0].tags)

        site = Site(
            name,
            policy=options.resolve(name),
            packer=Packer(
                FrameCodec(),
                compressor=workshop.compressor,
                keyring=workshop.keyring,
                namespace=workshop.namespace,
                max_bytes=self.body_limit + _MARGIN,
            ),
            load=_load,
            request=request,
            text=lambda key: _spelled(key if isinstance(key, Address) else _split(key)[0]),
            stats=cache.engine.statistics.of(name),
            gated=False,
        )
        cache.engine.open(site)
        return site

    async def answer(
        self,
        app: Any,  # Any: an ASGI application, with whatever types its framework gives to messages
        scope: Any,
        receive: Any,
        send: Any,
        *,
        params: Mapping[str, str],
        principal: str | None = None,
        since: Since | None = None,
        seen: Seen = NOTHING_SEEN,
    ) -> None:
        """Answer one request: from the cache, or by *app*, whose response is stored where it may be.

        *params*: the fields of the path, for tags. *principal*: whose response it is, where `key_by` isn't to be asked.
        *since*: the moment before anything was read for the answer, where some of it was read already. *seen*: what the
        short way saw in the shared store.
        """
        if scope.get(LEADING) is self.engine and self.policy.shared:
            # A middleware outside has begun to load it for this cache, under the same key: we would wait for ourselves.
            await app(scope, receive, send)
            return
        await Exchange(self, app, scope, receive, send, params, principal, since, seen).run()

    def said_of_hit(self, left: float) -> bytes:
        """`Cache-Status` of a hit that is fresh for so many seconds."""
        return b"%b;ttl=%d" % (self._said_of_hits, left)

    def is_routed(self, before: Mapping[str, Any], scope: Mapping[str, Any]) -> bool:
        """Whether the framework chose the route that the rule is about; what has no routes can't have chosen another."""
        chosen = None if self.routed is None else self.routed(before, scope)
        return chosen is None or chosen == self.rule.path or self.rule.prefix

    def tags_of(self, params: Mapping[str, str]) -> tuple[str, ...]:
        """The tags of the rule that are known before the response."""
        tags = self.rule.tags
        return () if callable(tags) else tuple([fill(tag, params) for tag in tags])

    def late_tags(self, request: views.Request, response: views.Response) -> list[str]:
        """The tags of the rule that its function says; raises what that raises."""
        tags = self.rule.tags
        said = cast("object", tags(request, response) if callable(tags) else ())
        found: list[object] = list(said) if isinstance(said, Iterable) and not isinstance(said, str) else [None]
        named = [tag for tag in found if isinstance(tag, str) and tag]
        if len(named) < len(found):
            raise ConfigurationError(
                f"{self.rule.title}: tags returned {said!r}; return a list of texts that aren't empty."
            )
        return named

    def host(self, fields: Fields) -> str | None:
        """The host of a request, if it is one of ours."""
        host = host_of(fields)
        return host if host is not None and is_allowed_host(host, self.settings.hosts) else None

    def address(
        self, scope: Mapping[str, Any], host: str, path: bytes, content: bytes, principal: str | None
    ) -> Address:
        """What chooses the response to this request, before its variants."""
        rule, fields = self.rule, scope["headers"]
        dimensions = [(name.lower(), normalised(name.lower(), fields, ())) for name in rule.dimensions]
        dimensions += self.person(principal)
        query = significant_query(
            scope.get("query_string", b""), keep=rule.keep_query, ignore=rule.ignore_query, any_order=rule.sort_query
        )
        return Address(
            method_class(scope["method"]),
            scope.get("scheme", "http"),
            host,
            scope.get("root_path", ""),
            path,
            query,
            content,
            tuple(dimensions),
        )

    def person(self, principal: str | None) -> tuple[()] | tuple[tuple[str, str]]:
        """Whose the response is, as a part of its address."""
        if principal is None:
            return ()
        return (("principal", digest(principal.encode("utf-8", "surrogatepass"), self.secret)),)

    def missed(self, why: Forwarded) -> None:
        """Count a request that the application answers."""
        self.counters.miss += 1
        self.site.stats.missed(why.value)

    def is_personal(self, address: Address) -> bool:
        """Whether the last answer at *address* was for its one user only."""
        until = self.personal.get(address)
        return until is not None and self.clock.monotonic() < until

    def was_personal(self, address: Address) -> None:
        self.personal.put(address, self.clock.monotonic() + PERSONAL_FOR)

    def was_shared(self, address: Address) -> None:
        self.personal.items.pop(address, None)


def _said(name: str, why: Forwarded, status: int, stored: bool, detail: str | None) -> bytes:
    return cache_status(name, why, forwarded_status=status, stored=stored, detail=detail)


def _resource(secret: bytes, scheme: str, host: str, path: bytes) -> str:
    return resource_tag(Target(scheme, host, path, b""), secret)


async def _load(lead: Any) -> Any:  # Any: `forward.Lead`; the engine hands over what the exchange gave it
    return await lead.load()


def _split(key: Any) -> tuple[Address, tuple[str | None, ...]]:
    address, names, variant = key
    return address, (*names, *variant)


def _spelled(address: Address) -> str:
    """The readable key, for globs; it never leaves the process."""
    query = f"?{address.query.decode('latin-1')}" if address.query else ""
    return f"http:{address.method}:{address.path.decode('latin-1')}{query}"
