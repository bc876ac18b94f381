"""Rules as a mapping of prefixes to seconds, for applications that come with one."""

from __future__ import annotations

from collections.abc import Mapping

from evercache.core.duration import Duration
from evercache.http.rules import Rule

__all__ = ["rules_of_patterns"]


def rules_of_patterns(patterns: Mapping[str, Duration | None], default_ttl: Duration) -> tuple[Rule, ...]:
    """One rule for each prefix, the longest first; None as a ttl is *default_ttl*. There is no catch-all: what no prefix
    covers isn't cached."""
    longest_first = sorted(patterns.items(), key=lambda item: -len(item[0]))
    return tuple([Rule(path, ttl=default_ttl if ttl is None else ttl, prefix=True) for path, ttl in longest_first])
