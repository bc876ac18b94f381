"""What the processes of a namespace must agree on, kept in the shared store itself.

Who comes first writes it; who comes later and differs in something that would corrupt (partitions, format, the secret
that hashes keys) keeps its hands off and says so, and adopts the rest (Δ, what a failover means). It stands in each
partition, so that no partition depends on another one.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import blake2b

from evercache.codecs.envelope import VERSION
from evercache.config import Settings

__all__ = ["LIFE", "Contract", "contract_of"]

LIFE = 7 * 86_400_000
"""Milliseconds; prolonged by every connection."""


@dataclass(frozen=True, slots=True)
class Contract:
    """`secret` is a fingerprint, empty without a secret; `delta` is in milliseconds."""

    partitions: int
    format: int
    secret: str
    delta: int
    on_failover: str

    def text(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    def against(self, text: bytes) -> tuple[Contract, str]:
        """The contract to live by when *text* stands in the store, and what is wrong with it, if anything."""
        try:
            other = Contract(**json.loads(text))
        except (ValueError, TypeError):
            return self, "the contract in Redis can't be read; another version of evercache uses this namespace"
        for name in ("partitions", "format", "secret"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                shown = "another one" if name == "secret" else f"{theirs!r}, not {mine!r}"
                return (
                    self,
                    f"{name} is {shown} for the processes that were here first; use the same, or another namespace",
                )
        return other, ""


def contract_of(settings: Settings, partitions: int) -> Contract:
    """What these settings say."""
    secret = settings.secret
    fingerprint = blake2b(secret.encode(), digest_size=8, person=b"evercache-secret").hexdigest() if secret else ""
    return Contract(partitions, VERSION, fingerprint, round(settings.delta * 1000), settings.on_failover)
