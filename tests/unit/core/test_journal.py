"""Unconfirmed invalidations: kept, repeated, and never forgotten for lack of room."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercache.core.journal import Journal
from evercache.core.protocol import Ban, Distrust, ExpireKey, ExpireTag, InvalidateKey, InvalidateTag, Key, Look, Terms

TERMS = Terms()


def distrust() -> Distrust:
    return Distrust(b"all", TERMS)


def quarantined(journal: Journal, key: bytes = b"k", *tags: bytes, partition: int = 0) -> bool:
    return journal.quarantines(partition, key, tags, lambda: "users:" + key.decode())


def note(journal: Journal, command, partition: int = 0) -> int:
    journal.note(partition, command, distrust)
    return journal.owed(partition, 1_000)[-1][0]


@pytest.mark.row("PR1")
def test_a_second_round_follows_when_nobody_owes_the_first():
    """Two partitions owe a tag: settled by both, both owe it once more, and then it is over."""
    journal, command = Journal(), InvalidateTag(b"t", b"c", TERMS)
    owed = [note(journal, command, partition) for partition in (0, 1)]
    journal.note_second(command)
    journal.settle(0, owed[:1])
    assert not journal.second_round(range(3), distrust)
    journal.settle(1, owed[1:])
    assert journal.second_round(range(3), distrust)
    for partition in range(3):
        ((operation, again),) = journal.owed(partition, 9)
        assert again == command
        journal.settle(partition, [operation])
    assert journal.empty
    assert not journal.second_round(range(3), distrust)


@pytest.mark.row("PR1")
def test_a_full_journal_owes_the_first_round_as_long_as_the_distrust_in_its_place():
    """What was given up for lack of room is still owed by what took its place."""
    journal, command = Journal(limit=1), InvalidateTag(b"t", b"c", TERMS)
    note(journal, command)
    journal.note_second(command)
    everything = note(journal, InvalidateKey(b"k"))
    assert not journal.second_round(range(1), distrust)
    journal.settle(0, [everything])
    assert journal.second_round(range(1), distrust)


@pytest.mark.row("PR1")
def test_settling_an_old_operation_keeps_a_newer_one():
    """While an old invalidation is repeated the same thing may be invalidated again; that one is still owed."""
    journal = Journal()
    old = note(journal, InvalidateKey(b"k"))
    new = note(journal, InvalidateKey(b"k"))
    journal.settle(0, [old])
    assert journal.owed(0, 9) == [(new, InvalidateKey(b"k"))]
    journal.settle(0, [new])
    assert len(journal) == 0
    assert not quarantined(journal)


def test_oldest_first():
    """A repeated invalidation moves to the end."""
    journal = Journal()
    for key in (b"a", b"b", b"a"):
        note(journal, InvalidateKey(key))
    assert [command for _, command in journal.owed(0, 9)] == [InvalidateKey(b"b"), InvalidateKey(b"a")]
    assert len(journal.owed(0, 1)) == 1


@pytest.mark.parametrize(
    ("hard", "soft"),
    [(InvalidateKey(b"x"), ExpireKey(b"x")), (InvalidateTag(b"x", b"1", TERMS), ExpireTag(b"x", b"2", TERMS))],
)
def test_an_expiry_does_not_take_the_place_of_an_invalidation(hard, soft):
    """The harder one is owed, under a new number, whichever came last."""
    journal = Journal()
    first = note(journal, hard)
    second = note(journal, soft)
    assert journal.owed(0, 9) == [(second, hard)]
    assert second > first
    third = note(journal, hard)
    assert journal.owed(0, 9) == [(third, hard)]


def test_a_full_journal_distrusts_the_partition():
    """Precision is given up, never an invalidation; other partitions keep theirs."""
    journal = Journal(limit=2)
    note(journal, InvalidateKey(b"elsewhere"), partition=1)
    for key in (b"a", b"b", b"c"):
        note(journal, InvalidateKey(key))
    assert [command for _, command in journal.owed(0, 9)] == [distrust()]
    assert quarantined(journal, b"anything")
    assert not quarantined(journal, b"anything", partition=1)


@pytest.mark.parametrize(
    ("command", "key", "tags", "caught"),
    [
        (InvalidateKey(b"k"), b"k", (), True),
        (ExpireKey(b"k"), b"k", (), True),
        (InvalidateKey(b"other"), b"k", (), False),
        (InvalidateTag(b"t", b"", TERMS), b"k", (b"s", b"t"), True),
        (InvalidateTag(b"t", b"", TERMS), b"t", (b"s",), False),
        (Ban("users:*", b"", TERMS), b"k", (), True),
        (Ban("posts:*", b"", TERMS), b"k", (), False),
        (Distrust(b"", TERMS), b"k", (), True),
    ],
)
def test_what_is_owed_is_in_quarantine(command, key, tags, caught):
    """This process neither reads nor fills what it has invalidated without confirmation."""
    journal = Journal()
    note(journal, command)
    assert quarantined(journal, key, *tags) == caught


def test_only_invalidations_are_journalled():
    """Anything else is a mistake of ours."""
    with pytest.raises(TypeError, match="Look is not an invalidation"):
        Journal().note(0, Look(Key(b"k", "k"), ()), distrust)


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c", b"d"]), st.booleans()), max_size=30), st.integers(1, 5))
def test_every_noted_key_stays_in_quarantine_until_it_is_settled(steps, limit):
    """Whatever the order and the room: no unconfirmed key is ever read from the store."""
    journal, unsettled = Journal(limit), set[bytes]()
    for key, settles in steps:
        if settles and (owed := journal.owed(0, 1)):
            journal.settle(0, [owed[0][0]])
            command = owed[0][1]
            unsettled -= unsettled if isinstance(command, Distrust) else {command.id}
            unsettled |= {k for k in unsettled if quarantined(journal, k)}
        else:
            note(journal, InvalidateKey(key))
            unsettled.add(key)
        assert all(quarantined(journal, key) for key in unsettled)
        assert len(journal) <= limit
