"""The pilot drives a course over the real world: it performs each step and hands the reply back.

What a step means is decided in `core.course`; here is only how it is done with asyncio, a store and a loader.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

from evercache.core.course import Decode, Encode, Failed, Load, Loaded, Step, Wait
from evercache.core.flight import Landing
from evercache.core.protocol import Begin, Begun, Command, Key, Renew
from evercache.core.record import NEVER_DIES, Record
from evercache.engine.airfield import Airfield
from evercache.engine.context import Context
from evercache.engine.loading import MISSING, LoadContext, entered
from evercache.engine.recording import Recorder
from evercache.engine.site import CachedError, Site
from evercache.engine.waiting import within
from evercache.errors import CodecError, StoreUnavailable

__all__ = ["Pilot"]

OFF_LOOP = 256 * 1024
"""Values from this size on are encoded and decoded in a thread, so that one of them never stalls the loop."""

VALUE, ERROR = b"v", b"e"
_SIZED = frozenset({bytes, str, list, dict, tuple, set})


class Pilot:
    """Flies one flight of one call. Made for the flight, thrown away after it."""

    def __init__(
        self, engine: Context, airfield: Airfield, site: Site, arguments: tuple[Any, ...], key: Key, lock: bytes
    ) -> None:
        self.engine = engine
        self.airfield = airfield
        self.site = site
        self.arguments = arguments
        self.key = key
        self.lock = lock
        self.partition = engine.partition_of(key.id)
        self._wake: asyncio.Future[None] | None = None

    async def drive(self, course: Generator[Step, Any, Landing]) -> Landing:
        """Perform the steps of *course* until it lands."""
        try:
            return await self._drive(course)
        finally:
            self._expect(again=False)

    async def _drive(self, course: Generator[Step, Any, Landing]) -> Landing:
        try:
            step = next(course)
            while True:
                try:
                    reply = await self.perform(step)
                except (StoreUnavailable, CodecError) as error:
                    step = course.throw(error)
                else:
                    step = course.send(reply)
        except StopIteration as stop:
            landing: Landing = stop.value
            return landing

    async def perform(self, step: Step) -> Any:
        """The reply to one step."""
        match step:
            case Command():
                if isinstance(step, Begin):
                    self._expect(again=True)
                return await self._execute(step)
            case Load():
                return await self._load(step)
            case Decode():
                return await self._decode(step.record)
            case Encode():
                return await self._encode(step.loaded)
            case Wait():
                return await self._wait(step.seconds)

    async def _execute(self, command: Command[Any]) -> Any:
        try:
            return await self.engine.execute(self.partition, command)
        except CodecError as error:  # a record that doesn't fit: too many tags
            self.site.complain(error, self.engine.hooks)
            raise

    # -- waiting for another process -----------------------------------------------------------------------------

    async def _wait(self, seconds: float) -> bool:
        if self._wake is None:
            return False
        # A little more than the lock's remaining life: when we ask again, a dead holder's lock is gone.
        return await within(self.engine.clock, seconds + 0.005, self._wake)

    def _expect(self, *, again: bool) -> None:
        """Listen for the end of another one's load, or no longer."""
        if self._wake is not None:
            self.airfield.forget(self.key.id, self._wake)
        self._wake = self.airfield.expect(self.key.id) if again else None

    # -- loading -------------------------------------------------------------------------------------------------

    async def _load(self, step: Load) -> Loaded | Failed:
        renewing = None
        if step.begun is not None and step.begun.generation is not None:
            renewing = self.airfield.spawn(self._renew(step.begun, step.begun.generation), "renews a load")
        try:
            return await self._run(LoadContext(self._stale(step)))
        finally:
            if renewing is not None:
                renewing.cancel()

    def _stale(self, step: Load) -> Any:
        """The value that is being replaced, for the loader: a copy of its own."""
        if step.spare is None or isinstance(step.spare.value, CachedError):
            return MISSING
        return self.site.handed_out(step.spare.value)

    async def _renew(self, begun: Begun, generation: bytes) -> None:
        """Keep the generation alive for as long as the load takes; the lock too, but for no longer than its callers
        wait: a loader that never ends must not keep the others from trying."""
        clock, hard = self.engine.clock, self.site.policy.hard_timeout
        pause = self.engine.terms.lock / 3000
        until = math.inf if hard is None else clock.monotonic() + hard
        while True:
            await clock.sleep(pause)
            lock = self.lock if begun.holder and clock.monotonic() < until else b""
            try:
                if not await self.engine.execute(self.partition, Renew(self.key, generation, lock, self.engine.terms)):
                    return
            except StoreUnavailable:
                continue

    async def _run(self, context: LoadContext) -> Loaded | Failed:
        if not self.site.gated:
            return await self._run_now(context)
        async with self.airfield.gate.turn():
            return await self._run_now(context)

    async def _run_now(self, context: LoadContext) -> Loaded | Failed:
        site, clock = self.site, self.engine.clock
        started = clock.monotonic()
        site.stats.loads += 1
        entered(context)
        recorder = Recorder(self.engine)
        try:
            with recorder:
                value = await site.load(*self.arguments)
            return self._loaded(context, recorder, value, clock.monotonic() - started)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return Failed(error)  # the loader cancelled itself; that is its answer
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise  # the end of the loop, not an answer
        except BaseException as error:  # noqa: BLE001 - the loader's own, whatever its class; its callers get it
            return self._failed(context, recorder, error, clock.monotonic() - started)

    def _loaded(self, context: LoadContext, recorder: Recorder, value: Any, seconds: float) -> Loaded:
        site = self.site
        site.stats.load_seconds += seconds
        self.engine.note_load(seconds)
        if self.engine.hooks.observers:
            from evercache.core.events import Loaded as LoadedEvent

            self.engine.hooks.emit(LoadedEvent(site.name, self.key.id.decode(), seconds))
        loaded = self._said(context, recorder, value, seconds)
        if value is None and loaded.ttl is None:
            loaded.ttl = site.policy.negative_for(None)
            site.stats.negative += loaded.ttl is not None
        if site.policy.when is not None and not loaded.skip and not site.policy.when(value):
            loaded.skip = True
        return loaded

    def _said(self, context: LoadContext, recorder: Recorder, value: Any, seconds: float) -> Loaded:
        """What the loader said, and what its value was made of. What is made of something stale is stale itself: kept as
        long as this function may answer with stale values, else not at all."""
        context.carry(recorder.tags, recorder.near)
        loaded = context.loaded(value, seconds, self.engine.tag_id)
        if recorder.stale:
            loaded.stale, loaded.ttl = True, 0.0
            loaded.skip = loaded.skip or not (loaded.spare_for or self.site.policy.spare_for)
        return loaded

    def _failed(self, context: LoadContext, recorder: Recorder, error: BaseException, seconds: float) -> Failed:
        site = self.site
        site.stats.load_failures += 1
        if self.engine.hooks.observers:
            from evercache.core.events import LoadFailed

            kind = type(error)
            self.engine.hooks.emit(LoadFailed(site.name, self.key.id.decode(), kind.__qualname__, seconds))
        said = self._said(context, recorder, CachedError(error), seconds)
        ttl = site.policy.negative_for(error)
        if ttl is None:
            return Failed(error, None, said.tags, said.near, said.stale)
        site.stats.negative += 1
        said.ttl, said.keep, said.skip = ttl, False, recorder.stale
        return Failed(error, said)

    # -- values --------------------------------------------------------------------------------------------------

    async def _decode(self, record: Record) -> Any:
        payload: bytes = record.payload
        kind, body = payload[:1], payload[1:]
        if kind == ERROR:
            from evercache.codecs.exceptions import decode_exception

            error = decode_exception(body, tuple(_family(self._named_errors())))
            if error is None:
                raise CodecError(
                    "a stored exception is of no class that negative_ttl names; the entry counts as a miss"
                )
            return CachedError(error)
        if kind != VALUE:
            raise CodecError("a stored payload begins with an unknown mark; the entry counts as a miss")
        return await self._off_loop(len(body), self.site.packer.unpack, body, self.key.id)

    async def _encode(self, loaded: Loaded) -> tuple[Record, int | None]:
        value = loaded.value
        if isinstance(value, CachedError):
            from evercache.codecs.exceptions import encode_exception

            payload = ERROR + encode_exception(value.error, (*self._named_errors(), type(value.error)))
        else:
            try:
                size = len(value) if type(value) in _SIZED else 0
                payload = VALUE + await self._off_loop(size, self.site.packer.pack, value, self.key.id)
            except CodecError as error:
                self.site.complain(error, self.engine.hooks)
                raise
            except Exception as error:  # what a value's own methods raise: it is served all the same
                raised = CodecError(f"encoding a value raised {type(error).__name__}")
                self.site.complain(raised, self.engine.hooks)
                raise raised from error
        policy = self.site.policy
        ttl = policy.life(policy.ttl if loaded.ttl is None else loaded.ttl, self.engine.random.random())
        now = self.engine.now(self.partition)
        spare_for = policy.spare_for if loaded.spare_for is None else loaded.spare_for
        life = ttl if isinstance(value, CachedError) else ttl + spare_for
        record = Record(
            fill=secrets.token_bytes(16),
            namespace=b"",
            ban=b"",
            born=now,
            # Without any ttl it is stale from the beginning: made of something stale.
            fresh_until=NEVER_DIES if math.isinf(ttl) else now + (max(1, int(ttl * 1000)) if ttl else 0),
            dead_at=NEVER_DIES if math.isinf(life) else now + max(1, int(life * 1000)),
            load_ms=int(loaded.seconds * 1000),
            schema=self.site.packer.schema,
            payload=payload,
        )
        return record, None if math.isinf(life) else max(1, int(life * 1000))

    def _named_errors(self) -> tuple[type[BaseException], ...]:
        return tuple(kind for kind in self.site.policy.negative if kind is not None)

    async def _off_loop(self, size: int, work: Callable[..., Any], *arguments: Any) -> Any:
        if size < OFF_LOOP:
            return work(*arguments)
        return await asyncio.to_thread(work, *arguments)


def _family(kinds: Iterable[type[BaseException]]) -> Iterator[type[BaseException]]:
    """These exception classes and the ones below them: naming a class means all of them, as in `except`."""
    for kind in kinds:
        yield kind
        yield from _family(type.__subclasses__(kind))
