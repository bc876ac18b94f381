"""What an application says about the responses of one path: `Rule`, and the settings of a whole middleware."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import cast

from evercache.core.duration import Duration, Forever, parse_duration, parse_seconds
from evercache.core.size import parse_size
from evercache.errors import ConfigurationError
from evercache.http.credentials import CREDENTIAL_FIELDS, NO_NAMES, NameList
from evercache.http.fields import is_token
from evercache.http.policy import Audience, Mode, Policy
from evercache.http.template import PathTemplate, fields_of
from evercache.http.views import Request, Response

__all__ = ["KeyBy", "Rule", "Settings", "TagsOf"]

TagsOf = Callable[[Request, Response], Iterable[str]]
KeyBy = Callable[[Request], str | None]

CENTURY = 100 * 365.25 * 86_400.0
"""What FOREVER is for a response: as long as anything may be said to be fresh, and an age can still be counted in it."""

_METHODS = frozenset({"GET", "QUERY", "POST"})
_AUDIENCES = {"anonymous": Audience.ANYONE_ANONYMOUS, "public": Audience.EVERYONE}


@dataclass(frozen=True, slots=True)
class Rule:
    """Which responses of one path are cached, for whom, and for how long. Nothing is cached without one.

    - `path`: a route's own template, `/boardrooms/{id}`. Only responses of that very route are stored.
    - `ttl`: how long a response is fresh that says nothing itself; None: only what responses say. With `override` it
      counts whatever they say, with `shorten` the shorter of both.
    - `methods`: of GET (which HEAD reads), QUERY and POST.
    - `tags`: names by which the responses can be invalidated ("boardroom:{id}", with the fields of the path), or a
      function of request and response. `invalidates`: tags that a successful POST, PUT, PATCH or DELETE to this path
      drops, beside the responses of the path itself.
    - `audience`: `anonymous` answers nobody who shows credentials; `public`: the response doesn't depend on them.
      `key_by(request)`: the verified user that the response belongs to; None for this request: no caching.
    - `dimensions`: request headers that the application reads and doesn't name in `Vary`. `keep_query`, `ignore_query`
      ("utm_*"), `sort_query`: which parameters choose the response. `max_distinct_queries`: of one path.
    - `stale_while_revalidate`, `stale_if_error`: durations, where the response names none (RFC 5861).
    - `negative`: statuses of errors that may be stored without freshness of their own (404, 410): by the ttl, or a guess.
    - `max_body`, `max_headers`: larger responses pass through. `max_variants`: of one URL. `max_keys`: different
      addresses that this process stores for the rule at a time.
    - `strip_set_cookie`, `strip_groups`: store without cookies; keep cache groups and tags from clients.
    - `collapse`: how long a request waits for another one that loads the same response; None: not at all.
    - `skip_dependencies`: cached answers may be sent without running the route's security dependencies.
    - `name`: in counters and logs; the path by default.

    Raises ConfigurationError for whatever can be known to be wrong.
    """

    path: str
    _: KW_ONLY
    ttl: Duration | None = None
    methods: Sequence[str] = ("GET",)
    tags: Sequence[str] | TagsOf = ()
    invalidates: Sequence[str] = ()
    audience: str = "anonymous"
    key_by: KeyBy | None = None
    dimensions: Sequence[str] = ()
    override: bool = False
    shorten: bool = False
    stale_while_revalidate: Duration | None = None
    stale_if_error: Duration | None = None
    negative: Sequence[int] = ()
    keep_query: Sequence[str] | None = None
    ignore_query: Sequence[str] = ()
    sort_query: bool = False
    max_distinct_queries: int | None = None
    max_body: str | int = "1MiB"
    max_headers: str | int = "32KiB"
    max_variants: int = 64
    max_keys: int | None = None
    strip_set_cookie: bool = False
    strip_groups: bool = False
    skip_dependencies: bool = False
    collapse: Duration | None = "10s"
    name: str | None = None
    prefix: bool = False
    template: PathTemplate = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "template", PathTemplate(self.path, prefix=self.prefix))
        for word in ("methods", "tags", "invalidates", "dimensions", "ignore_query", "keep_query"):
            if isinstance(getattr(self, word), str):
                raise self._wrong(f"{word}={getattr(self, word)!r} is one text; write a list of them.")
        self._check_methods()
        self._check_tags()
        if self.audience not in _AUDIENCES:
            raise self._wrong(f"audience={self.audience!r} is not known; choose {' or '.join(_AUDIENCES)}.")
        self._check_functions()
        if self.override and self.shorten:
            raise self._wrong("override and shorten contradict each other.")
        if (self.override or self.shorten) and self.ttl is None:
            raise self._wrong("override and shorten are about a ttl; give one.")
        if bad := [name for name in self.dimensions if not is_token(name)]:
            raise self._wrong(f"dimensions={bad!r} are no names of header fields.")
        if bad_status := [status for status in self.negative if not 400 <= status <= 599]:
            raise self._wrong(f"negative={bad_status!r} are no statuses of errors.")
        for word in ("max_variants", "max_distinct_queries", "max_keys"):
            if (most := getattr(self, word)) is not None and most < 1:
                raise self._wrong(f"{word}={most!r} is no number from 1.")
        self.policy(Settings())
        _ = self.body_limit, self.header_limit, self.patience

    def _check_methods(self) -> None:
        if not self.methods or not set(self.methods) <= _METHODS:
            raise self._wrong(f"methods={list(self.methods)!r}: choose of {', '.join(sorted(_METHODS))}.")

    def _check_functions(self) -> None:
        if self.key_by is not None and (self.audience != "anonymous" or not callable(self.key_by)):
            raise self._wrong("key_by is a function of the request, and goes with no other audience.")
        if any(inspect.iscoroutinefunction(function) for function in (self.key_by, self.tags)):
            raise self._wrong("key_by and tags are called where nothing waits: write plain functions.")

    def _check_tags(self) -> None:
        templates = [*(() if callable(self.tags) else self.tags), *self.invalidates]
        for template in templates:
            if not isinstance(cast("object", template), str) or not template:
                raise self._wrong(f"the tag {template!r} is no text.")
            if unknown := set(fields_of(template)).difference(self.template.names):
                raise self._wrong(
                    f"the tag {template!r} has the field {{{min(unknown)}}}, and the path has "
                    f"{', '.join(f'{{{name}}}' for name in self.template.names) or 'none'}."
                )

    def _wrong(self, what: str) -> ConfigurationError:
        return ConfigurationError(f"Rule({self.path!r}): {what}")

    @property
    def title(self) -> str:
        """What it is called in counters and logs."""
        return self.path if self.name is None else self.name

    @property
    def body_limit(self) -> int:
        """Bytes of a body that may be stored."""
        return parse_size(self.max_body, f"Rule({self.path!r}): max_body")

    @property
    def header_limit(self) -> int:
        return parse_size(self.max_headers, f"Rule({self.path!r}): max_headers")

    @property
    def patience(self) -> float | None:
        """Seconds that a follower waits; None: nobody does."""
        return None if self.collapse is None else parse_seconds(self.collapse, f"Rule({self.path!r}): collapse")

    def policy(self, settings: Settings) -> Policy:
        """What the decisions need to know of the rule and of the middleware's *settings*."""
        where = f"Rule({self.path!r})"
        audience = Audience.ONE_PRINCIPAL if self.key_by is not None else _AUDIENCES[self.audience]
        return Policy(
            ttl=_life(self.ttl, f"{where}: ttl"),
            mode=Mode.OVERRIDE if self.override else Mode.SHORTEN if self.shorten else Mode.FILL,
            audience=audience,
            heuristic=settings.heuristic,
            stale_while_revalidate=_life(self.stale_while_revalidate, f"{where}: stale_while_revalidate") or 0.0,
            stale_if_error=_life(self.stale_if_error, f"{where}: stale_if_error") or 0.0,
            negative=frozenset(self.negative),
            strip_set_cookie=self.strip_set_cookie,
            honor_request=settings.honor_request,
            post="POST" in self.methods,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What holds for all rules of one middleware.

    - `honor_request`: clients may ask for fresher responses, at most `validations_per_second` times.
    - `heuristic`: the part of the time since `Last-Modified` that counts as fresh; 0 is off.
    - `unreachable`: seconds for which a stale response may stand in for an application that can't be reached at all.
    - `hosts`: the names that the application is known by; others pass through.
    - `credentials`, `harmless_cookies`: fields that identify a user, and cookies that don't.
    - `adds_date`: the server adds `Date` itself, so none is replayed (uvicorn does).
    - `name`: this cache in `Cache-Status`; `expose_key`: show keys there; `x_cache`: `X-Cache` beside it.
    """

    honor_request: bool = False
    validations_per_second: float = 10.0
    heuristic: float = 0.0
    unreachable: float = 0.0
    hosts: tuple[str, ...] = ("*",)
    credentials: NameList = CREDENTIAL_FIELDS
    harmless_cookies: NameList = NO_NAMES
    adds_date: bool = True
    name: str = "evercache"
    expose_key: bool = False
    x_cache: bool = False


def _life(value: Duration | None, name: str) -> float | None:
    if value is None:
        return None
    parsed = parse_duration(value, name)
    return CENTURY if isinstance(parsed, Forever) else parsed
