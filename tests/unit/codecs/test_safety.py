"""Reading bytes runs nobody's code: no import, no compile, no exec, no unpickling, whatever the bytes."""

from __future__ import annotations

import ast
import marshal
import pickle
import random
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from evercache.codecs import envelope
from evercache.core.record import Record
from evercache.errors import CodecError

PACKAGE = Path(envelope.__file__).parents[1]
FORBIDDEN = {"pickle", "_pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle", "yaml"}


def imported(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.row("W7", "S2.24")
@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_imports_a_format_that_runs_code(path):
    """No pickle, marshal or shelve in any file of the package, however indented."""
    assert not imported(ast.parse(path.read_text(encoding="utf-8"))) & FORBIDDEN


HOSTILE = """
    import pickle, random, sys
    from dataclasses import dataclass
    from pydantic import BaseModel
    from evercache.codecs import envelope
    from evercache.codecs.choose import for_type
    from evercache.codecs.compress import Compressor
    from evercache.codecs.exceptions import decode_exception
    from evercache.codecs.packer import Packer
    from evercache.codecs.sealed import KeyRing
    from evercache.core.record import Record
    from evercache.errors import CodecError

    class Bomb:
        def __reduce__(self):
            return eval, ("__import__('os').system('true')",)

    @dataclass
    class Line:
        name: str
        parts: list[int]

    class User(BaseModel):
        id: int

    values = {None: [1, (2, {3}), Line("a", [1])][:2], Line: Line("a", [1]), list[User]: [User(id=1)], Line | list: Line("b", [])}
    packers = []
    for annotation, value in values.items():
        for ring in (None, KeyRing({"a": bytes(32)}, "a")):
            packer = Packer(for_type(annotation), compressor=Compressor(threshold=1), keyring=ring)
            packers.append((packer, packer.pack(value, b"k")))
    inputs = [
        *(pickle.dumps(Bomb(), protocol) for protocol in range(6)),
        b"!!python/object/apply:os.system ['true']", b"c__builtin__\\neval\\n(S'1'\\ntR.",
        b'J{"py/object": "os.system", "__reduce__": [1]}', b'J{"lc": 1, "type": "constructor", "id": ["os", "system"]}',
    ]
    chance = random.Random(5)
    for _, payload in packers:
        for _ in range(300):
            changed = bytearray(payload)
            for _ in range(chance.randint(1, 4)):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
            inputs.append(bytes(changed))
    inputs += [chance.randbytes(chance.randint(0, 60)) for _ in range(2000)]
    records = [envelope.pack(Record(bytes(16), b"", b"", payload=data)) for data in inputs]

    bad = []
    armed = False

    def hook(event, args):
        if armed and (event in ("exec", "compile", "import", "open", "subprocess.Popen", "os.system")
                      or event.startswith(("pickle", "marshal", "code.", "ctypes", "socket", "object.__"))):
            bad.append((event, str(args)[:80]))

    sys.addaudithook(hook)
    armed = True
    read = failed = 0
    for data in [*inputs, *records]:
        record = envelope.unpack(data)
        for packer, _ in packers:
            for payload in (data, record.payload if record else data, b"\\0" + bytes((len(data) & 127,)) + data[:127]):
                try:
                    packer.unpack(payload, b"k")
                    read += 1
                except CodecError:
                    failed += 1
        decode_exception(data, (KeyError, ValueError))
    for packer, payload in packers:
        packer.unpack(payload, b"k")
    armed = False
    assert failed > 10_000 and read > 0, (failed, read)
    print("events:", bad)
"""


@pytest.mark.row("W7", "FT13")
def test_reading_any_bytes_raises_no_event_of_imported_compiled_or_executed_code():
    """
    An audit hook is armed while pickles, constructors in JSON, mutated payloads and noise are read by every codec.

    In a process of its own, because an audit hook can't be removed.
    """
    source = str(PACKAGE.parent)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(HOSTILE)],
        env={"PYTHONPATH": source},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.stdout.strip() == "events: []", done.stderr


@pytest.mark.row("W7")
def test_a_pickle_in_the_place_of_an_entry_is_a_miss():
    """Neither the envelope nor any codec reads one."""
    from evercache.codecs.choose import for_type

    for data in (pickle.dumps({"a": 1}), marshal.dumps({"a": 1})):
        assert envelope.unpack(data) is None
        with pytest.raises(CodecError):
            for_type(None).decode(data)


@pytest.mark.row("W18")
def test_compressed_and_sealed_bytes_are_never_taken_for_text():
    """Values above the threshold and values with dates are stored and read back, sealed."""
    from datetime import UTC, datetime

    from evercache.codecs.choose import for_type
    from evercache.codecs.compress import Compressor
    from evercache.codecs.packer import Packer
    from evercache.codecs.sealed import KeyRing

    packer = Packer(
        for_type(None), compressor=Compressor(), keyring=KeyRing({"a": random.Random(1).randbytes(32)}, "a")
    )
    for value in ("x" * 5000, {"at": datetime(2024, 1, 1, tzinfo=UTC)}, [1.5] * 1000):
        record = Record(bytes(16), b"n", b"0-0", payload=packer.pack(value, b"k"))
        back = envelope.unpack(envelope.pack(record))
        assert back is not None
        assert packer.unpack(back.payload, b"k") == value
