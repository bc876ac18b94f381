"""Which paths a rule covers: a template as frameworks write it, `/boardrooms/{id}` or `/files/{rest:path}`.

A template matches a path as the framework decodes it, whole and with its case. Whether the framework then chose the
very endpoint of this template is asked before anything is stored (`routes.routed`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from evercache.errors import ConfigurationError

__all__ = ["PathTemplate", "fields_of", "fill"]

_FIELD = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(?::([a-z]+))?\}")
_NO_STEPS = r"(?!(?:.*/)?\.\.?(?:/|\Z))"  # no segment of the path is "." or ".."
_KINDS = {
    "str": "[^/]+",
    "path": ".*",
    "int": "[0-9]+",
    "float": r"[0-9]+(?:\.[0-9]+)?",
    "uuid": "[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}",
}


class PathTemplate:
    """One template. With *prefix*, it covers everything below it: `/a` covers `/a/b`, but neither `/a-b` nor what steps
    out of it in the eyes of a server behind (`/a/../b`).

    Raises ConfigurationError for a text that is no template.
    """

    def __init__(self, text: str, *, prefix: bool = False) -> None:
        if not text.startswith("/"):
            raise ConfigurationError(f"Rule({text!r}): a path begins with '/'.")
        self.text = text
        self.prefix = prefix
        self.names = tuple(match[1] for match in _FIELD.finditer(text))
        if len(set(self.names)) < len(self.names):
            raise ConfigurationError(f"Rule({text!r}): two fields have one name.")
        pieces: list[str] = []
        at = 0
        for match in _FIELD.finditer(text):
            kind = match[2] or "str"
            if kind not in _KINDS:
                raise ConfigurationError(f"Rule({text!r}): {kind!r} is not among {', '.join(sorted(_KINDS))}.")
            pieces += [self._literal(text[at : match.start()]), f"(?P<{match[1]}>{_KINDS[kind]})"]
            at = match.end()
        pieces.append(self._literal(text[at:]))
        if prefix:
            pieces = [_NO_STEPS, *pieces, ".*" if text.endswith("/") else "(?:/.*)?"]
        self._pattern = re.compile("".join(pieces), re.DOTALL)

    def _literal(self, text: str) -> str:
        if "{" in text or "}" in text or "*" in text or "?" in text:
            raise ConfigurationError(
                f"Rule({self.text!r}): write the path of a route, with fields like {{id}}; there are no other patterns."
            )
        return re.escape(text)

    def match(self, path: str) -> dict[str, str] | None:
        """The fields of *path*, or None if it isn't covered."""
        found = self._pattern.fullmatch(path)
        return None if found is None else found.groupdict()

    def __repr__(self) -> str:
        return f"PathTemplate({self.text!r})"


def fields_of(template: str) -> tuple[str, ...]:
    """The names of the fields of a tag template ("boardroom:{id}")."""
    return tuple(match[1] for match in _FIELD.finditer(template))


def fill(template: str, values: Mapping[str, str]) -> str:
    """*template* with its fields filled in."""
    return _FIELD.sub(lambda match: values[match[1]], template)
