"""Which variant of a response a request gets (RFC 9111 §4.1, RFC 9110 §12).

Two levels: a URL has a set of field names that its responses were seen to vary on, and each variant lies under the
normalised values of these fields. The set only grows: a response that names fewer fields still lies under all of them.

Values are normalised only where the meaning is known to stay the same: lines are joined and trimmed; `Accept-Encoding`
is reduced to the codings in use, by preference; `Accept-Language` to its ranges, by preference, where ranges of one
weight keep their order, for many applications take the first. Reducing has a price, and `codings_fit` pays it: an
application that answers `gzip;q=0` with gzip would otherwise leave a compressed body where clients that can't read it
look. A response in a coding that isn't in use here is for requests with the very same `Accept-Encoding` only.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from evercache.http.fields import Fields, combined, is_token, listed, members

__all__ = ["codings_fit", "merged_vary", "normalised", "variant_of", "vary_names"]

_QUALITY = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", re.IGNORECASE | re.ASCII)
_CODINGS = ("br", "gzip", "zstd")
_AS_IT_IS = "accept-encoding:"
"""Stands in a set of names for the whole of `Accept-Encoding`; no field is called so."""

_SAME_CODING = {"x-gzip": "gzip", "x-compress": "compress"}  # RFC 9110 §8.4.1


def vary_names(response: Fields, codings: Collection[str] = _CODINGS) -> tuple[str, ...] | None:
    """The fields that chose this response, in lower case and sorted; None where no request can match it again: `*`, or
    a list that can't be read. A response with a coding varies on `Accept-Encoding`, said or not."""
    names = {name.lower() for name in listed(response, b"vary")}
    if not all(is_token(name) and name != "*" for name in names):
        return None
    if used := _used_codings(response):
        names.add("accept-encoding" if used <= {"identity", *codings} else _AS_IT_IS)
    return tuple(sorted(names))


def merged_vary(known: Iterable[str], learned: Iterable[str]) -> tuple[str, ...]:
    """All fields that responses of one URL have varied on."""
    return tuple(sorted({*known, *learned}))


def variant_of(names: Sequence[str], request: Fields, codings: Sequence[str]) -> tuple[str | None, ...]:
    """What *request* says in the fields *names*, normalised, in their order; None for a field that is absent, which
    only another request without it matches."""
    return tuple(normalised(name, request, codings) for name in names)


def normalised(name: str, request: Fields, codings: Sequence[str]) -> str | None:
    """The value of the field *name*, so that two texts of one meaning are equal; None if it is absent."""
    value = combined(request, name.encode("latin-1").rstrip(b":"))
    if value is None:
        return None
    if name == "accept-encoding":
        return ",".join(_accepted_codings(value, codings))
    return _languages(value) if name == "accept-language" else value


def codings_fit(response: Fields, request: Fields, codings: Sequence[str]) -> bool:
    """Whether the content codings of *response* are among those that its variant stands for."""
    used = _used_codings(response) & {_coding(name) for name in codings}
    if not used:
        return True
    accepted = normalised("accept-encoding", request, codings)
    return accepted is None or used <= set(accepted.split(","))  # without the field, any coding is welcome


def _used_codings(response: Fields) -> set[str]:
    return {_coding(name) for name in listed(response, b"content-encoding")}


def _coding(name: str) -> str:
    return _SAME_CODING.get(name.lower(), name.lower())


def _accepted_codings(value: str, codings: Sequence[str]) -> list[str]:
    """The codings in use that are accepted, the most wanted first; `identity;q=0` where only they are."""
    wanted = {_coding(name): quality or 0.0 for name, quality in _preferences(value)}
    rest = wanted.get("*", 0.0)
    ranked = [(-wanted.get(coding, rest), coding) for coding in sorted({_coding(name) for name in codings})]
    found = [coding for quality, coding in sorted(ranked) if quality < 0]
    refused = wanted.get("identity", 1.0 if rest or "*" not in wanted else 0.0) == 0
    return [*found, "identity;q=0"] if refused else found


def _languages(value: str) -> str:
    preferences = list(_preferences(value))
    if any(quality is None for _, quality in preferences):
        return value  # who knows what an application makes of it
    ranked = sorted(((name, quality or 0.0) for name, quality in preferences), key=lambda found: -found[1])
    return ",".join(name if quality == 1 else f"{name};q={quality:g}" for name, quality in ranked)


def _preferences(value: str) -> Iterator[tuple[str, float | None]]:
    """The members of an Accept-* list in lower case with their weights; None for a weight that can't be read."""
    for member in members(value):
        name, semicolon, parameter = member.partition(";")
        weight = _QUALITY.fullmatch(parameter.strip(" \t"))
        yield name.strip(" \t").lower(), 1.0 if not semicolon else float(weight[1]) if weight else None
