"""Who may use what a flight brings home."""

from __future__ import annotations

import pytest

from evercache.core.flight import Flight, Flights, Landing, Ticks
from evercache.core.protocol import Key, LogRecord

KEY = Key(b"id", "users:1")


def landed(**facts) -> Flight:
    flight = Flight("place", (b"t",), KEY, **facts)
    flight.landing = Landing("value", source="load")
    return flight


@pytest.mark.row("PR1")
@pytest.mark.parametrize(
    ("facts", "arrival", "serves"),
    [
        ({"proof_sent": 5, "proved": True}, 4, True),
        ({"proof_sent": 5, "proved": True}, 5, False),
        ({"proof_sent": 5, "proved": False}, 4, False),
        ({"load_began": 3, "proof_sent": 5, "proved": False}, 2, True),
        ({"load_began": 3, "proof_sent": 5, "proved": False}, 4, False),
        ({"load_began": 3, "proof_sent": 5, "proved": True}, 4, True),
        ({"load_began": 3, "proof_sent": None, "proved": False}, 3, False),
    ],
)
def test_the_rule_of_arrival(facts, arrival, serves):
    """Before the proof was sent, if it held; or before the load began, whatever came of it. Nobody else."""
    assert landed(**facts).serves(arrival) == serves


def test_a_flight_that_brought_nothing_serves_nobody():
    """Neither one in the air nor one that found somebody else at work."""
    flight = Flight("place", load_began=9)
    assert not flight.serves(1)
    flight.landing = Landing(cause="held elsewhere")
    assert not flight.serves(1)


def test_an_error_is_for_everybody():
    """Who joined a load that fails shares its error; a later reader would only load once more."""
    flight = Flight("place", load_began=3)
    flight.landing = Landing(error=LookupError(), source="load")
    assert flight.serves(99)


def test_boarding_from_departure_to_the_end_of_the_load():
    """One joinable flight for each place; a closed one still flies."""
    flights, flight = Flights(), Flight("place")
    assert flights.board("place") is None
    flights.depart(flight)
    assert flights.board("place") is flight
    flights.close(flight)
    assert flights.board("place") is None
    assert flight in flights.airborne
    flights.land(flight, Landing())
    assert not flights.airborne


def test_a_landing_flight_leaves_its_successor_alone():
    """The next flight of the place may have departed already."""
    flights, first, second = Flights(), Flight("place"), Flight("place")
    flights.depart(first)
    flights.close(first)
    flights.depart(second)
    flights.land(first, Landing())
    assert flights.board("place") is second


@pytest.mark.parametrize(
    ("record", "doomed"),
    [
        (LogRecord("k", b"id"), True),
        (LogRecord("x", b"id"), True),
        (LogRecord("k", b"other"), False),
        (LogRecord("t", b"t"), True),
        (LogRecord("y", b"t"), True),
        (LogRecord("t", b"other"), False),
        (LogRecord("b", b"users:*"), True),
        (LogRecord("b", b"posts:*"), False),
        (LogRecord("n", b""), True),
    ],
)
def test_an_invalidation_dooms_the_flights_it_concerns(record, doomed):
    """Also those that nobody can board any more: their landing must not reach L1."""
    flights, joinable, closed = Flights(), Flight("place", (b"t",), KEY), Flight("place", (b"t",), KEY)
    flights.depart(closed)
    flights.close(closed)
    flights.depart(joinable)
    flights.doom(record)
    assert (joinable.doomed, closed.doomed) == (doomed, doomed)
    assert (flights.board("place") is None) == doomed


def test_ticks_never_repeat():
    """Arrivals and commands of one process are ordered."""
    ticks = Ticks()
    assert [ticks.next() for _ in range(3)] == [1, 2, 3]


def test_what_has_landed_is_not_found_any_more():
    """The ways to find a flight end with it, also where two share a tag."""
    flights, first, second = Flights(), Flight("one", (b"t",), KEY), Flight("two", (b"t",), KEY)
    flights.depart(first)
    flights.take_off(second)
    flights.land(first, Landing())
    flights.doom(LogRecord("t", b"t"))
    assert (first.doomed, second.doomed) == (False, True)
    flights.land(second, Landing())
    assert not flights._found


def test_overtaking_dooms_the_flights_of_one_place_only():
    """A newer value of a place has nothing to say about another place."""
    flights, older, other = Flights(), Flight("one"), Flight("two")
    flights.depart(older)
    flights.depart(other)
    flights.overtake("one")
    assert (older.doomed, other.doomed) == (True, False)
    assert flights.board("one") is None
