"""What the short way saw in the shared store, and the long way needn't look for again."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from evercache.engine.choosy import Found

__all__ = ["NOTHING_SEEN", "Seen", "Tagged"]


class Seen(NamedTuple):
    """At *key* was *found*; nobody has given up the loop since."""

    key: Hashable
    found: Found


NOTHING_SEEN = Seen(None, Found())


class Tagged(NamedTuple):
    """Whom the engine asks for the tags that every response at a key has."""

    tags: tuple[str, ...]
