"""Where sites are made: name, codec, copier, key and tags of one function, from what the cache was told."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any, Protocol
from weakref import WeakValueDictionary

from evercache.codecs.compress import Compressor
from evercache.codecs.copier import copier_for
from evercache.codecs.packer import Packer
from evercache.codecs.sealed import KeyRing
from evercache.core.entry import Entry
from evercache.core.keys import digester, encode, readable_name
from evercache.core.options import Options, Policy
from evercache.core.protocol import Key
from evercache.core.readable import readable_part
from evercache.engine.engine import Engine
from evercache.engine.site import Arguments, Request, Site
from evercache.errors import ConfigurationError

__all__ = ["Names", "Workshop"]


class Named(Protocol):
    """A decorated function, as far as its name is concerned."""

    @property
    def place(self) -> object:
        """Where it is written; equal places may have one name."""


class Names:
    """Which function has which name: two of one name would answer for each other. Functions that are gone free theirs."""

    def __init__(self) -> None:
        self._owners: WeakValueDictionary[str, Named] = WeakValueDictionary()

    def claim(self, name: str, owner: Named, shown: str) -> None:
        """*name* belongs to *owner* from now on. Raises ConfigurationError if it belongs to another one."""
        if self._taken(name, owner):
            gc.collect()  # functions stand in cycles: one that nobody holds any more may still be there
            if self._taken(name, owner):
                raise ConfigurationError(
                    f"{shown}: the name {name!r} is taken by another cached function; they would answer for each other. "
                    "Give this one a name of its own with key=, or, if it is made anew again and again inside a function, "
                    "make its cache there too."
                )
        self._owners[name] = owner

    def _taken(self, name: str, owner: Named) -> bool:
        before = self._owners.get(name)
        return before is not None and before is not owner and before.place != owner.place


class Workshop:
    """Makes the sites of one cache, and knows their names."""

    def __init__(
        self,
        engine: Engine,
        *,
        namespace: str,
        secret: bytes,
        max_bytes: int,
        compressor: Compressor | None,
        keyring: KeyRing | None,
        defaults: Options,
    ) -> None:
        self.engine = engine
        self.secret = secret
        self._digest = digester(secret)
        self.namespace = namespace
        self.max_bytes = max_bytes
        self.compressor = compressor or Compressor()
        self.keyring = keyring
        self.defaults = defaults
        self.direct_sites: dict[Hashable, Site] = {}  # of `Direct`, however often its named cache is made anew
        self._tables: dict[str, dict[object, dict[Hashable, Entry]]] = {}
        self._names = Names()

    def table(self, name: str, annotation: object) -> dict[Hashable, Entry]:
        """The table of the direct calls of one (named) cache and one type of values; always the same one."""
        return self._tables.setdefault(name, {}).setdefault(annotation, {})

    def tables_of(self, name: str) -> tuple[dict[Hashable, Entry], ...]:
        """The tables of the direct calls of one (named) cache."""
        return tuple(self._tables.get(name, {}).values())

    def claim(self, name: str, owner: Named, shown: str) -> None:
        """*name* belongs to *owner* from now on."""
        self._names.claim(name, owner, shown)

    def site(
        self,
        name: str,
        *,
        options: Options,
        annotation: object,
        load: Callable[..., Awaitable[Any]],
        parts: Callable[[Arguments], Sequence[object]],
        tags: Callable[[Arguments], tuple[str, ...]],
        borrowed: bool = False,
        indexed: bool = False,
        table: dict[Hashable, Entry] | None = None,
        named: Callable[[Arguments], str] | None = None,
        spelled: Callable[[Sequence[object]], str] | None = None,
        stats: str = "",
    ) -> Site:
        """A site. *parts*: what of the arguments is in the key, in the order of the signature; *named*: the name of each
        call, where it isn't always the same one; *spelled*: the readable text of a key with these parts."""
        from evercache.codecs.choose import for_type  # msgspec behind it is loaded with the first site, not on import

        policy: Policy = options.resolve(name)
        fixed = name, readable_name(name)
        digest = self._digest

        def request(_: Hashable, arguments: Arguments) -> Request:
            keyed = parts(arguments)
            title, readable = fixed if named is None else (spoken := named(arguments), readable_name(spoken))
            if not keyed:
                return Request(Key(readable.encode(), title), tags(arguments))
            data = [encode(keyed[0])] if len(keyed) == 1 else list(map(encode, keyed))
            id = f"{readable}#{digest(data[0] if len(data) == 1 else b''.join(data))}".encode()
            return Request(Key(id, lambda: _spelled(title, data, spelled)), tags(arguments))

        packer = Packer(
            for_type(annotation),
            compressor=self.compressor,
            keyring=self.keyring,
            namespace=self.namespace,
            version=policy.version,
            max_bytes=self.max_bytes,
        )
        site = Site(
            name,
            policy=policy,
            packer=packer,
            load=load,
            request=request,
            text=lambda key: _spelled_key(name if named is None else "", key, spelled),
            stats=self.engine.statistics.of(stats or name),
            copy=None if policy.share else copier_for(annotation),
            borrowed=borrowed,
            indexed=indexed,
            table=table,
        )
        self.engine.open(site)
        return site


def _spelled(name: str, parts: Sequence[object], spelled: Callable[[Sequence[object]], str] | None) -> str:
    """The readable logical key: by itself the name and the arguments, joined by colons."""
    return spelled(parts) if spelled is not None else ":".join((name, *map(readable_part, parts)))


def _spelled_key(name: str, key: Hashable, spelled: Callable[[Sequence[object]], str] | None) -> str:
    """The same, from an L1 key."""
    if key == ():
        return name
    if not name:  # the key itself begins with the name
        return ":".join(map(readable_part, key)) if isinstance(key, tuple) else str(key)
    return _spelled(name, key if isinstance(key, tuple) and not _is_typed_part(key) else (key,), spelled)


def _is_typed_part(key: tuple[object, ...]) -> bool:
    return len(key) == 2 and isinstance(key[0], type)
