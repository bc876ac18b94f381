"""One rule broken at a time. A law that no mutant breaks is not tested; a rule that no mutant needs is not needed.

Each mutant is the smallest override of one part, in a mix of what happens that brings it to light soon: most are seen
within a hundred schedules, the shyest within some ten thousand, and `WITHIN` is where a test gives up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.simulation.broken.flights import (
    JoinAfterFill,
    JoinAfterValidate,
    JoinAnyTime,
    JoinersIgnoreRejection,
    LoadBeganAtItsEnd,
    RejectedServesLater,
)
from tests.simulation.broken.l1 import (
    AnchorFirst,
    CheckUnread,
    FlushSparesFlights,
    InsertTouched,
    LeaseFromReply,
    LeaseUnread,
    NoAnchor,
    ReopenedWithoutFlush,
)
from tests.simulation.broken.made import (
    AskedFromBegin,
    OnlyHitsLag,
    OnlyLateTagsAsked,
    PatternsUnasked,
    TagsStayBehind,
)
from tests.simulation.broken.reading import (
    AloneProvesAnything,
    BansUnread,
    KeepDropsTags,
    MissingTagIsValid,
    NamespaceUnread,
    NoTagCheck,
    PutInOneStep,
    ReusedCandidate,
    SecondLookProvesFirst,
    SoftTagIsFresh,
    UnaskedTagsAreValid,
)
from tests.simulation.broken.store import (
    ClientOnlyStamps,
    DistrustKeepsBans,
    ExpiryKeepsGeneration,
    ExpiryOfTagMissesFills,
    FillSkipsBans,
    FillSkipsNamespace,
    FillSkipsTags,
    KeepsGeneration,
    LockTokenOnly,
    LostBansAreNone,
    NaiveSet,
    PutSharesGeneration,
    PutWithoutReserve,
    TagsWithoutAnchor,
    TagsWithoutLog,
    Tombstone,
)
from tests.simulation.broken.writing import (
    EpochAtConnectOnly,
    ExpiryReplacesInvalidation,
    FullJournalForgets,
    KnownByProcess,
    NeverDoomed,
    NoQuarantine,
    NotDoomedAfter,
    PutNotDoomedAfter,
    SettledQuietly,
    SettlesNewer,
)
from tests.simulation.world import MIXES, Kit, Mix

__all__ = ["MUTANTS", "WITHIN", "DistrustKeepsBans", "Mutant"]

WITHIN = 60_000

PLAIN, WITH_L1, LATE_TAGS, FAILOVER, PUT, L1_PUT, JOURNAL, L1_LATE_TAGS, ALONE, SHORT_LIVES, NESTED, EVERYTHING = MIXES
BROKEN_LINKS = replace(WITH_L1, faults=0.04, lag=0.3)


@dataclass(frozen=True)
class Mutant:
    """A kit with one rule broken, and the mix in which that shows."""

    rule: str
    kit: Kit
    mix: Mix


def _mutants() -> Iterator[tuple[str, type, Mix, Kit]]:
    """Which part each mutant replaces, the mix in which it shows, and what else it needs."""
    own = Kit()
    tagged = replace(PLAIN, slow=0.6)
    crowded = replace(PLAIN, lag=0.25, reads=8, writes=8)
    for broken in (
        NaiveSet,
        LockTokenOnly,
        Tombstone,
        FillSkipsNamespace,
        FillSkipsBans,
        KeepsGeneration,
        LostBansAreNone,
    ):
        yield "partition", broken, PLAIN, own
    yield "partition", FillSkipsTags, tagged, own
    yield "partition", ClientOnlyStamps, replace(PLAIN, repeat=0.15, faults=0.05), own
    for broken in (ExpiryKeepsGeneration, ExpiryOfTagMissesFills, PutSharesGeneration):
        yield "partition", broken, PUT, own
    yield "partition", TagsWithoutLog, LATE_TAGS, own
    yield "partition", TagsWithoutAnchor, replace(LATE_TAGS, slow=0.6, writes=6, log_length=1), own
    yield "partition", PutWithoutReserve, PUT, Kit(course=PutInOneStep)

    for broken in (NoTagCheck, MissingTagIsValid, BansUnread, LoadBeganAtItsEnd):
        yield "course", broken, PLAIN, own
    yield "course", NamespaceUnread, PLAIN, Kit(partition=DistrustKeepsBans)
    yield "course", ReusedCandidate, PLAIN, Kit(partition=ClientOnlyStamps)
    yield "course", AloneProvesAnything, replace(ALONE, slow=0.3), own
    yield "course", SoftTagIsFresh, PUT, own
    yield "course", KeepDropsTags, SHORT_LIVES, own
    yield "course", UnaskedTagsAreValid, LATE_TAGS, own
    yield "course", SecondLookProvesFirst, replace(LATE_TAGS, lag=0.3, reads=10, writes=10), own

    for broken in (JoinAnyTime, RejectedServesLater, JoinersIgnoreRejection):
        yield "flight", broken, crowded, own
    for broken in (JoinAfterValidate, JoinAfterFill):
        yield "flights", broken, crowded, own

    late_ears = replace(NESTED, poll=0.9, writes=12, reads=14, faults=0.0, lag=0.1)
    yield "course", AskedFromBegin, late_ears, own
    for broken in (OnlyLateTagsAsked, PatternsUnasked):
        yield "partition", broken, late_ears, own
    yield "process", TagsStayBehind, NESTED, own
    yield "process", OnlyHitsLag, late_ears, own

    yield "reader", LeaseFromReply, replace(WITH_L1, lag=0.3), own
    for broken in (NoAnchor, ReopenedWithoutFlush):
        yield "reader", broken, BROKEN_LINKS, own
    yield "process", AnchorFirst, replace(WITH_L1, lag=0.3, between=0.4, poll=0.9), own
    yield "process", LeaseUnread, WITH_L1, own
    yield "l1", CheckUnread, WITH_L1, own
    yield "l1", InsertTouched, replace(L1_LATE_TAGS, lag=0.3), own
    yield "l1", FlushSparesFlights, BROKEN_LINKS, own

    refused = replace(JOURNAL, refusal=0.7, expire=0.5)
    for broken in (SettlesNewer, NoQuarantine):
        yield "journal", broken, JOURNAL, own
    for broken in (FullJournalForgets, ExpiryReplacesInvalidation):
        yield "journal", broken, refused, own
    for broken in (NotDoomedAfter, NeverDoomed):
        yield "process", broken, WITH_L1, own
    yield "process", PutNotDoomedAfter, replace(L1_PUT, poll=0.9, lag=0.25), own
    patient = replace(refused, l1=True, late_tags=True, writes=10, reads=20, lag=0.3, poll=1.5, loss=0.0, faults=0.002)
    yield "process", SettledQuietly, patient, own
    for broken in (EpochAtConnectOnly, KnownByProcess):
        identify = by_process if broken is KnownByProcess else own.identify
        yield "process", broken, replace(FAILOVER, faults=0.05), Kit(identify=identify)


def by_process(incarnation: int, node: int) -> bytes:
    return b"r%d" % node


MUTANTS = {
    broken.__name__: Mutant((broken.__doc__ or "").strip(), replace(kit, **{part: broken}), mix)
    for part, broken, mix, kit in _mutants()
}
