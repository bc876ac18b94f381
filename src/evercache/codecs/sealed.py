"""Encryption at rest: AES-256-GCM, a ring of keys, and entries that can't be moved.

Layout of a sealed payload:

    1+n  id of the master key (length, text)     16  salt     12  nonce     rest  ciphertext and tag

Which algorithm is used follows from the configuration, never from the bytes. The whole header, the namespace, the full
key and the schema are authenticated with the text: an entry that was moved to another key, tenant or version doesn't
open. Random nonces would wear a key out after 2^32 messages (five days at 10,000 a second), so each process has its own
subkey (HKDF-SHA256, RFC 5869, of the master key and a random salt) and counts. A forked child counts on its own: it
draws a new salt. Keys that left the ring make their entries misses.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Mapping
from itertools import count

from evercache.codecs.base import unreadable
from evercache.errors import CodecError, ConfigurationError

__all__ = ["KeyRing"]

_SALT, _NONCE, _TAG = 16, 12, 16
_SUBKEYS_KEPT = 1024  # one for each process that wrote entries we still read
_CONTEXT = b"evercache sealed 1"

_Open = Callable[[bytes, bytes, bytes | None], bytes]


class KeyRing:
    """Master keys by id: *newest* seals, all of them open.

    Needs the extra `cryptography`. Raises ConfigurationError for a key that isn't 32 bytes and for an unknown *newest*.
    Rotation: add the new key everywhere, then make it the newest, then drop the old one after the longest TTL.
    """

    def __init__(self, keys: Mapping[str, bytes], newest: str) -> None:
        if newest not in keys:
            raise ConfigurationError(f"the newest key {newest!r} is not in the ring; its ids are {sorted(keys)}")
        for name, key in keys.items():
            if len(key) != 32 or not 0 < len(name.encode()) < 256:
                raise ConfigurationError(
                    f"key {name!r} must be 32 random bytes (secrets.token_bytes(32)) with a short id"
                )
        self._aead = _aead()
        self._masters = {name.encode(): bytes(key) for name, key in keys.items()}
        self._newest = newest.encode()
        self._opened: dict[bytes, tuple[_Open, _Open]] = {}
        self._renew()

    def __repr__(self) -> str:
        return f"KeyRing({len(self._masters)} keys, newest {self._newest.decode()!r})"

    def seal(self, text: bytes, bound_to: bytes) -> bytes:
        """*text* sealed for the place *bound_to*. About 1 µs for 1 KiB, 60 µs for 1 MiB."""
        if self._process != os.getpid():
            self._renew()
        header, encrypt, numbers = self._writing
        nonce = next(numbers).to_bytes(_NONCE, "big")
        return header + nonce + encrypt(nonce, text, header + nonce + bound_to)

    def unseal(self, data: bytes, bound_to: bytes) -> bytes:
        """The text. Raises CodecError if it wasn't sealed by this ring for exactly this place."""
        try:
            start = 1 + data[0]
            end = start + _SALT + _NONCE
            salt, nonce = data[start : start + _SALT], data[start + _SALT : end]
            _, decrypt = self._subkey(data[1:start], salt)
            return decrypt(nonce, data[end:], data[:end] + bound_to)
        except CodecError:
            raise
        except Exception as error:  # InvalidTag, IndexError, ValueError: damaged, moved, or never sealed
            raise unreadable("sealed payload", error) from None

    def _renew(self) -> None:
        salt = os.urandom(_SALT)
        encrypt, _ = self._subkey(self._newest, salt)
        header = bytes((len(self._newest),)) + self._newest + salt
        # One assignment, so that no other thread sees a new subkey with an old counter.
        self._writing = header, encrypt, count()
        self._process = os.getpid()

    def _subkey(self, name: bytes, salt: bytes) -> tuple[_Open, _Open]:
        known = self._opened.get(name + salt)
        if known is not None:
            return known
        master = self._masters.get(name)
        if master is None or len(salt) != _SALT:
            raise CodecError("stored bytes were sealed with a key that is not in the ring; the entry counts as a miss")
        if len(self._opened) >= _SUBKEYS_KEPT:
            self._opened.clear()  # salts come from stored bytes, so what they cost is bounded; rebuilding takes 5 µs
        pair = self._opened[name + salt] = self._aead(_hkdf(master, salt))
        return pair


def _hkdf(master: bytes, salt: bytes) -> bytes:
    """32 bytes, RFC 5869 with SHA-256; one block of output is all that is needed."""
    return hmac.digest(hmac.digest(salt, master, "sha256"), _CONTEXT + b"\x01", "sha256")


def _aead() -> Callable[[bytes], tuple[_Open, _Open]]:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise ConfigurationError(
            "sealing needs the extra `cryptography`: pip install evercache[cryptography]"
        ) from None

    def make(key: bytes) -> tuple[_Open, _Open]:
        cipher = AESGCM(key)
        return cipher.encrypt, cipher.decrypt

    return make
