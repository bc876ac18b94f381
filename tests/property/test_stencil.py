"""The generated code binds any call to any signature exactly as Python does."""

from __future__ import annotations

import inspect
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercache import Cache, Skip
from evercache.core.keys import encode
from evercache.core.options import Options
from evercache.decorators.cached import Cached

POSITIONAL, EITHER, KEYWORD = "/", "", "*"
ANNOTATIONS = {
    "": None, ": int": int, ": str": str, ": bool": bool, ": int | None": int | None, ": str | None": str | None,
    ": list[int]": list[int], ": Plumbing": None,
}  # fmt: skip
Plumbing = Annotated[object, Skip]

VALUES = st.sampled_from([None, True, False, 0, 1, 1.0, -1, 2**61, 2**61 - 1, "", "1", "a", (), (1,), b"a"])


@st.composite
def signatures(draw):
    """The text of a parameter list, as anybody could write it."""
    names = iter("abcdefgh")
    parts, optional = [], False
    for kind in (POSITIONAL, EITHER):
        count = draw(st.integers(0, 2))
        for _ in range(count):
            optional = draw(st.booleans()) or optional
            text = next(names) + draw(st.sampled_from(sorted(ANNOTATIONS)))
            parts.append(text + (" = 0" if optional else ""))
        if kind == POSITIONAL and count:
            parts.append("/")
    if draw(st.booleans()):
        parts.append("*args")
        starred = True
    else:
        starred = False
    for number in range(draw(st.integers(0, 2))):
        if number == 0 and not starred:
            parts.append("*")
        text = next(names) + draw(st.sampled_from(sorted(ANNOTATIONS)))
        parts.append(text + (" = 0" if draw(st.booleans()) else ""))
    if draw(st.booleans()):
        parts.append("**kwargs")
    return ", ".join(parts)


calls = st.tuples(st.lists(VALUES, max_size=5), st.dictionaries(st.sampled_from("abcdefghxy"), VALUES, max_size=4))


def made(signature):
    """A function with this parameter list, cached."""
    space = {"Plumbing": Plumbing}
    exec(f"async def function({signature}): return locals()", space)  # noqa: S102 - the parameter list is generated
    return Cached(space["function"], name="function", options=Options())


def bound(cached, args, kwargs):
    """What the interpreter makes of the call, in the order of the signature; None if it refuses it."""
    try:
        running = cached.function(*args, **kwargs)
    except TypeError:
        return None
    with pytest.raises(StopIteration) as done:
        running.send(None)
    return {parameter.name: done.value.value[parameter.name] for parameter in cached.parameters}


@pytest.mark.row("W34", "W35")
@given(signatures(), calls, calls)
def test_calls_are_bound_as_python_binds_them(text, one, other):
    """The same arguments or the same refusal; one key for one call, two keys for two."""
    cached = made(text)
    places, told = [], []
    for args, kwargs in (one, other):
        expected = bound(cached, args, kwargs)
        if expected is None:
            with pytest.raises(TypeError):
                cached.bind_all(*args, **kwargs)
            return
        place, arguments = cached.bind_all(*args, **kwargs)
        assert arguments == tuple(expected.values())
        assert (place, arguments) == cached.bind(*args, **kwargs)
        keyed = [value for value, parameter in zip(arguments, cached.parameters, strict=True) if not parameter.skipped]
        places.append(place)
        told.append(encode(keyed))
        hash(place)
    assert (places[0] == places[1]) == (told[0] == told[1])


@given(signatures(), calls)
async def test_the_function_is_called_with_what_was_bound(text, call):
    """Each argument reaches the parameter it was meant for, in the way its parameter wants it."""
    cached = made(text)
    expected = bound(cached, *call)
    if expected is not None:
        _, arguments = cached.bind_all(*call[0], **call[1])
        assert await cached._call(*arguments) == expected


@given(signatures(), calls)
def test_plumbing_may_be_left_out_by_name(text, call):
    """Without it the key is the same, as long as what stands behind it is given by name."""
    cached = made(text)
    expected = bound(cached, *call)
    nameless = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL}
    if expected is None or nameless & {parameter.kind for parameter in cached.parameters}:
        return
    given_by_name = {}
    for parameter in cached.parameters:
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            given_by_name |= expected[parameter.name]
        elif not parameter.skipped:
            given_by_name[parameter.name] = expected[parameter.name]
    place, _ = cached.bind(**given_by_name)
    assert place == cached.bind(*call[0], **call[1])[0]


@given(signatures(), calls)
def test_a_key_reads_the_same_from_l1_and_on_the_way_to_the_store(text, call):
    """A glob must mean the same entries in every process, whether they stand in its memory or come from Redis."""
    cached = made(text)
    if bound(cached, *call) is None:
        return
    cached.belong(Cache(namespace="texts")._workshop)
    place, arguments = cached.bind_all(*call[0], **call[1])
    site = cached.prepared()
    assert site.text(place) == site.request(place, arguments).key.text
