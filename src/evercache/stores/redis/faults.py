"""What an error means. One explicit table, because the client's class tree doesn't say it.

`AuthenticationError` is a `ConnectionError` there, `ClusterDownError` a `ResponseError`, `RedisClusterException` not even
a `RedisError`; an exhausted pool, a full server and a dead one are one class; over a Unix socket a wrong password is
wrapped into a plain `ConnectionError`. So: the server's error code decides first, then the class, then what lies behind.

    kind            who is at fault                   what follows
    transient       Redis or the way to it            the breaker opens; a background probe decides when it is over
    permanent       the configuration                 the same, but probed rarely: no storm of wrong passwords
    overload        we ask too much at once           shed or wait; never "Redis is down"
    write_refused   Redis, for writes only            keep reading, drop fills; READONLY: find the primary again
    moved           nobody: the key lives elsewhere   follow
    noscript        nobody: the script isn't loaded   send it whole, once
    bug             we                                raise in tests, count in production
"""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from redis import exceptions as redis_errors

from evercache.core.url import Address
from evercache.errors import StoreOverloaded, StoreUnavailable, WritesRefused

__all__ = ["ADVICE", "Fault", "FaultKind", "Redirect", "classify", "redirect_of"]

FaultKind = Literal["transient", "overload", "write_refused", "permanent", "moved", "noscript", "bug"]


class Fault(NamedTuple):
    """`reason` is a short stable word for health, metrics and logs; `ADVICE` has a sentence for it."""

    kind: FaultKind
    reason: str

    @property
    def is_outage(self) -> bool:
        """Does it count for the breaker?"""
        return self.kind in ("transient", "permanent") and self.reason != "denied"  # one command, answered at once


_CODES: Final[Mapping[str, Fault]] = {
    "LOADING": Fault("transient", "loading"),
    "BUSY": Fault("transient", "busy"),
    "MASTERDOWN": Fault("transient", "masterdown"),
    "CLUSTERDOWN": Fault("transient", "clusterdown"),
    "TRYAGAIN": Fault("transient", "tryagain"),
    "UNBLOCKED": Fault("transient", "role_changed"),
    "OOM": Fault("write_refused", "oom"),
    "MISCONF": Fault("write_refused", "misconf"),
    "READONLY": Fault("write_refused", "readonly"),
    "NOREPLICAS": Fault("write_refused", "noreplicas"),
    "NOAUTH": Fault("permanent", "auth"),
    "WRONGPASS": Fault("permanent", "auth"),
    "NOPERM": Fault("permanent", "denied"),
    "DENIED": Fault("permanent", "protected"),
    "NOPROTO": Fault("permanent", "protocol"),
    "MOVED": Fault("moved", "moved"),
    "ASK": Fault("moved", "ask"),
    "NOSCRIPT": Fault("noscript", "noscript"),
}

# Errors whose code is the general ERR. A script that was refused a command says so inside its own error (6.2).
_TEXTS: Final[tuple[tuple[re.Pattern[str], Fault], ...]] = (
    (re.compile(r"max(imum)? number of clients", re.IGNORECASE), Fault("transient", "max_clients")),
    (re.compile(r"script killed", re.IGNORECASE), Fault("transient", "busy")),
    (re.compile(r"\bAUTH\b.*password|invalid (username or )?password|LDAP", re.IGNORECASE), Fault("permanent", "auth")),
    (re.compile(r"DB index is out of range|invalid database", re.IGNORECASE), Fault("permanent", "database")),
    (re.compile(r"unknown command .?HELLO", re.IGNORECASE), Fault("permanent", "protocol")),
    (
        re.compile(r"CERTIFICATE_|_CERTIFICATE|UNKNOWN_CA|WRONG_VERSION_NUMBER|UNSUPPORTED_PROTOCOL", re.IGNORECASE),
        Fault("permanent", "tls"),
    ),
    (re.compile(r"No connection available|Too many connections"), Fault("overload", "pool")),
)
_CODE_IN_SCRIPT: Final = re.compile(rf"(?:^|[\s:-])-?({'|'.join(_CODES)})\b")

_CLASSES: Final[tuple[tuple[type[BaseException], Fault], ...]] = (
    (redis_errors.MaxConnectionsError, Fault("overload", "pool")),
    (redis_errors.AuthenticationError, Fault("permanent", "auth")),
    (redis_errors.AuthenticationWrongNumberOfArgsError, Fault("permanent", "auth")),
    (redis_errors.AuthorizationError, Fault("permanent", "denied")),
    (redis_errors.NoPermissionError, Fault("permanent", "denied")),
    (redis_errors.ExternalAuthProviderError, Fault("transient", "auth_provider")),
    (redis_errors.BusyLoadingError, _CODES["LOADING"]),
    (redis_errors.MasterDownError, _CODES["MASTERDOWN"]),
    (redis_errors.ClusterDownError, _CODES["CLUSTERDOWN"]),
    (redis_errors.ClusterError, Fault("transient", "clusterdown")),
    (redis_errors.TryAgainError, _CODES["TRYAGAIN"]),
    (redis_errors.OutOfMemoryError, _CODES["OOM"]),
    (redis_errors.ReadOnlyError, _CODES["READONLY"]),
    (redis_errors.MovedError, _CODES["MOVED"]),
    (redis_errors.AskError, _CODES["ASK"]),
    (redis_errors.NoScriptError, _CODES["NOSCRIPT"]),
    (redis_errors.SlotNotCoveredError, Fault("transient", "clusterdown")),
    (redis_errors.TimeoutError, Fault("transient", "timeout")),
    (redis_errors.InvalidResponse, Fault("permanent", "not_redis")),
    (redis_errors.ConnectionError, Fault("transient", "closed")),
    (StoreOverloaded, Fault("overload", "pool")),
    (ssl.SSLCertVerificationError, Fault("permanent", "tls")),
    (socket.gaierror, Fault("transient", "dns")),
    (TimeoutError, Fault("transient", "timeout")),
    (ConnectionRefusedError, Fault("transient", "refused")),
    (FileNotFoundError, Fault("transient", "refused")),  # no such socket: the server isn't up yet
    (OSError, Fault("transient", "closed")),
)

_OUR_LIMITS: Final = frozenset({errno.EMFILE, errno.ENFILE})
_BUG: Final = Fault("bug", "bug")


def classify(error: BaseException) -> Fault:
    """What *error* means. Never raises; whatever the table doesn't know is a bug."""
    if isinstance(error, WritesRefused):
        return Fault("write_refused", error.reason)
    if isinstance(error, StoreUnavailable) and not isinstance(error, StoreOverloaded):
        return Fault("transient", error.reason)
    links = list(_behind(error))
    if (fault := next(filter(None, map(_by_answer, links)), None)) is not None:
        return fault
    # "closed" is what the client says when it doesn't say why; what lies behind it knows better.
    faults = [fault for fault in map(_by_class, links) if fault is not None]
    return next((fault for fault in faults if fault.reason != "closed"), faults[0] if faults else _BUG)


class Redirect(NamedTuple):
    """Where a Cluster says the key is. `ask`: only for this once, and with ASKING in front."""

    slot: int
    address: Address
    ask: bool


def redirect_of(error: BaseException, asked: Address) -> Redirect | None:
    """The redirection that *error* is, if it is one. A reply without a host means "my own host", that of *asked*."""
    if not isinstance(error, redis_errors.AskError):
        return None
    address = Address(error.host or asked.host, error.port)
    return Redirect(error.slot_id, address, not isinstance(error, redis_errors.MovedError))


def _behind(error: BaseException) -> Iterator[BaseException]:
    """The error, and what a plain `ConnectionError` was made from: an `OSError`, or over a Unix socket anything.

    No other context is followed: a command that fails while NOSCRIPT is being handled is not NOSCRIPT.
    """
    link: BaseException | None = error
    while link is not None:
        yield link
        plain = type(link) is redis_errors.ConnectionError
        context = link.__context__ if isinstance(link.__context__, OSError) and not link.__suppress_context__ else None
        link = (link.__cause__ or context) if plain else None


def _by_answer(error: BaseException) -> Fault | None:
    """By what the server, or TLS, said."""
    if isinstance(error, OSError) and error.errno in _OUR_LIMITS:
        return Fault("overload", "files")
    if not isinstance(error, (redis_errors.RedisError, ssl.SSLError)):
        return None
    text = str(error)
    code = getattr(error, "status_code", None) or text.partition(" ")[0]
    if code in _CODES:
        return _CODES[code]
    if "script" in text and (match := _CODE_IN_SCRIPT.search(text)):
        return _CODES[match[1]]
    return next((fault for pattern, fault in _TEXTS if pattern.search(text)), None)


def _by_class(error: BaseException) -> Fault | None:
    if isinstance(error, redis_errors.RedisClusterException) and "cannot be connected" in str(error):
        return Fault("transient", "clusterdown")
    return next((fault for kind, fault in _CLASSES if isinstance(error, kind)), None)


ADVICE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "refused": "Nothing listens there; start the server, or correct REDIS_URL.",
        "dns": "The host name is not known; correct REDIS_URL or the name server.",
        "timeout": "It does not answer in time; look for slow commands, swapping, or a network that drops packets.",
        "closed": "The connection was closed; a restart, a failover, or a TLS port addressed without rediss://.",
        "max_clients": "The server has no connection left; lower REDIS_MAX_CONNECTIONS or raise its maxclients.",
        "loading": "The server is reading its data from disk; it will be ready by itself.",
        "busy": "A script occupies the server; see SLOWLOG, and SCRIPT KILL if it must end.",
        "masterdown": "This replica lost its primary and may not answer; see replica-serve-stale-data.",
        "clusterdown": "Some slots have no node; see CLUSTER INFO.",
        "moved": "This server belongs to a Cluster; write redis+cluster:// in REDIS_URL.",
        "tryagain": "Slots are being moved; it will pass.",
        "role_changed": "The server changed its role; the primary is looked up again.",
        "no_primary": "No primary is known; a failover is under way, or the sentinels don't know this name.",
        "oom": "The memory is full and nothing may be evicted; raise maxmemory or set maxmemory-policy allkeys-lru.",
        "misconf": "The server can't save to disk and refuses writes; see its log.",
        "readonly": "This is a replica; the primary is looked up again.",
        "noreplicas": "Too few replicas are connected; see min-replicas-to-write.",
        "auth": "Name or password is wrong or missing; correct REDIS_URL or REDIS_PASSWORD.",
        "auth_provider": "The server can't reach its own user directory.",
        "denied": "The ACL user lacks a permission; see ACL LOG and the list of commands in how-to/secure-redis.",
        "protected": "The server is in protected mode: give it a password, or bind it to this network.",
        "protocol": "The server doesn't speak RESP3; set REDIS_PROTOCOL=2.",
        "database": "There is no such database; correct the number at the end of REDIS_URL.",
        "tls": "The certificate is not trusted, or this is no TLS port; set REDIS_TLS_CA_FILE, or write redis://.",
        "not_redis": "What answers there is not Redis; correct the port in REDIS_URL.",
        "pool": "More calls at once than connections; raise REDIS_MAX_CONNECTIONS or CACHE_POOL_WAIT.",
        "files": "This process may not open more files; raise its limit (ulimit -n).",
    }
)
"""One sentence for each reason: what it usually is, and what to do."""
