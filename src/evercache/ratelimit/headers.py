"""What a client is told about its limits: fields, and the body of a 429.

The fields `RateLimit` and `RateLimit-Policy` are those of draft-ietf-httpapi-ratelimit-headers-11, still a draft: their
names stand here and nowhere else. The older `X-RateLimit-*` say the same of the tightest limit alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable

from evercache.errors import ConfigurationError
from evercache.ratelimit.verdict import Answer, Verdict

__all__ = ["DRAFT", "KINDS", "check_kind", "fields_of", "problem_of"]

DRAFT = "draft-11"
KINDS = (DRAFT, "legacy", "both", "none")

_QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"


def check_kind(kind: str) -> None:
    """Raise ConfigurationError for a kind of fields that isn't known."""
    if kind not in KINDS:
        raise ConfigurationError(f"headers={kind!r} is not known; choose {', '.join(KINDS)}.")


def fields_of(verdict: Verdict, kind: str = DRAFT) -> list[tuple[bytes, bytes]]:
    """The fields for a response, in lower case; `Retry-After` with every refusal."""
    told = [answer for answer in verdict.answers if not answer.limit.shadow]
    fields: list[tuple[bytes, bytes]] = []
    if told and kind in (DRAFT, "both"):
        fields += [(b"ratelimit-policy", _joined(_policy(answer) for answer in told))]
        fields += [(b"ratelimit", _joined(_state(answer) for answer in told))]
    if told and kind in ("legacy", "both"):
        tightest = min(told, key=lambda answer: answer.remaining / answer.limit.quota)
        fields += [
            (b"x-ratelimit-limit", b"%d" % tightest.limit.quota),
            (b"x-ratelimit-remaining", b"%d" % tightest.remaining),
            (b"x-ratelimit-reset", b"%d" % math.ceil(tightest.reset)),
        ]
    if not verdict.allowed:
        fields.append((b"retry-after", b"%d" % max(1, math.ceil(verdict.retry_after))))
    return fields


def problem_of(verdict: Verdict) -> bytes:
    """The body of a refusal (RFC 9457)."""
    names = [answer.limit.name for answer in verdict.violated]
    return json.dumps(
        {
            "type": _QUOTA_EXCEEDED,
            "title": "Too many requests",
            "status": 429,
            "detail": f"Try again in {max(1, math.ceil(verdict.retry_after))} s.",
            "violated-policies": names,
        }
    ).encode()


def _policy(answer: Answer) -> str:
    limit = answer.limit
    unit = "" if limit.unit == "requests" else f';qu="{limit.unit}"'
    return f'"{limit.name}";q={limit.quota};w={max(1, round(limit.seconds))}{unit}'


def _state(answer: Answer) -> str:
    return f'"{answer.limit.name}";r={answer.remaining};t={math.ceil(answer.reset)}'


def _joined(parts: Iterable[str]) -> bytes:
    return ", ".join(parts).encode("ascii")
