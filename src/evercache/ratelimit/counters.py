"""What limits did, counted."""

from __future__ import annotations

from collections.abc import Iterable

from evercache.ratelimit.verdict import Verdict

__all__ = ["Counters"]

_KINDS = ("allowed", "denied", "shadowed", "local", "errors")


class Counters:
    """For each limit: requests that it `allowed`, `denied`, or would have (`shadowed`); how many of them were decided in
    this process alone (`local`), and `errors` of the store."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[str, int]] = {}

    def count(self, verdict: Verdict) -> None:
        """One request."""
        for answer in verdict.answers:
            kind = "allowed" if answer.allowed else "shadowed" if answer.limit.shadow else "denied"
            counts = self._of(answer.limit.name)
            counts[kind] += 1
            counts["local"] += verdict.source == "local"

    def failed(self, names: Iterable[str]) -> None:
        """The store didn't answer."""
        for name in names:
            self._of(name)["errors"] += 1

    def _of(self, name: str) -> dict[str, int]:
        return self._counts.setdefault(name, dict.fromkeys(_KINDS, 0))

    def to_dict(self) -> dict[str, dict[str, int]]:
        """A copy of all of them, by limit."""
        return {name: dict(counts) for name, counts in sorted(self._counts.items())}
