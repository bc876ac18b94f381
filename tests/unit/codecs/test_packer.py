"""Codec, compression and seal together: sizes, bombs, and entries that can't be moved."""

from __future__ import annotations

import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
import zstandard

from evercache.codecs.base import MAX_RAW_BYTES, TooLarge
from evercache.codecs.choose import for_type
from evercache.codecs.compress import Compressor, ZstdDictionary, train
from evercache.codecs.packer import Packer
from evercache.codecs.sealed import KeyRing
from evercache.errors import CodecError, ConfigurationError

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
ROWS = [{"id": number, "name": f"row {number}", "text": "some words " * 5} for number in range(200)]


def packer(**options) -> Packer:
    options.setdefault("compressor", Compressor())
    return Packer(for_type(options.pop("annotation", None)), **options)


@pytest.mark.parametrize("method", ["raw", "zlib", "zstd"])
@pytest.mark.parametrize("keyring", [None, KeyRing({"a": OLD}, "a")])
def test_every_method_brings_the_value_back(method, keyring):
    """Whatever one packer writes, a packer of any other method reads."""
    writer = packer(compressor=Compressor(method), keyring=keyring)
    for value in (ROWS, None, "", os.urandom(3000)):
        payload = writer.pack(value, b"key")
        for other in ("raw", "zlib", "zstd"):
            assert packer(compressor=Compressor(other), keyring=keyring).unpack(payload, b"key") == value


@pytest.mark.row("S2.74", "S4.71")
@pytest.mark.parametrize("method", ["zlib", "zstd"])
def test_stored_rows_take_less_than_sixty_per_cent_of_their_json(method):
    """And the compressor reports what it did."""
    compressor = Compressor(method)
    payload = packer(compressor=compressor).pack(ROWS, b"")
    plain = len(for_type(None).encode(ROWS)) - 1
    assert len(payload) < 0.6 * plain
    assert compressor.savings.compressed == 1
    assert compressor.savings.raw_bytes == plain + 1
    assert compressor.savings.stored_bytes < len(payload)


def test_what_does_not_shrink_is_stored_raw_and_counted_as_raw():
    """Small values, and noise."""
    compressor = Compressor()
    noise = os.urandom(4096)
    assert compressor.compress(b"small") == (0, b"small")
    assert compressor.compress(noise) == (0, noise)
    assert (compressor.savings.kept_raw, compressor.savings.compressed) == (2, 0)
    assert compressor.savings.raw_bytes == compressor.savings.stored_bytes == 4101


@pytest.mark.parametrize("method", ["zlib", "zstd"])
def test_a_value_that_shrinks_as_a_bomb_does_is_stored_so_that_it_can_be_read(method):
    """The reader's ratio bound holds for the writer too."""
    compressor = Compressor(method)
    raw = bytes(500_000)
    kind, data = compressor.compress(raw)
    assert compressor.decompress(kind, data, len(raw)) == raw


def zstd_bomb(size: int, **options) -> bytes:
    return zstandard.ZstdCompressor(level=1, **options).compress(bytes(size))


@pytest.mark.parametrize(
    ("kind", "data", "size"),
    [
        (1, zlib.compress(bytes(1 << 24)), 1 << 24),  # ratio
        (2, zstd_bomb(1 << 24), 1 << 24),
        (1, zlib.compress(bytes(1 << 20)), 1000),  # the header lies
        (2, zstd_bomb(1 << 20), 1000),
        (2, zstd_bomb(1 << 20, write_content_size=False), 1 << 13),
        (1, zlib.compress(b"abc" * 400), 1199),
        (1, zlib.compress(b"abc" * 400), 1201),
        (1, zlib.compress(b"abc" * 400) + b"more", 1200),
        (2, zstd_bomb(1000) + zstd_bomb(1000), 1000),
        (0, b"abc", 2),
        (0, b"abc", MAX_RAW_BYTES + 1),
        (3, b"\0\0\0\7" + zstd_bomb(1000), 1000),  # a dictionary that nobody gave us
        (9, b"abc", 3),
        (1, b"", 0),
        (2, b"", 0),
    ],
)
def test_bombs_and_lies_are_refused(kind, data, size):
    """Nothing is unpacked beyond its declared size, and no size is believed beyond the bounds."""
    with pytest.raises(CodecError):
        Compressor().decompress(kind, data, size)


def test_a_trained_dictionary_shrinks_small_values():
    """Payloads under the threshold of plain zstd become smaller, and old dictionaries still read."""
    samples = [for_type(None).encode({"id": n, "email": f"user{n}@example.org", "role": "reader"}) for n in range(800)]
    old, new = train(samples, id=1, size=2048), train(samples[:500], id=2, size=2048)
    writer = Compressor(dictionary=old, threshold=16)
    reader = Compressor(dictionary=new, older=[old], threshold=16)
    kind, data = writer.compress(samples[5])
    assert kind == 3
    assert len(data) < len(samples[5])
    assert reader.decompress(kind, data, len(samples[5])) == samples[5]
    with pytest.raises(CodecError):
        Compressor(dictionary=ZstdDictionary(9, new.content)).decompress(kind, data, len(samples[5]))


def test_one_compressor_serves_many_threads():
    """Contexts of zstd are not safe between threads; compressors are."""
    compressor = Compressor(threshold=16)
    raws = [(str(number) * 2000).encode() for number in range(200)]

    def there_and_back(raw: bytes) -> bytes:
        method, data = compressor.compress(raw)
        return compressor.decompress(method, data, len(raw))

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(there_and_back, raws)) == raws


def test_a_dictionary_needs_enough_samples():
    """Too little to learn from is said at once."""
    with pytest.raises(ConfigurationError, match="more of them"):
        train([b"a"], id=1)


@pytest.mark.row("FT17")
def test_sizes_are_capped():
    """16 MiB encoded, 1 MiB stored; both are TooLarge."""
    with pytest.raises(TooLarge):
        packer().pack("x" * (MAX_RAW_BYTES + 1), b"")
    with pytest.raises(TooLarge):
        packer().pack(os.urandom(1 << 20), b"")
    with pytest.raises(TooLarge):
        packer(max_bytes=100).pack("x" * 101, b"")
    assert packer(max_bytes=1 << 21).pack(os.urandom(1 << 20), b"")


def test_the_schema_mixes_the_codec_with_the_users_version():
    """Either one changing makes old entries misses."""
    schemas = {packer(annotation=kind, version=version).schema for kind in (int, str) for version in (1, 2, "a")}
    assert len(schemas) == 6
    assert packer(version=1).schema == packer(version=1).schema
    assert all(len(schema) == 8 for schema in schemas)


def test_a_sealed_entry_opens_only_where_it_was_put():
    """Key, namespace and schema are authenticated: a moved entry is a miss."""
    ring = KeyRing({"a": OLD}, "a")
    home = packer(keyring=ring, namespace="tenant-1")
    payload = home.pack("secret", b"key-1")
    assert b"secret" not in payload
    assert home.unpack(payload, b"key-1") == "secret"
    elsewhere = [
        (home, b"key-2"),
        (packer(keyring=ring, namespace="tenant-2"), b"key-1"),
        (packer(keyring=ring, namespace="tenant-1", version=2), b"key-1"),
        (packer(keyring=ring, namespace="tenant-1", annotation=str), b"key-1"),
        (packer(keyring=ring, namespace="tenant-1k"), b"ey-1"),
    ]
    for other, key in elsewhere:
        with pytest.raises(CodecError):
            other.unpack(payload, key)


def test_a_changed_byte_a_cut_or_an_unsealed_payload_does_not_open():
    """What the seal says is decided by configuration, never by the bytes."""
    sealed, plain = packer(keyring=KeyRing({"a": OLD}, "a")), packer()
    payload = sealed.pack("secret", b"k")
    for at in range(len(payload)):
        changed = bytearray(payload)
        changed[at] ^= 1
        for bad in (bytes(changed), payload[:at]):
            with pytest.raises(CodecError):
                sealed.unpack(bad, b"k")
    with pytest.raises(CodecError):
        sealed.unpack(plain.pack("secret", b"k"), b"k")
    with pytest.raises(CodecError):
        plain.unpack(payload, b"k")


def test_rotation_reads_the_old_key_until_it_retires():
    """Newest seals, all open, a retired key is a miss."""
    before = packer(keyring=KeyRing({"old": OLD}, "old"))
    during = packer(keyring=KeyRing({"old": OLD, "new": NEW}, "new"))
    after = packer(keyring=KeyRing({"new": NEW}, "new"))
    first, second = before.pack(1, b"k"), during.pack(2, b"k")
    assert (during.unpack(first, b"k"), during.unpack(second, b"k"), after.unpack(second, b"k")) == (1, 2, 2)
    with pytest.raises(CodecError, match="not in the ring"):
        after.unpack(first, b"k")
    with pytest.raises(CodecError):
        before.unpack(second, b"k")


def test_no_nonce_is_used_twice_under_one_subkey():
    """Nonces count; two rings of one master key have two salts."""
    rings = [KeyRing({"a": OLD}, "a") for _ in range(2)]
    heads = [ring.seal(b"", b"")[2:30] for ring in rings for _ in range(1000)]
    assert len(set(heads)) == 2000
    numbers = [int.from_bytes(head[16:], "big") for head in heads[:1000]]
    assert all(later == earlier + 1 for earlier, later in pairwise(numbers))


def test_a_forked_child_draws_its_own_salt():
    """Parent and child never count under the same subkey."""
    ring = KeyRing({"a": OLD}, "a")
    ring.seal(b"", b"")
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, ring.seal(b"text", b"place"))
        os._exit(0)
    os.waitpid(child, 0)
    from_child = os.read(read, 1000)
    os.close(read)
    os.close(write)
    assert from_child[2:18] != ring.seal(b"", b"")[2:18]
    assert ring.unseal(from_child, b"place") == b"text"


@pytest.mark.parametrize(
    ("keys", "newest"), [({"a": b"hunter2"}, "a"), ({"a": OLD}, "b"), ({"": OLD}, ""), ({"x" * 256: OLD}, "x" * 256)]
)
def test_a_ring_says_what_is_wrong_with_it(keys, newest):
    """And never shows a key."""
    with pytest.raises(ConfigurationError) as error:
        KeyRing(keys, newest)
    assert "hunter2" not in str(error.value)
    assert OLD.hex() not in repr(KeyRing({"a": OLD}, "a"))


@pytest.mark.row("FT13")
@pytest.mark.parametrize(
    "payload", [b"", b"\0", b"\0\xff", b"\0\xff\xff\xff\xff\xff\xff\xff", b"\x07\x01a", b"\0\x02J"]
)
def test_broken_payloads_are_a_codec_error(payload):
    """Reading raises CodecError and nothing else."""
    with pytest.raises(CodecError):
        packer().unpack(payload, b"")
