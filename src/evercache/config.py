"""Settings: one frozen object, from arguments, the URL's parameters, the environment, and defaults, in that order.

    Settings.resolve("redis://cache:6379/0?max_connections=20", namespace="shop", l1="128MiB")
    Settings.from_env()                                # REDIS_URL, CACHE_NAMESPACE, ...

Nothing is read at import. What differs between development, staging and production differs in the environment of the
process, not in code: the same build runs everywhere, and a setting that is not given has the same default everywhere.

Every setting is described once, beside its field; `SETTINGS` is that description as a table, from which values are
checked and the reference page is written. All mistakes of one call are reported together. Secrets are never shown.

Two kinds of time-outs. `operation_timeout` (0.1 s) and `connect_timeout` (0.25 s) are budgets of the request path: a
hung server costs the calls in flight one of them, once. `socket_timeout` and `socket_connect_timeout` (5 s) are
ceilings for work off that path (scans, administration, warming); the smaller of budget and ceiling holds.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from evercache.core import parsers
from evercache.core.duration import Forever, parse_duration
from evercache.core.size import parse_size
from evercache.errors import ConfigurationError

if TYPE_CHECKING:
    from evercache.core.url import Address, RedisUrl

__all__ = ["SETTINGS", "Setting", "Settings"]


@dataclass(frozen=True, slots=True)
class Setting:
    """What one setting is for. `env`: the variables that set it, the first that exists wins; the rest are aliases."""

    name: str
    env: tuple[str, ...]
    unit: str
    default: object
    example: str
    what: str
    when: str
    parse: parsers.Parse = field(repr=False)
    secret: bool = False
    url_names: tuple[str, ...] = ()
    in_url: bool = True

    def shown(self, value: object) -> str:
        """*value* as it may appear in an error or a log."""
        if self.name == "url":
            from evercache.core.url import safe_url

            return safe_url(value) if isinstance(value, str) else "(hidden)"
        return "(hidden)" if self.secret else repr(value)


def _about(
    env: str, parse: parsers.Parse, what: str, *, when: str, example: str = "", unit: str = "", **more: Any
) -> dict[str, Any]:  # Any: dataclass metadata
    facts = {"env": tuple(env.split()), "parse": parse, "what": what, "when": when, "example": example, "unit": unit}
    return {"about": facts | more}


@dataclass(frozen=True, kw_only=True, repr=False)
class Settings:
    """Everything that can be configured. Make it with `resolve` or `from_env`; both take what users write ("5m")."""

    # fmt: off
    url: str | None = field(default=None, metadata=_about(
        "REDIS_URL", parsers.url, "Where Redis is. Without it the cache lives in this process only.",
        example="redis://cache:6379/0", when="As soon as there is more than one process.", in_url=False))
    username: str = field(default="", metadata=_about(
        "REDIS_USERNAME", parsers.credential, "ACL user, if the URL names none.",
        example="app", when="The server has users; keep the URL free of credentials.", in_url=False))
    password: str = field(default="", metadata=_about(
        "REDIS_PASSWORD", parsers.credential, "Password, if the URL has none.",
        example="…", when="The secret store hands out passwords, not URLs.", secret=True, in_url=False))
    sentinel_username: str = field(default="", metadata=_about(
        "REDIS_SENTINEL_USERNAME", parsers.credential, "ACL user of the sentinels.",
        example="sentinel", when="The sentinels have their own users."))
    sentinel_password: str = field(default="", metadata=_about(
        "REDIS_SENTINEL_PASSWORD", parsers.credential, "Password of the sentinels.",
        example="…", when="The sentinels have their own password.", secret=True))
    tls_verify: bool = field(default=True, metadata=_about(
        "REDIS_TLS_VERIFY", parsers.flag, "Check the server's certificate (rediss:// only).",
        example="false", when="Never in production.", url_names=("ssl_cert_reqs",)))
    tls_check_hostname: bool = field(default=True, metadata=_about(
        "REDIS_TLS_CHECK_HOSTNAME", parsers.flag, "Check that the certificate names this host.",
        example="false", when="The certificate is issued for another name (tunnels).", url_names=("ssl_check_hostname",)))
    tls_ca_file: str = field(default="", metadata=_about(
        "REDIS_TLS_CA_FILE", parsers.credential, "Certificates of the authorities to trust.",
        unit="path", example="/etc/ssl/redis-ca.pem", when="The server's certificate is signed by your own authority.", url_names=("ssl_ca_certs",)))
    tls_cert_file: str = field(default="", metadata=_about(
        "REDIS_TLS_CERT_FILE", parsers.credential, "This client's certificate.",
        unit="path", example="/etc/ssl/app.pem", when="The server asks clients for certificates.", url_names=("ssl_certfile",)))
    tls_key_file: str = field(default="", metadata=_about(
        "REDIS_TLS_KEY_FILE", parsers.credential, "The key of this client's certificate.",
        unit="path", example="/etc/ssl/app.key", when="With tls_cert_file.", url_names=("ssl_keyfile",)))
    address_map: tuple[tuple[Address, Address], ...] = field(default=(), metadata=_about(
        "REDIS_ADDRESS_MAP", parsers.address_map,
        "Addresses that sentinels or a Cluster announce = where they are from here.",
        example="10.0.0.5:6379=redis.example:16379", when="Containers, NAT, tunnels.", in_url=False))
    protocol: int = field(default=3, metadata=_about(
        "REDIS_PROTOCOL", parsers.whole(2, 3), "Version of the wire protocol.",
        example="2", when="A proxy in front of Redis knows only RESP2."))
    max_connections: int = field(default=50, metadata=_about(
        "REDIS_MAX_CONNECTIONS", parsers.whole(1, 10_000), "Most connections of the `RedisClient` pool; further calls wait.",
        unit="connections", example="10", when="Processes x this must stay below Redis' maxclients."))
    idle_connections: int = field(default=10, metadata=_about(
        "REDIS_IDLE_CONNECTIONS", parsers.whole(0, 10_000), "Connections of the pool that are kept when nothing happens.",
        unit="connections", example="10", when="Bursts find too few warm connections."))
    socket_timeout: float = field(default=5.0, metadata=_about(
        "REDIS_SOCKET_TIMEOUT", parsers.seconds(0.001, 3600), "Ceiling for one answer off the request path.",
        unit="seconds", example="5", when="Long scans on a loaded server."))
    socket_connect_timeout: float = field(default=5.0, metadata=_about(
        "REDIS_SOCKET_CONNECT_TIMEOUT", parsers.seconds(0.001, 3600),
        "Ceiling for opening a connection off the request path.",
        unit="seconds", example="5", when="The server is far away."))
    client_name: str = field(default="evercache", metadata=_about(
        "CACHE_CLIENT_NAME", parsers.text(r"[!-~]{1,64}", "must be 1 to 64 visible characters without spaces."),
        "Name of our connections in CLIENT LIST; the process id is appended.",
        example="orders-api", when="Several services share a server."))
    namespace: str = field(default="cache", metadata=_about(
        "CACHE_NAMESPACE", parsers.text(r"[A-Za-z0-9_.:-]{1,64}", "must be 1 to 64 letters, digits or '_.:-'."),
        "First part of every key; two namespaces never meet.",
        example="shop", when="Several applications or stages share a server."))
    enabled: bool = field(default=True, metadata=_about(
        "CACHE_ENABLED", parsers.flag, "False stops reads and fills, never invalidations.",
        example="false", when="To prove that a fault is, or is not, the cache's."))
    default_ttl: float | Forever = field(default=300.0, metadata=_about(
        "CACHE_DEFAULT_TTL", parse_duration, "Life of an entry that says nothing else.",
        unit="seconds, '5m' or FOREVER", example="300", when="Your data changes more or less often than that."))
    max_memory: int = field(default=256 * 1024**2, metadata=_about(
        "CACHE_MAX_MEMORY", parse_size, "The maxmemory that Redis should have; checked at start, used by compose.",
        unit="bytes or '256mb'", example="256mb", when="Redis evicts what you need."))
    secret: str = field(default="", metadata=_about(
        "CACHE_SECRET", parsers.secret, "Keys the hashes of arguments and tags, so that they can't be guessed from Redis.",
        example="…", when="Others can read this Redis. The same in every process.", secret=True, in_url=False))
    l1: int | None = field(default=64 * 1024**2, metadata=_about(
        "CACHE_L1", parsers.l1, "Room for entries in this process; off = always ask Redis.",
        unit="bytes, '64MiB' or off", example="64MiB", when="Hit rate of L1 too low, or memory too scarce."))
    delta: float = field(default=1.0, metadata=_about(
        "CACHE_DELTA", parsers.seconds(0.25, 60), "Longest time that L1 may miss an invalidation by another process.",
        unit="seconds", example="0.25", when="Staler or fresher; 0.25 costs 16 idle commands/s per process."))
    on_failover: Literal["distrust", "replay", "ignore"] = field(default="distrust", metadata=_about(
        "CACHE_ON_FAILOVER", parsers.choice("distrust", "replay", "ignore"),
        "What a primary that may have lost writes means.",
        example="distrust", when="A cold cache after a failover is worse than stale entries."))
    outage: Literal["origin", "l1", "stale", "raise"] = field(default="origin", metadata=_about(
        "CACHE_OUTAGE", parsers.choice("origin", "l1", "stale", "raise"), "Who answers while Redis is away.",
        example="l1", when="The origin can't carry the whole load."))
    degraded_ttl: float = field(default=5.0, metadata=_about(
        "CACHE_DEGRADED_TTL", parsers.seconds(0.1, 3600), "Longest life in L1 while Redis is away (outage = l1).",
        unit="seconds", example="5", when="With outage = l1 or stale."))
    operation_timeout: float = field(default=0.1, metadata=_about(
        "CACHE_OPERATION_TIMEOUT", parsers.seconds(0.001, 60), "Budget of one operation on the request path.",
        unit="seconds", example="0.1", when="Redis is in another zone: three times its p99."))
    connect_timeout: float = field(default=0.25, metadata=_about(
        "CACHE_CONNECT_TIMEOUT", parsers.seconds(0.001, 60), "Budget for opening a connection on the request path.",
        unit="seconds", example="0.25", when="TLS over long distances."))
    pool_wait: float = field(default=1.0, metadata=_about(
        "CACHE_POOL_WAIT", parsers.seconds(0.001, 60),
        "How long a `RedisClient` call waits for a free connection of the pool.",
        unit="seconds", example="0.05", when="Shed load earlier: 0.05 s."))
    health_interval: float = field(default=30.0, metadata=_about(
        "CACHE_HEALTH_INTERVAL", parsers.seconds(0.1, 3600), "How often a started client checks an idle server.",
        unit="seconds", example="30", when="Alarms must come sooner."))
    background_warming: bool = field(default=True, metadata=_about(
        "ENABLE_BACKGROUND_WARMING CACHE_BACKGROUND_WARMING", parsers.flag,
        "Whether warmers keep their plans warm in the background; by hand they always work.",
        example="false", when="Another deployment warms the same data, or the source needs rest.", in_url=False))
    max_value: int = field(default=16 * 1024**2, metadata=_about(
        "CACHE_MAX_VALUE", parse_size, "Largest encoded value; larger ones are served and not stored.",
        unit="bytes or '16MiB'", example="16MiB", when="Rarely: one large value stalls everybody's commands."))
    # fmt: on

    def __post_init__(self) -> None:
        problems: list[str] = []
        for setting in SETTINGS:
            value = getattr(self, setting.name)
            if value != setting.default or type(value) is not type(setting.default):
                object.__setattr__(self, setting.name, _parsed(setting, value, setting.name, problems))
        if not problems:
            problems.extend(self._contradictions())
        _raise_all(problems)

    @classmethod
    def resolve(cls, url: str | None = None, /, *, environ: Mapping[str, str] | None = None, **arguments: Any) -> Self:
        """Settings from *url* and *arguments*, then the URL's parameters, then *environ*, then the defaults.

        - An argument that is None, and a variable that is empty, count as not given.
        - *environ* is `os.environ` unless given; `environ={}` leaves the environment out.
        - Raises one `ConfigurationError` with a sentence for each mistake.
        """
        given = os.environ if environ is None else environ
        arguments = {name: value for name, value in arguments.items() if value is not None}
        problems: list[str] = [
            _unknown(name, _BY_NAME, "is not a setting") for name in arguments if name not in _BY_NAME
        ]
        # Any: each value has gone through the parser of its field; the table knows the type, the checker can't.
        values: dict[str, Any] = {s.name: _parsed(s, given[v], v, problems) for s, v in _set_variables(given)}
        if url is not None:
            arguments["url"] = url
        source = "url" if "url" in arguments else "REDIS_URL"
        if "url" in arguments:
            values["url"] = _parsed(_BY_NAME["url"], arguments.pop("url"), "url", problems)
        if isinstance(address := values.get("url"), str):
            values |= _from_url(address, source, problems)
        for name in arguments.keys() & _BY_NAME.keys():
            values[name] = _parsed(_BY_NAME[name], arguments[name], name, problems)
        _raise_all(problems)
        return cls(**values)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Settings from the environment alone."""
        return cls.resolve(environ=environ)

    def changed(self, **arguments: Any) -> Self:
        """A copy with some settings changed; the same checks and the same spellings as `resolve`."""
        current: dict[str, Any] = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        _raise_all([_unknown(name, _BY_NAME, "is not a setting") for name in arguments if name not in _BY_NAME])
        return type(self)(**(current | arguments))

    @cached_property
    def address(self) -> RedisUrl:
        """The parsed URL; `redis://localhost:6379` if there is none."""
        from evercache.core.url import parse_url

        return parse_url(self.url or "redis://localhost:6379")

    @property
    def credentials(self) -> tuple[str, str]:
        """User name and password: the URL's, else the settings'. Either may be empty."""
        return self.address.username or self.username, self.address.password or self.password

    def __repr__(self) -> str:
        values = ((s, getattr(self, s.name)) for s in SETTINGS)
        return f"Settings({', '.join(f'{s.name}={s.shown(v)}' for s, v in values if v != s.default)})"

    def _contradictions(self) -> Iterator[str]:
        for name in ("tls_ca_file", "tls_cert_file", "tls_key_file"):
            if getattr(self, name) and not self.address.tls:
                yield f"{name} is given, but the address is not encrypted; write rediss:// or remove {name}."
        if self.tls_key_file and not self.tls_cert_file:
            yield "tls_key_file is given without tls_cert_file; give both."


def _table() -> Iterator[Setting]:
    for item in dataclasses.fields(Settings):
        yield Setting(name=item.name, default=item.default, **item.metadata["about"])


SETTINGS: Final[tuple[Setting, ...]] = tuple(_table())
"""Every setting, in the order of the reference page."""

_BY_NAME: Final = {s.name: s for s in SETTINGS}
_BY_URL_NAME: Final = {name: s for s in SETTINGS if s.in_url for name in (s.name, *s.url_names)}


def _parsed(setting: Setting, value: object, source: str, problems: list[str]) -> object:
    if setting.secret and value == "":
        return value
    try:
        return setting.parse(value, source)
    except ConfigurationError as error:
        problems.append(str(error))
        return setting.default


def _set_variables(environ: Mapping[str, str]) -> Iterator[tuple[Setting, str]]:
    for setting in SETTINGS:
        variable = next((name for name in setting.env if environ.get(name)), None)
        if variable is not None:
            yield setting, variable


def _from_url(url: str, source: str, problems: list[str]) -> dict[str, object]:
    from evercache.core.url import parse_url

    values: dict[str, object] = {}
    for name, text in parse_url(url).query.items():
        if setting := _BY_URL_NAME.get(name):
            values[setting.name] = _parsed(setting, text, f"{name} (in {source})", problems)
        else:
            problems.append(_unknown(name, _BY_URL_NAME, f"(in {source}) is not a setting"))
    return values


def _unknown(name: str, known: Mapping[str, Setting], what: str) -> str:
    if not re.fullmatch(r"[a-z0-9_]{1,40}", name):
        # A password with an unescaped "?" ends up here.
        return f"A parameter {what} and can't be shown; percent-encode special characters in the password."
    from difflib import get_close_matches

    near = get_close_matches(name, known, n=1)
    return f"{name} {what}; " + (f"did you mean {near[0]}?" if near else "see reference/settings.")


def _raise_all(problems: list[str]) -> None:
    if len(problems) == 1:
        raise ConfigurationError(problems[0])
    if problems:
        raise ConfigurationError("\n".join([f"{len(problems)} settings are wrong:", *(f"- {p}" for p in problems)]))
