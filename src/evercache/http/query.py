"""Which part of a query string chooses the response: the key part of No-Vary-Search, by configuration."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import unquote_to_bytes

__all__ = ["significant_query"]


def significant_query(
    query: bytes, *, keep: Collection[str] | None = None, ignore: Collection[str] = (), any_order: bool = False
) -> bytes:
    """The parameters of *query* that count: those called *keep* (None: all) but for those called *ignore*, which may
    end with a star (`utm_*`). What is left stays as it is written; with *any_order*, parameters of different names are
    sorted by name, and those of one name keep their order. A piece with a semicolon counts whatever it is called: to some
    applications it is two parameters."""
    if keep is None and not ignore and not any_order:
        return query
    pieces = [(_name(piece), piece) for piece in query.split(b"&") if piece]
    left = [(name, piece) for name, piece in pieces if b";" in piece or _counts(name, keep, ignore)]
    if any_order:
        left.sort(key=lambda pair: pair[0])
    return b"&".join(piece for _, piece in left)


def _counts(name: bytes, keep: Collection[str] | None, ignore: Collection[str]) -> bool:
    return (keep is None or _among(name, keep)) and not _among(name, ignore)


def _name(piece: bytes) -> bytes:
    return unquote_to_bytes(piece.partition(b"=")[0].replace(b"+", b" "))


def _among(name: bytes, names: Collection[str]) -> bool:
    for known in names:
        wanted = known.encode()
        if name.startswith(wanted[:-1]) if wanted.endswith(b"*") else name == wanted:
            return True
    return False
