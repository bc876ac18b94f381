"""Who asks: the address of a client behind proxies that are trusted, a signed-in user, a key in a header.

An address in `X-Forwarded-For` is what a client says of itself. It counts only as far as proxies of ours wrote it: read
from the right, hop by hop, while the hop that wrote it is trusted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from evercache.errors import ConfigurationError
from evercache.ratelimit.limits import Identify

__all__ = ["by_client", "by_header", "by_user", "everybody"]

_IPV6_OF_ONE = 64
"""Who has one address of a /64, has all of them (RFC 6177)."""


def by_client(trusted: Iterable[str] = ()) -> Identify:
    """By the client's address; IPv6 by its /64. *trusted*: networks of proxies whose `X-Forwarded-For` counts."""
    try:
        networks = [ip_network(each) for each in trusted]
    except ValueError as error:
        raise ConfigurationError(f"by_client: {error}; write networks like '10.0.0.0/8'.") from None

    def identify(scope: Mapping[str, Any]) -> str | None:
        peer: tuple[str, int] | None = scope.get("client")
        address = peer[0] if peer else None
        for hop in reversed(_forwarded(scope)):
            if address is None or not _is_among(address, networks):
                break
            address = hop
        return None if address is None else f"ip:{_grouped(address)}"

    return identify


def by_user(attribute: str = "id") -> Identify:
    """By the signed-in user in `scope["user"]`; who isn't signed in isn't counted."""

    def identify(scope: Mapping[str, Any]) -> str | None:
        user = scope.get("user")
        if user is None or not getattr(user, "is_authenticated", True):
            return None
        found = getattr(user, attribute, None)
        return None if found is None else f"user:{found}"

    return identify


def by_header(name: str) -> Identify:
    """By the value of a header (an API key); requests without it aren't counted."""
    wanted = name.lower().encode("latin-1")

    def identify(scope: Mapping[str, Any]) -> str | None:
        value = next((value for header, value in scope.get("headers", ()) if header.lower() == wanted), None)
        return None if not value else f"header:{value.decode('latin-1')}"

    return identify


def everybody(_: Mapping[str, Any]) -> str:
    """One count for all: what the application as a whole can bear."""
    return "everybody"


def _forwarded(scope: Mapping[str, Any]) -> list[str]:
    lines = [value.decode("latin-1") for name, value in scope.get("headers", ()) if name.lower() == b"x-forwarded-for"]
    return [hop.strip() for line in lines for hop in line.split(",") if hop.strip()]


def _is_among(address: str, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    try:
        parsed = ip_address(_bare(address))
    except ValueError:
        return False
    return any(parsed in network for network in networks)


def _grouped(address: str) -> str:
    """The address as it is counted; what is none is counted as it stands."""
    try:
        parsed = ip_address(_bare(address))
    except ValueError:
        return address[:64]
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ip_network((parsed, _IPV6_OF_ONE), strict=False))
    return str(parsed)


def _bare(address: str) -> str:
    """Without a port, brackets or a zone."""
    if address.startswith("["):
        address = address[1:].partition("]")[0]
    elif address.count(":") == 1:
        address = address.partition(":")[0]
    return address.partition("%")[0]
