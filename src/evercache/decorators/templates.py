"""Tag templates: "user:{user_id}" with the values of a call, checked at decoration.

A function among them gets what its parameters are named after, so that it needs no more than it uses. One that names
something else gets all arguments in their order.
"""

from __future__ import annotations

import functools
import inspect
import string
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from evercache.errors import ConfigurationError

__all__ = ["Templates"]

_FORMATTER = string.Formatter()


class Templates:
    """The tags of a call. Texts may use the names of the parameters (and `extra` ones), and so may functions."""

    def __init__(
        self,
        templates: Iterable[str | Callable[..., object]],
        names: Iterable[str],
        where: str,
        extra: tuple[str, ...] = (),
    ) -> None:
        self._names = tuple(names)
        self._fixed: list[str] = []
        self._filled: list[str] = []
        self._called: list[tuple[str, _Maker]] = []
        for template in templates:
            if callable(template):
                self._called.append((_shown(template), _by_name(template, (*self._names, *extra), extra, where)))
            elif _fields(template, where):
                self._check(template, where, (*self._names, *extra))
                self._filled.append(template)
            else:
                self._fixed.append(template.format())
        self._always = tuple(self._fixed)

    def _check(self, template: str, where: str, known: tuple[str, ...]) -> None:
        for name in _fields(template, where):
            if name not in known:
                raise ConfigurationError(
                    f"{where}: the tag {template!r} uses {name!r}, which is none of its names: {', '.join(known) or '(none)'}."
                )

    def render(self, arguments: tuple[Any, ...]) -> tuple[str, ...]:
        """The tags for these arguments, in the order of the signature."""
        if not self._filled and not self._called:
            return self._always
        values: Mapping[str, object] = dict(zip(self._names, arguments, strict=True))
        tags = [*self._fixed, *(_fill(template, values) for template in self._filled)]
        for _, make in self._called:
            tags += _tags(make(arguments, values))
        return tuple(tags)

    def attempt(self, arguments: tuple[Any, ...], **extra: object) -> tuple[tuple[str, ...], Exception | None]:
        """The tags that can be rendered, and the first error of the others: a result may not be what a tag expects."""
        values: Mapping[str, object] = dict(zip(self._names, arguments, strict=True)) | extra
        tags = list(self._fixed)
        failed: Exception | None = None
        makers: list[tuple[str, Callable[[], object]]] = [
            *((template, functools.partial(_fill, template, values)) for template in self._filled),
            *((shown, functools.partial(make, arguments, values)) for shown, make in self._called),
        ]
        for shown, make in makers:
            try:
                tags += _tags(make())
            except Exception as error:  # noqa: BLE001 - a template or a function of the user's
                failed = failed or _not_made(shown, error)
        return tuple(tags), failed


_Maker = Callable[[tuple[Any, ...], Mapping[str, object]], object]
_P = inspect.Parameter


def _by_name(make: Callable[..., object], known: tuple[str, ...], extra: tuple[str, ...], where: str) -> _Maker:
    """*make*, called with those of the values that it names, or with all arguments if it names others."""
    try:
        parameters = tuple(inspect.signature(make).parameters.values())
    except (TypeError, ValueError):  # written in C, without a signature
        return lambda arguments, _: make(*arguments)
    named = [p for p in parameters if p.kind not in (_P.VAR_POSITIONAL, _P.VAR_KEYWORD)]
    wanted = [p for p in named if p.name in known]
    others = [p.name for p in named if p.name not in known and p.default is _P.empty]
    if others and any(p.name in extra for p in named):
        raise ConfigurationError(
            f"{where}: the tag function {_shown(make)} asks for {', '.join(others)}, which is none of its names: "
            f"{', '.join(known)}."
        )
    if others or any(p.kind is _P.VAR_POSITIONAL for p in parameters):
        return lambda arguments, _: make(*arguments)
    placed = [p.name for p in wanted if p.kind is not _P.KEYWORD_ONLY]
    spelled = [p.name for p in wanted if p.kind is _P.KEYWORD_ONLY]
    return lambda _, values: make(*[values[name] for name in placed], **{name: values[name] for name in spelled})


def _fill(template: str, values: Mapping[str, object]) -> str:
    text = template.format_map(values)
    if "0x" in text:
        _demand_no_address(template, values)
    return text


def _demand_no_address(template: str, values: Mapping[str, object]) -> None:
    """A tag with an address in it is one that nobody ever names again: what carries it would never be invalidated."""
    for _, field, _, _ in _FORMATTER.parse(template):
        value = None if field is None else _FORMATTER.get_field(field, (), values)[0]
        if f"0x{id(value):x}" in str(value):
            raise ConfigurationError(
                f"the tag {template!r} would hold the address of an object of type {type(value).__qualname__}; name what "
                f"identifies it, as in {{{field}.id}}."
            )


def _shown(make: Callable[..., object]) -> str:
    return getattr(make, "__qualname__", type(make).__name__)


def _not_made(template: str, error: Exception) -> Exception:
    made = ConfigurationError(
        f"the tag {template!r} can't be made of what the function returned ({type(error).__name__}). The function has "
        "succeeded; its other tags are invalidated, this one isn't."
    )
    made.__cause__ = error
    return made


def _tags(made: object) -> list[str]:
    return [made] if isinstance(made, str) else list(_texts(made))


def _texts(made: object) -> Iterable[str]:
    if not isinstance(made, Iterable):
        raise ConfigurationError(f"a tag function returned {type(made).__name__}; return a text or several.")
    for tag in made:
        if not isinstance(tag, str):
            raise ConfigurationError(f"a tag function returned a {type(tag).__name__} among its tags; tags are texts.")
        yield tag


def _fields(template: object, where: str) -> list[str]:
    """The first names of the fields of a template."""
    if not isinstance(template, str) or not template:
        raise ConfigurationError(f"{where}: a tag is a text that isn't empty, or a function; not {template!r}.")
    try:
        fields = [field for _, field, _, _ in _FORMATTER.parse(template) if field is not None]
    except ValueError as error:
        raise ConfigurationError(f"{where}: the tag {template!r} can't be read: {error}.") from None
    names = [field.partition(".")[0].partition("[")[0] for field in fields]
    if any(not name.isidentifier() for name in names):
        raise ConfigurationError(f"{where}: the tag {template!r} has an empty field; write the parameter's name in it.")
    return names
