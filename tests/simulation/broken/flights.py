"""Flights with one rule broken."""

from __future__ import annotations

from typing import Any

from evercache.core.course import Ask, Course, Flow
from evercache.core.flight import Flight, Flights, Landing

__all__ = [
    "JoinAfterFill",
    "JoinAfterValidate",
    "JoinAnyTime",
    "JoinersIgnoreRejection",
    "LoadBeganAtItsEnd",
    "RejectedServesLater",
]


class JoinAnyTime(Flight):
    """A proved value is for everybody who waits."""

    def serves(self, arrival: int) -> bool:
        return self.proved or super().serves(arrival)


class RejectedServesLater(Flight):
    """A value whose fill was refused is for everybody who came before the fill was sent."""

    def serves(self, arrival: int) -> bool:
        return super().serves(arrival) or (self.proof_sent is not None and arrival < self.proof_sent)


class JoinersIgnoreRejection(Flight):
    """Whoever joined a load gets its value."""

    def serves(self, arrival: int) -> bool:
        return super().serves(arrival) or self.load_began is not None


class JoinAfterValidate(Flights):
    """A hit is for everybody who came before its *reply*."""

    def land(self, flight: Flight, landing: Landing) -> None:
        if landing.source == "l2":
            flight.proof_sent = 1 << 60
        super().land(flight, landing)


class JoinAfterFill(Flights):
    """A load may be joined until its fill is *answered*."""

    def close(self, flight: Flight) -> None:
        if flight.landing is not None or flight.doomed:
            super().close(flight)

    def land(self, flight: Flight, landing: Landing) -> None:
        if landing.source == "load":
            flight.proof_sent = 1 << 60
        super().land(flight, landing)


class LoadBeganAtItsEnd(Course):
    """A load is said to begin when it ends."""

    def _store(self, flight: Flight, ask: Ask, begun: Any, loaded: Any, landing: Landing, heard: Any) -> Flow:
        flight.load_began = self.ticks.next()
        yield from super()._store(flight, ask, begun, loaded, landing, heard)
