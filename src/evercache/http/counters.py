"""What a rule did, counted: one number for each outcome, and one for each reason of a refusal."""

from __future__ import annotations

from typing import Any

__all__ = ["Counters"]


class Counters:
    """The counters of one rule in this process; plain integers, always on.

    Answers, each request counted once: `hit` (fresh), `stale` (stale, and allowed to be), `revalidated` (the application
    said that it still holds), `collapsed` (another request had it loaded), `miss` (the application answered), and
    `bypass` by reason (the cache took no part). Beside them: `not_modified` answers of 304 and the bytes they saved,
    `partial` answers, `stored` responses, `refused` ones by reason, `invalidated` resources and groups.
    """

    __slots__ = (
        "bypass", "bytes_saved", "collapsed", "hit", "invalidated", "miss", "not_modified", "partial", "refused",
        "revalidated", "stale", "stored",
    )  # fmt: skip

    def __init__(self) -> None:
        self.hit = 0
        self.stale = 0
        self.revalidated = 0
        self.collapsed = 0
        self.miss = 0
        self.not_modified = 0
        self.partial = 0
        self.bytes_saved = 0
        self.stored = 0
        self.invalidated = 0
        self.bypass: dict[str, int] = {}
        self.refused: dict[str, int] = {}

    def bypassed(self, reason: str) -> None:
        self.bypass[reason] = self.bypass.get(reason, 0) + 1

    def refuse(self, reason: str) -> None:
        self.refused[reason] = self.refused.get(reason, 0) + 1

    def to_dict(self) -> dict[str, Any]:  # Any: numbers and dictionaries of them
        counted = {name: getattr(self, name) for name in self.__slots__}
        return counted | {"bypass": dict(self.bypass), "refused": dict(self.refused)}
