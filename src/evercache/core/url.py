"""Where Redis is, as one line of text.

    redis://user:password@host:6379/0                         one server            (rediss:// = with TLS)
    unix:///run/redis.sock?db=0                               one server, by socket
    redis+sentinel://host:26379,host:26379/primary_name/0     whoever the sentinels name   (rediss+sentinel://)
    redis+cluster://host:6379,host:6379                       a Cluster             (rediss+cluster://)

An address that can't be read is never repeated in the error: a password with an unescaped `#` or `/` makes a piece
of the password look like a host or a port.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from evercache.errors import ConfigurationError

__all__ = ["Address", "RedisUrl", "parse_address", "parse_url", "safe_url"]

_Kind = Literal["standalone", "sentinel", "cluster"]
_SCHEMES: dict[str, tuple[_Kind, bool]] = {
    "redis": ("standalone", False),
    "rediss": ("standalone", True),
    "unix": ("standalone", False),
    "redis+sentinel": ("sentinel", False),
    "rediss+sentinel": ("sentinel", True),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
}
_SECRET_PARAMETERS = frozenset({"password", "secret", "sentinel_password"})


class Address(NamedTuple):
    """One server: host and port, or the path of a Unix socket (then `host` is empty)."""

    host: str
    port: int = 6379
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return self.path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """A parsed address. `query` holds what followed the "?", except `db` and the credentials."""

    kind: _Kind
    tls: bool
    addresses: tuple[Address, ...]
    db: int = 0
    primary_name: str = ""
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    query: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


def parse_url(text: str, name: str = "url") -> RedisUrl:
    """The parts of *text*. Errors are sentences about *name* and show nothing of the text but its scheme."""
    parts = _split(text, name)
    kind, tls = _SCHEMES[parts.scheme]
    if parts.fragment:
        raise _wrong(name, "contains '#'; write %23 if it belongs to the password")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    userinfo, _, hosts = parts.netloc.rpartition("@")
    username, _, password = userinfo.partition(":")
    path = unquote(parts.path)
    primary_name, db = "", path.strip("/")
    if parts.scheme == "unix":
        if hosts or not path:
            raise _wrong(name, "names no socket; write unix:///run/redis.sock?db=0")
        addresses: tuple[Address, ...] = (Address("", 0, path),)
        db = ""
    else:
        default_port = 26379 if kind == "sentinel" else 6379
        addresses = tuple(parse_address(host, name, default_port) for host in (hosts or "localhost").split(","))
    if kind == "sentinel":
        primary_name, _, db = path.strip("/").partition("/")
        if not primary_name:
            raise _wrong(name, "names no primary; write redis+sentinel://host:26379/primary_name/0")
    if kind == "standalone" and len(addresses) > 1:
        raise _wrong(name, f"names {len(addresses)} servers; use redis+sentinel:// or redis+cluster://")
    return RedisUrl(
        kind=kind,
        tls=tls,
        addresses=addresses,
        db=_database(query.pop("db", db), kind, name),
        primary_name=primary_name,
        username=unquote(username) or query.pop("username", ""),
        password=unquote(password) or query.pop("password", ""),
        query=query,
    )


def parse_address(text: str, name: str, default_port: int = 6379) -> Address:
    """`host`, `host:port`, `[::1]:port`."""
    host, _, port = text.rpartition(":") if not text.endswith("]") and ":" in text else (text, "", "")
    host = unquote(host.strip("[] "))
    if not host or any(c in host for c in "@/?# "):
        raise _wrong(name, "has a host that can't be read")
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise _wrong(name, "has a port that is not a number from 1 to 65535")
    return Address(host, int(port) if port else default_port)


def safe_url(text: str) -> str:
    """*text* without its secrets, for people and logs; "(unreadable address)" if it can't be parsed.

    A name without a password is hidden too: it is as often a password in the wrong place.
    """
    try:
        parts = _split(text, "url")
        parse_url(text)
    except ConfigurationError:
        return "(unreadable address)"
    userinfo, at, hosts = parts.netloc.rpartition("@")
    username, colon, _ = userinfo.partition(":")
    shown = f"{username if colon else ''}{':' if colon else ''}***@" if at else ""
    pairs = [(k, "***" if k in _SECRET_PARAMETERS else v) for k, v in parse_qsl(parts.query, keep_blank_values=True)]
    query = f"?{urlencode(pairs, safe='*/', quote_via=quote)}" if pairs else ""
    return f"{parts.scheme}://{shown}{hosts}{parts.path}{query}"


def _split(text: str, name: str) -> SplitResult:
    scheme = text.partition("://")[0]
    if scheme not in _SCHEMES:
        raise _wrong(name, f"must begin with one of {', '.join(f'{s}://' for s in _SCHEMES)}")
    try:
        return urlsplit(text)
    except ValueError:
        raise _wrong(name, "can't be read") from None


def _database(text: str, kind: _Kind, name: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()):
        raise _wrong(name, "has a database that is not a number")
    if kind == "cluster" and int(text):
        raise _wrong(name, "names a database; a Cluster has only database 0")
    return int(text)


def _wrong(name: str, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"{name} {what}; write redis://user:password@host:6379/0 and percent-encode special characters in the password."
    )
