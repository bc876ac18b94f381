"""What all parts of one store share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from evercache.config import Settings
from evercache.core.clock import Clock
from evercache.core.protocol import Terms
from evercache.stores.base import Listener
from evercache.stores.redis.contract import Contract

__all__ = ["Setup"]


@dataclass(slots=True)
class Setup:
    """- `delta` and `contract` may change once, when the store turns out to have a contract already.
    - `has_replicas`: a failover can happen here; then heartbeats ask for a replica's acknowledgement, if there is one.
    - `bell`: the channel on which a Cluster rings, or empty.
    - `relocate(reason)`: what is known about primaries proved wrong; ask again, in the background.
    - `candidate()`: bytes that nobody else will ever choose.
    """

    settings: Settings
    listener: Listener
    clock: Clock
    contract: Contract
    delta: float
    has_replicas: bool
    bell: bytes
    relocate: Callable[[str], None]
    candidate: Callable[[], bytes]
    terms: Terms
