"""Commands of the protocol as Redis commands: which script, with which keys and arguments, and what its reply means.

The scripts lie beside this file in `lua/`, one for each command; `prelude.lua` stands in front of all of them. They are
sent as EVALSHA. A server that doesn't know one (a new primary, SCRIPT FLUSH) says NOSCRIPT before anything is executed,
and gets it whole: `Call.whole()`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import Any, NamedTuple, cast

from evercache.codecs.envelope import pack, unpack
from evercache.core import protocol as say
from evercache.stores.redis.keyspace import Keyspace

__all__ = [
    "LOG_LIFE",
    "Call",
    "Corrupt",
    "Part",
    "Script",
    "Setting",
    "all_scripts",
    "call",
    "run_script",
    "script",
]

Part = bytes | str | int
Reply = Any  # whatever the server replies: bytes, int, None, or a list of these

LOG_LIFE = 86_400_000
"""A log that nobody writes to is forgotten after this many milliseconds."""
MARGIN = 60_000
"""A stamp outlives the entries that name it by this many milliseconds."""


class Corrupt(Exception):
    """A script returned an entry that isn't one."""


class Script(NamedTuple):
    source: bytes
    sha: bytes


@cache
def script(name: str) -> Script:
    """The script `lua/<name>.lua`, read once and without I/O afterwards."""
    folder = files("evercache.stores.redis") / "lua"
    source = (folder / "prelude.lua").read_bytes() + (folder / f"{name}.lua").read_bytes()
    return Script(source, sha1(source, usedforsecurity=False).hexdigest().encode())


def all_scripts() -> list[Script]:
    """Every script that commands need."""
    return [script(name) for name in _NAMES]


class Call(NamedTuple):
    """A Redis command and how to read its reply. `script` is None for a plain command."""

    parts: tuple[Part, ...]
    read: Callable[[Reply], Any]
    script: Script | None = None

    def whole(self) -> tuple[Part, ...]:
        """The same command with the script's text instead of its digest."""
        if self.script is None:
            return self.parts
        return (b"EVAL", self.script.source, *self.parts[2:])


class Setting(NamedTuple):
    """What scripts need to know beside their command: the server's run id, the bell's channel (b"" = none), and how many
    bans there may be before everything is invalidated instead."""

    run: bytes
    bell: bytes = b""
    max_bans: int = 1_000


def run_script(
    name: str, keys: Sequence[bytes], arguments: Sequence[Part], setting: Setting, read: Callable[[Reply], Any]
) -> Call:
    """The call of a script."""
    found = script(name)
    tail = (setting.max_bans, setting.run, LOG_LIFE, setting.bell)
    return Call((b"EVALSHA", found.sha, len(keys), *keys, *arguments, *tail), read, found)


def call(command: say.Command[Any], keys: Keyspace, setting: Setting) -> Call:
    """*command* as a call. Raises CodecError if a record doesn't fit the envelope. `Look` is `looks.py`'s."""
    name, its_keys, arguments, read = _SAY[type(command)](command, keys)
    if name == "":
        return Call(tuple(arguments), read)
    return run_script(name, its_keys, arguments, setting, read)


# -- replies ---------------------------------------------------------------------------------------------------------


def _begun(reply: Reply) -> say.Begun:
    entry, namespace, ban, stamps, generation, anchor, holder, wait, now = reply
    record = None
    if entry is not None and (record := unpack(entry)) is None:
        raise Corrupt
    return say.Begun(
        record, namespace, ban, tuple(stamps), generation, anchor, bool(holder), max(wait, 0) / 1000, int(now)
    )


def _stamps(reply: Reply) -> tuple[bytes, ...] | None:
    return None if reply is None else tuple(reply)


def _nothing(reply: Reply) -> None:
    pass


def _banned(since: bytes, upto: bytes) -> Callable[[Reply], tuple[str, ...] | None]:
    def read(reply: Reply) -> tuple[str, ...] | None:
        pairs = [cast("list[bytes]", fields) for _, fields in reply]
        positions = [position for position, _ in pairs]
        if since not in positions or upto not in positions:
            return None
        return tuple([pattern.decode("utf-8", "surrogatepass") for _, pattern in pairs[positions.index(since) + 1 :]])

    return read


# -- commands --------------------------------------------------------------------------------------------------------

Said = tuple[str, Sequence[bytes], Sequence[Part], Callable[[Reply], Any]]


def _begin(command: say.Begin, keys: Keyspace) -> Said:
    key, terms = command.key.id, command.terms
    names = (keys.entry(key), keys.generation(key), keys.lock(key), keys.waiting(key))
    flags = (command.seen or b"", int(command.force), int(command.rotate))
    return (
        "begin",
        (*names, keys.namespace, keys.ban, keys.bans, keys.log, *keys.tags(command.tags)),
        (command.candidate, command.lock, terms.lease, terms.lock, terms.horizon, *flags),
        _begun,
    )


def _reserve(command: say.Reserve, keys: Keyspace) -> Said:
    key, terms = command.key.id, command.terms
    names = (keys.entry(key), keys.generation(key), keys.namespace, keys.ban, keys.bans, keys.log)
    return "reserve", (*names, *keys.tags(command.tags)), (command.candidate, terms.lock, terms.horizon, key), _begun


def _tags(command: say.Tags, keys: Keyspace) -> Said:
    arguments: tuple[Part, ...] = (
        command.anchor,
        command.candidate,
        command.terms.horizon,
        *command.tags,
        *command.also,
    )
    return "tags", (keys.log, *keys.tags(command.tags)), arguments, _stamps


def _fill(command: say.Fill, keys: Keyspace) -> Said:
    key, record, ttl, horizon = command.key.id, command.record, command.ttl, command.terms.horizon
    names = (keys.entry(key), keys.generation(key), keys.lock(key), keys.waiting(key))
    lives = ("", "") if ttl is None else (ttl, max(ttl + MARGIN, horizon))
    return (
        "fill",
        (*names, keys.namespace, keys.ban, keys.bans, keys.wake, *keys.tags(record.tags)),
        (
            *(command.lock, command.generation, pack(record), *lives),
            *(record.namespace, record.ban, key, *record.stamps),
        ),
        bool,
    )


def _renew(command: say.Renew, keys: Keyspace) -> Said:
    key, terms = command.key.id, command.terms
    arguments = (command.lock, command.generation, terms.lease, terms.lock)
    return "renew", (keys.generation(key), keys.lock(key)), arguments, bool


def _release(command: say.Release, keys: Keyspace) -> Said:
    key = command.key.id
    return "release", (keys.lock(key), keys.waiting(key), keys.wake), (command.lock, key), _nothing


def _invalidate_key(command: say.InvalidateKey, keys: Keyspace) -> Said:
    names = (keys.entry(command.id), keys.generation(command.id), keys.log)
    return "invalidate_key", names, (command.id,), _nothing


def _expire_key(command: say.ExpireKey, keys: Keyspace) -> Said:
    names = (keys.entry(command.id), keys.generation(command.id), keys.log)
    return "expire_key", names, (command.id,), _nothing


def _invalidate_tag(command: say.InvalidateTag, keys: Keyspace) -> Said:
    arguments = (command.tag, command.candidate, command.terms.horizon)
    return "invalidate_tag", (keys.tag(command.tag), keys.log), arguments, _nothing


def _expire_tag(command: say.ExpireTag, keys: Keyspace) -> Said:
    return "expire_tag", (keys.tag(command.tag), keys.log), (command.tag, command.candidate), _nothing


def _ban(command: say.Ban, keys: Keyspace) -> Said:
    pattern = command.pattern.encode("utf-8", "surrogatepass")
    arguments = (pattern, command.candidate, command.terms.horizon)
    return "ban", (keys.namespace, keys.ban, keys.bans, keys.log), arguments, _nothing


def _distrust(command: say.Distrust, keys: Keyspace) -> Said:
    arguments = (command.candidate, command.terms.horizon)
    return "distrust", (keys.namespace, keys.ban, keys.bans, keys.log), arguments, _nothing


def _bans(command: say.Bans, keys: Keyspace) -> Said:
    return "", (), (b"XRANGE", keys.bans, b"-", b"+"), _banned(command.since, command.upto)


_NAMES = (
    *("begin", "reserve", "tags", "fill", "renew", "release", "invalidate_key", "expire_key", "invalidate_tag"),
    *("expire_tag", "ban", "distrust", "adopt", "open_log", "contract"),
)

_SAY: dict[type, Callable[[Any, Keyspace], Said]] = {
    say.Begin: _begin,
    say.Reserve: _reserve,
    say.Tags: _tags,
    say.Fill: _fill,
    say.Renew: _renew,
    say.Release: _release,
    say.InvalidateKey: _invalidate_key,
    say.ExpireKey: _expire_key,
    say.InvalidateTag: _invalidate_tag,
    say.ExpireTag: _expire_tag,
    say.Ban: _ban,
    say.Distrust: _distrust,
    say.Bans: _bans,
}
