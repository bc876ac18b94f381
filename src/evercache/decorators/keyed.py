"""`key=`: a name for the function, or, with fields in it, a name that shows its arguments.

    "tasks_list"            that name; the arguments are appended, as always
    "task:{task_id}"        the argument stands where the field is
    "task:{task_id}:{user.id}"    of *user*, only the id is part of the key
    a function              as key_by

Fields choose what of an argument is part of the key and where a reader sees it; they never make a text of it, so that
("a:b", "c") and ("a", "b:c") stay two keys. Parameters without a field are appended: leaving one out by accident is how
a search for twenty results answers one for fifty. Who means it writes Annotated[..., Skip].
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from evercache.core.readable import readable_items, readable_part
from evercache.decorators.parameters import signature_of
from evercache.errors import ConfigurationError

__all__ = ["KeyTemplate", "key_template"]

_FORMATTER = string.Formatter()


def key_template(
    function: Callable[..., object], key: object, key_by: Callable[..., object] | None
) -> tuple[str, Callable[..., object] | KeyTemplate | None]:
    """The function's name in keys (module and qualified name without *key*), and what makes the rest of the key, if its
    arguments don't simply."""
    where = f"{function.__module__}.{function.__qualname__}"
    if callable(key):
        if key_by is not None:
            raise ConfigurationError(f"{where}: key is a function, and so is key_by; give one of them.")
        key_by, key = key, None
    if key is None:
        return where, key_by
    if not isinstance(key, str) or not key:
        raise ConfigurationError(f"{where}: key={key!r} is neither a text nor a function.")
    fields = _fields(key, where)
    if not fields:
        return key.format(), key_by
    if key_by is not None:
        raise ConfigurationError(f"{where}: key={key!r} makes the key, and so does key_by; choose one.")
    unknown = sorted(fields.keys() - signature_of(function).parameters.keys())
    if unknown:
        raise ConfigurationError(f"{where}: key={key!r} uses {unknown[0]!r}, which is none of its parameters.")
    return key, KeyTemplate(key, fields)


class KeyTemplate:
    """What a key text with fields says: *fields* are those of each parameter, as they are written."""

    def __init__(self, text: str, fields: Mapping[str, Sequence[str]]) -> None:
        self.text = text
        self.fields = fields

    def by(self, name: str) -> Callable[[Any], object] | None:
        """What makes the part of the key from this argument; None if it is the argument itself."""
        fields = self.fields[name]
        if list(fields) == [name]:
            return None
        takes = [_taker(name, field) for field in fields]
        return takes[0] if len(takes) == 1 else lambda value: tuple(take(value) for take in takes)

    def spelled(self, names: Sequence[str], parts: Sequence[object]) -> str:
        """The readable text of a key; *parts* are its parts, of the parameters *names*."""
        texts: dict[str, str] = {}
        rest: list[str] = []
        for name, part in zip(names, parts, strict=True):
            fields = self.fields.get(name)
            if fields is None:
                rest.append(readable_part(part))
            elif len(fields) == 1:
                texts[fields[0]] = readable_part(part)
            else:
                texts |= zip(fields, readable_items(part), strict=True)
        filled = "".join(
            literal + ("" if field is None else texts[_whole(field, spec, conversion)])
            for literal, field, spec, conversion in _FORMATTER.parse(self.text)
        )
        return ":".join((filled, *rest))


def _fields(key: str, where: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    try:
        for _, field, spec, conversion in _FORMATTER.parse(key):
            if field is not None:
                whole = _whole(field, spec, conversion)
                fields = found.setdefault(field.partition(".")[0].partition("[")[0], [])
                if whole not in fields:
                    fields.append(whole)
    except ValueError as error:
        raise ConfigurationError(f"{where}: key={key!r} can't be read: {error}.") from None
    return found


def _whole(field: str, spec: str | None, conversion: str | None) -> str:
    return field + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")


def _taker(name: str, field: str) -> Callable[[Any], object]:
    """What a field takes of an argument: an attribute or item as it is; with a conversion or a format, a text."""
    if "!" in field or ":" in field:
        return lambda value: _FORMATTER.vformat(f"{{{field}}}", (), {name: value})
    return lambda value: _FORMATTER.get_field(field, (), {name: value})[0]
