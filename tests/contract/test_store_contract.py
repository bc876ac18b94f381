"""What a shared store promises, said once, and held against each: the reference in this process, and Redis."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from evercache.core import protocol as say
from evercache.core.stamps import Proof, compare
from evercache.stores.memory import Partition
from tests.support.ears import TERMS, opened, record_of

Run = Callable[[say.Command[Any]], Awaitable[Any]]
KEY, OTHER = say.Key(b"k", "k"), say.Key(b"other", "other")


@pytest.fixture(params=["memory", "redis"])
async def run(request: pytest.FixtureRequest, redis_url: str, redis_namespace: str) -> AsyncIterator[Run]:
    """Executes a command on an empty partition."""
    if request.param == "memory":
        partition = Partition(lambda: time.time_ns() // 1_000_000)

        async def execute(command: say.Command[Any]) -> Any:
            return partition.execute(command)

        yield execute
        return
    async with opened(redis_url, redis_namespace) as (store, _):
        yield lambda command: store.execute(0, command)


async def begin(
    run: Run, tags: tuple[bytes, ...] = (), key: say.Key = KEY, lock: bytes = b"L", **flags: Any
) -> say.Begun:
    return await run(say.Begin(key, tags, b"c", lock, TERMS, **flags))


async def fill(run: Run, begun: say.Begun, tags: tuple[bytes, ...] = (), lock: bytes = b"L", **record: Any) -> bool:
    assert begun.generation is not None
    return await run(say.Fill(KEY, record_of(begun, tags, **record), begun.generation, lock, 60_000, TERMS))


async def proofs(run: Run, tags: tuple[bytes, ...]) -> list[Proof] | None:
    """What the tags of the stored entry are worth; None without an entry or under another namespace."""
    looked = await run(say.Look(KEY, tags))
    if looked.record is None or looked.record.namespace != looked.namespace:
        return None
    return [compare(stored, current) for stored, current in zip(looked.record.stamps, looked.stamps, strict=True)]


async def test_what_was_filled_is_looked_up_with_its_proof(run):
    """
    A fill after Begin is stored whole, and all its stamps are the current ones.
    """
    begun = await begin(run, (b"t",))
    assert begun.holder
    assert await fill(run, begun, (b"t",))
    looked = await run(say.Look(KEY, (b"t",)))
    assert looked.record == record_of(begun, (b"t",))
    assert (looked.namespace, looked.ban, looked.stamps) == (begun.namespace, begun.ban, begun.stamps)


INVALIDATIONS = {
    "key": say.InvalidateKey(b"k"),
    "expired key": say.ExpireKey(b"k"),
    "tag": say.InvalidateTag(b"t", b"i", TERMS),
    "expired tag": say.ExpireTag(b"t", b"i", TERMS),
    "ban": say.Ban("k*", b"i", TERMS),
    "namespace": say.Distrust(b"i", TERMS),
    "put": say.Reserve(KEY, (), b"i", TERMS),
}


@pytest.mark.parametrize("name", INVALIDATIONS)
@pytest.mark.row("PR1", "W12", "W40")
async def test_a_load_that_began_before_an_invalidation_is_not_stored(run, name):
    """
    Whatever is said between Begin and Fill about anything the entry depends on: the fill is rejected.
    """
    begun = await begin(run, (b"t",))
    await run(INVALIDATIONS[name])
    assert not await fill(run, begun, (b"t",))


@pytest.mark.row("PR1")
async def test_a_generation_is_used_once(run):
    """
    Two loads share a generation; the second fill is rejected, though nothing was invalidated.
    """
    first = await begin(run)
    second = await begin(run, lock=b"M")
    assert second.generation == first.generation
    assert await fill(run, first)
    assert not await fill(run, second, fill=b"g" * 16)


@pytest.mark.row("PR1")
async def test_a_repeated_command_never_revives_a_stamp(run):
    """
    The same invalidation, executed twice, gives two different stamps.
    """
    await begin(run, (b"t",))
    stamps = set()
    for _ in range(3):
        await run(say.InvalidateTag(b"t", b"same", TERMS))
        stamps.add((await run(say.Look(KEY, (b"t",)))).stamps)
    assert len(stamps) == 3


async def test_expiring_keeps_what_invalidating_drops(run):
    """
    Hard: the entry or its proof is gone. Soft: the entry stays and is stale.
    """
    assert await fill(run, await begin(run, (b"t",)), (b"t",))
    await run(say.ExpireTag(b"t", b"e", TERMS))
    assert await proofs(run, (b"t",)) == [Proof.EXPIRED]
    await run(say.ExpireTag(b"t", b"e", TERMS))
    assert await proofs(run, (b"t",)) == [Proof.EXPIRED]
    await run(say.ExpireKey(b"k"))
    looked = await run(say.Look(KEY, ()))
    assert looked.record.fresh_until < looked.record.born + 60_000
    await run(say.InvalidateTag(b"t", b"i", TERMS))
    assert await proofs(run, (b"t",)) == [Proof.INVALID]
    await run(say.InvalidateKey(b"k"))
    assert await proofs(run, (b"t",)) is None


async def test_one_holds_the_lock_and_the_others_learn_how_long(run):
    """
    The lock is advisory: the second one gets the same generation, and the remaining life of the lock.
    """
    assert (await begin(run)).holder
    second = await begin(run, lock=b"M")
    assert not second.holder
    assert 0 < second.wait <= TERMS.lock / 1000
    await run(say.Release(KEY, b"M"))  # not its own: nothing happens
    assert not (await begin(run, lock=b"M")).holder
    await run(say.Release(KEY, b"L"))
    assert (await begin(run, lock=b"M")).holder


async def test_begin_returns_an_entry_that_was_not_yet_judged(run):
    """
    Somebody filled in the meantime: the caller gets it, unless it says that it has seen it, or forces.
    """
    assert await fill(run, await begin(run))
    assert (await begin(run)).record is not None
    assert (await begin(run, seen=b"f" * 16)).record is None
    assert (await begin(run, force=True)).record is None
    assert (await run(say.Look(KEY, ()))).record is not None


async def test_a_rotated_generation_rejects_the_older_load(run):
    """
    A refresh that rotates makes every load that began before useless.
    """
    old = await begin(run)
    new = await begin(run, rotate=True, force=True)
    assert not await fill(run, old)
    assert await fill(run, new)


async def test_a_put_reserves_alone(run):
    """
    While a put is under way nobody else gets a generation; its own fill is accepted, and then loads begin again.
    """
    reserved = await run(say.Reserve(KEY, (), b"r", TERMS))
    assert (await begin(run)).generation is None
    assert await fill(run, reserved, lock=b"")
    assert (await begin(run, seen=b"f" * 16)).generation is not None


async def test_late_tags_are_refused_if_they_were_invalidated_meanwhile(run):
    """
    Tags known only after the load: their stamps, unless the log names one of them since Begin.
    """
    begun = await begin(run)
    assert await run(say.Tags(begun.anchor, (b"late",), b"c", TERMS)) is not None
    await run(say.InvalidateTag(b"unrelated", b"i", TERMS))
    assert await run(say.Tags(begun.anchor, (b"late",), b"c", TERMS)) is not None
    await run(say.InvalidateTag(b"late", b"i", TERMS))
    assert await run(say.Tags(begun.anchor, (b"late", b"x"), b"c", TERMS)) is None
    assert await run(say.Tags(b"999", (b"x",), b"c", TERMS)) is None


@pytest.mark.parametrize(
    "command",
    [
        say.InvalidateKey(b"inner"),
        say.ExpireKey(b"inner"),
        say.InvalidateTag(b"known", b"i", TERMS),
        say.ExpireTag(b"known", b"i", TERMS),
        say.Ban("users:*", b"i", TERMS),
        say.Distrust(b"i", TERMS),
    ],
    ids=lambda command: type(command).__name__,
)
async def test_what_a_value_was_made_of_is_asked_for_with_the_late_tags(run, command):
    """
    Keys and tags that need no stamp, patterns and the namespace: a record of any of them since the anchor says no.
    """
    begun = await begin(run)
    asked = say.Tags(begun.anchor, (), b"c", TERMS, (b"inner", b"known"))
    await run(say.InvalidateKey(b"other"))
    assert await run(asked) == ()
    await run(command)
    assert await run(asked) is None


async def test_bans_are_told_since_a_position(run):
    """
    The patterns behind a position, in order; None when that part of the list is lost.
    """
    begun = await begin(run)
    await run(say.Ban("a*", b"c", TERMS))
    middle = (await run(say.Look(KEY, ()))).ban
    await run(say.Ban("zoë?", b"c", TERMS))
    last = (await run(say.Look(KEY, ()))).ban
    assert await run(say.Bans(begun.ban, last)) == ("a*", "zoë?")
    assert await run(say.Bans(middle, last)) == ("zoë?",)
    assert await run(say.Bans(begun.ban, b"of another server")) is None
    await run(say.Distrust(b"d", TERMS))
    assert await run(say.Bans(begun.ban, last)) is None


async def test_renewing_says_whether_the_generation_is_still_good(run):
    """
    True while nothing was invalidated, False afterwards.
    """
    begun = await begin(run)
    assert await run(say.Renew(KEY, begun.generation, b"L", TERMS))
    await run(say.InvalidateKey(b"k"))
    assert not await run(say.Renew(KEY, begun.generation, b"L", TERMS))


async def test_keys_and_their_tags_are_strangers_to_each_other(run):
    """
    Invalidating one key or tag touches nothing else.
    """
    assert await fill(run, await begin(run, (b"t",)), (b"t",))
    await run(say.InvalidateKey(OTHER.id))
    await run(say.InvalidateTag(b"k", b"i", TERMS))
    assert await proofs(run, (b"t",)) == [Proof.VALID]
