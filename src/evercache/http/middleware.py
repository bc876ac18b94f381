"""`CacheMiddleware`: HTTP caching around an ASGI application.

    app.add_middleware(CacheMiddleware, cache=cache, rules=[Rule("/standards", ttl="1h")])     inside a framework's stack
    app = CacheMiddleware(app, cache=cache, rules=[...])                                         around everything
    app = CacheMiddleware(app, cache=cache, respect_origin=True, honor_request_cache_control=True)        strict RFC 9111

What no rule covers goes through as it is. The short way of a hit is `_hit`: a look in this process's memory and a few
comparisons; everything else is an `exchange`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from evercache.core.duration import Duration, parse_seconds
from evercache.engine.memory import Bounded
from evercache.errors import ConfigurationError
from evercache.http.changes import watch
from evercache.http.compat import rules_of_patterns
from evercache.http.covered import Covered
from evercache.http.credentials import CREDENTIAL_FIELDS, NameList
from evercache.http.fast import Fast
from evercache.http.messages import Message, Receive, Send
from evercache.http.routes import check_application
from evercache.http.rules import Rule, Settings
from evercache.http.unsafe import is_safe
from evercache.http.walk import routed_within, stands_in

if TYPE_CHECKING:
    from evercache.cache import Cache

__all__ = ["CacheMiddleware"]

_KNOWN_PATHS = 4_096
_CREDENTIALS = ("authorization", "proxy-authorization", "x-api-key", "x-auth-*")


class CacheMiddleware:
    """Answers requests from *cache* where a rule covers them, and stores what may be stored. Pure ASGI.

    - *rules*: what is cached; the first one that matches a path counts. *cache_patterns*: rules as prefixes and seconds,
      `{"/api/v1/standards": 3600}`; *default_ttl* for those without a number.
    - *respect_origin*: what no rule covers is cached by the response's own words. With *honor_request_cache_control*
      clients may ask for fresher responses (at most *validations_per_second*): together the strict mode, in which every
      decision comes from the messages (RFC 9111).
    - *heuristic*: the part of the time since `Last-Modified` that counts as fresh where nothing is said (0.1 is usual);
      errors only where *negative* names their status. *cache_post*: answers to POST with explicit freshness; any other
      POST was a change. *serve_stale_when_unreachable*: for how long after its freshness a response may answer when the
      application can't be reached (RFC 9111 §4.2.4).
    - *allowed_hosts*: other hosts pass through. *credential_headers*: fields that identify a user, beside
      Authorization, Cookie, X-API-Key and X-Auth-*. *harmless_cookies*: names that don't ("_ga*").
    - *server_adds_date*: whether the server adds `Date` itself, as uvicorn does unless told not to.
    - *name*: in `Cache-Status`; *expose_key*: with the key there (only for who may see it); *x_cache*: `X-Cache` too.
    - *security_names*: names of dependencies that guard a route, for the check at start-up.
    - *enabled*: False passes everything through.

    Raises ConfigurationError for what is wrong by itself; what is wrong with this application (a rule for a guarded
    route, a wrong order of middleware) at its start-up.
    """

    def __init__(
        self,
        app: Any,  # Any: an ASGI application
        *,
        cache: Cache,
        rules: Iterable[Rule] = (),
        cache_patterns: Mapping[str, Duration | None] | None = None,
        default_ttl: Duration = "10m",
        respect_origin: bool = False,
        honor_request_cache_control: bool = False,
        validations_per_second: float = 10.0,
        heuristic: float = 0.0,
        negative: Sequence[int] = (),
        cache_post: bool = False,
        serve_stale_when_unreachable: Duration | None = None,
        allowed_hosts: Sequence[str] = ("*",),
        credential_headers: Sequence[str] = (),
        harmless_cookies: Sequence[str] = (),
        server_adds_date: bool = True,
        name: str = "evercache",
        expose_key: bool = False,
        x_cache: bool = False,
        security_names: Sequence[str] = (),
        enabled: bool = True,
    ) -> None:
        if not 0.0 <= heuristic <= 1.0:
            raise ConfigurationError(f"heuristic={heuristic!r} is a part; write a number from 0 to 1 (0.1).")
        if validations_per_second <= 0:
            raise ConfigurationError(f"validations_per_second={validations_per_second!r} must be above 0.")
        lists = {
            "allowed_hosts": allowed_hosts,
            "credential_headers": credential_headers,
            "harmless_cookies": harmless_cookies,
            "security_names": security_names,
        }
        _demand_lists(lists)
        rules = _demand_rules(rules)
        if not hasattr(cache, "engine"):
            raise ConfigurationError(
                f"CacheMiddleware: cache={cache!r} is no Cache; make one and give it to the lifespan."
            )
        unreachable = serve_stale_when_unreachable
        self.app = app
        self.cache = cache
        self.settings = Settings(
            honor_request=honor_request_cache_control,
            validations_per_second=validations_per_second,
            heuristic=heuristic,
            unreachable=0.0 if unreachable is None else parse_seconds(unreachable, "serve_stale_when_unreachable"),
            hosts=tuple(allowed_hosts),
            credentials=NameList.of_fields((*_CREDENTIALS, *credential_headers))
            if credential_headers
            else CREDENTIAL_FIELDS,
            harmless_cookies=NameList(harmless_cookies),
            adds_date=server_adds_date,
            name=name,
            expose_key=expose_key,
            x_cache=x_cache,
        )
        self.enabled = enabled
        self.security_names = tuple(security_names)
        self.rules = (*rules, *rules_of_patterns(cache_patterns or {}, default_ttl))
        self._covered = [Covered(cache, rule, self.settings) for rule in self.rules]
        if respect_origin:
            methods = ("GET", "QUERY", "POST") if cache_post else ("GET", "QUERY")
            origin = Rule("/", prefix=True, name="origin", methods=methods, negative=negative)
            self._covered.append(Covered(cache, origin, self.settings))
        for covered in self._covered:
            covered.routed = partial(routed_within, app)
        self._known: Bounded[str, tuple[Fast, dict[str, str]] | None] = Bounded(_KNOWN_PATHS)
        self._fast = {id(covered): Fast(covered) for covered in self._covered}
        self._checked = False

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self.enabled:
            await self._other(scope, receive, send)
            return
        path = scope["path"]
        try:
            place = self._known.items[path]
        except KeyError:
            place = self._place(scope, path)
        if place is None:
            if is_safe(scope["method"]):
                await self.app(scope, receive, send)
            else:
                await watch(self.app, scope, receive, send, self.cache, self.settings)
            return
        fast, params = place
        if not await fast.hit(scope, send) and (seen := await fast.far(scope, send, params)) is not None:
            await fast.covered.answer(self.app, scope, receive, send, params=params, seen=seen)

    def _place(self, scope: Message, path: str) -> tuple[Fast, dict[str, str]] | None:
        """The rule that covers *path*, and the fields of the path; remembered."""
        self._check(scope)
        root = scope.get("root_path", "")
        routed_path = path[len(root) :] if root and path.startswith(f"{root}/") else path
        place = None
        for covered in self._covered:
            params = covered.rule.template.match(routed_path)
            if params is not None:
                place = self._fast[id(covered)], params
                break
        self._known.put(path, place)
        return place

    def _check(self, scope: Message) -> None:
        if not self._checked:
            around = scope.get("app")
            check_application(around if stands_in(around, self) else self.app, self.rules, self)
            self._checked = True

    async def _other(self, scope: Message, receive: Receive, send: Send) -> None:
        """Lifespan, websockets, what isn't HTTP. A rule that must not be is the end of the start-up."""
        if scope["type"] != "lifespan" or not self.enabled:
            await self.app(scope, receive, send)
            return

        async def checked() -> Message:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    self._check(scope)
                except ConfigurationError as error:
                    # An exception alone would mean to a server that there is no lifespan here, and it would go on.
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    raise
            return message

        await self.app(scope, checked, send)

    def statistics(self) -> dict[str, dict[str, Any]]:
        """The counters of each rule, by its name."""
        return {covered.rule.title: covered.counters.to_dict() for covered in self._covered}


def _demand_lists(given: Mapping[str, object]) -> None:
    """One text would be a list of its letters: no host would match, and no credential be known."""
    for name, names in given.items():
        if isinstance(names, str):
            raise ConfigurationError(f"CacheMiddleware: {name}={names!r} is one text; write [{names!r}].")


def _demand_rules(rules: object) -> tuple[Rule, ...]:
    """The rules, if that is what they are."""
    found: list[object] = list(rules) if isinstance(rules, Iterable) and not isinstance(rules, str) else [rules]
    kept = [rule for rule in found if isinstance(rule, Rule)]
    if len(kept) < len(found) or not isinstance(rules, Iterable):
        raise ConfigurationError(
            f"CacheMiddleware: rules={rules!r} is no list of rules; write [Rule('/path', ttl='5m')]."
        )
    return tuple(kept)
