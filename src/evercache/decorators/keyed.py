"""`key=`: a name for the function, or, with fields in it, the whole key."""

from __future__ import annotations

import inspect
import string
from collections.abc import Callable

from evercache.decorators.plumbing import study
from evercache.errors import ConfigurationError, KeyEncodingError

__all__ = ["key_template"]


def key_template(
    function: Callable[..., object], key: object, key_by: Callable[..., object] | None
) -> tuple[str, Callable[..., object] | None]:
    """The function's name in keys, and what makes the rest of the key, if its arguments don't simply.

    - nothing: module and qualified name. - "tasks_list": that name; the arguments are appended as always.
    - "task:{task_id}": the text with the arguments filled in is the key. Injected parameters must appear in it.
    - a callable: as *key_by*.
    """
    where = f"{function.__module__}.{function.__qualname__}"
    if callable(key):
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
    return key, _filled(function, key, fields, where)


def _fields(key: str, where: str) -> set[str]:
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(key) if field is not None]
    except ValueError as error:
        raise ConfigurationError(f"{where}: key={key!r} can't be read: {error}.") from None
    return {field.partition(".")[0].partition("[")[0] for field in fields}


def _filled(function: Callable[..., object], key: str, fields: set[str], where: str) -> Callable[..., object]:
    signature = inspect.signature(function)
    unknown = sorted(fields.difference(signature.parameters))
    if unknown:
        raise ConfigurationError(f"{where}: key={key!r} uses {unknown[0]!r}, which is none of its parameters.")
    for parameter in study(function, where, key_chosen=True):
        if parameter.injected and not parameter.skipped and parameter.name not in fields:
            raise KeyEncodingError(
                f"{where}: {parameter.name!r} is injected and not in key={key!r}; if the answer depends on it, put what "
                f"identifies it into the key ({{{parameter.name}.id}}), else write Annotated[..., Skip]."
            )

    def fill(*args: object, **kwargs: object) -> str:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return key.format_map(bound.arguments)

    return fill
