"""Structured fields (RFC 9651, and its elder RFC 8941): dictionaries and lists read, items written.

A structured field is right as a whole or it isn't there: one misplaced character and the parsers answer None, as every
field that is defined this way asks for. Numbers, strings, tokens, byte sequences, booleans, dates and display strings
are read; only what Cache-Status needs is written.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

__all__ = ["Bare", "Date", "Display", "Item", "Token", "parse_dictionary", "parse_list", "serialize"]


class Token(str):
    """A bare word, such as `uri-miss`; not equal to the same word as a string would be in a field."""

    __slots__ = ()


class Display(str):
    """A string of any characters, sent as %"…" (RFC 9651 §3.3.8)."""

    __slots__ = ()


class Date(int):
    """Seconds since the epoch, sent as @… (RFC 9651 §3.3.7)."""

    __slots__ = ()


Bare = bool | int | float | str | bytes


@dataclass(frozen=True, slots=True)
class Item:
    """A member of a list or a dictionary: a bare value, or an inner list, with parameters."""

    value: Bare | tuple[Item, ...]
    parameters: dict[str, Bare]


class _Malformed(Exception):
    """The field as a whole is to be ignored."""


_KEY = re.compile(r"[a-z*][a-z0-9_\-.*]*")
_TOKEN = re.compile(r"[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*")
_NUMBER = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?")
_STRING = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_DISPLAY = re.compile(r'%"((?:[ !#-$&-~]|%[0-9a-f]{2})*)"')
_BYTES = re.compile(r":([A-Za-z0-9+/=]*):")
_BOOLEAN = re.compile(r"\?([01])")
_SPACES: Final = " "
_OWS: Final = " \t"


def parse_dictionary(text: str) -> dict[str, Item] | None:
    """The members by name (the last one of a name counts), or None for what is no dictionary."""
    reader = _Reader(text)
    found: dict[str, Item] = {}
    try:
        for _ in reader.members():
            key = reader.key()
            found[key] = reader.member() if reader.took("=") else Item(value=True, parameters=reader.parameters())
    except _Malformed:
        return None
    return found


def parse_list(text: str) -> list[Item] | None:
    """The members in order, or None for what is no list."""
    reader = _Reader(text)
    try:
        return [reader.member() for _ in reader.members()]
    except _Malformed:
        return None


def serialize(value: Bare, parameters: dict[str, Bare] | None = None) -> str:
    """A bare item with its parameters. Raises ValueError for what has no written form here."""
    text = _serialize_bare(value)
    for name, parameter in (parameters or {}).items():
        text += f";{name}" if parameter is True else f";{name}={_serialize_bare(parameter)}"
    return text


def _serialize_bare(value: Bare) -> str:
    if isinstance(value, bool):
        return f"?{value:d}"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Token) and _TOKEN.fullmatch(value):
        return str(value)
    if isinstance(value, str) and not isinstance(value, Token) and value.isascii() and value.isprintable():
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    raise ValueError(f"{value!r} has no form in a structured field; use integers, booleans and printable ASCII.")


class _Reader:
    """One pass over the text, left to right (RFC 9651 §4.2)."""

    def __init__(self, text: str) -> None:
        self.text = text.strip(_SPACES)
        self.at = 0

    def took(self, character: str) -> bool:
        if not self.text.startswith(character, self.at):
            return False
        self.at += 1
        return True

    def skip(self, characters: str) -> None:
        while self.at < len(self.text) and self.text[self.at] in characters:
            self.at += 1

    def match(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = pattern.match(self.text, self.at)
        if found is None:
            raise _Malformed
        self.at = found.end()
        return found

    def members(self) -> Iterator[None]:
        """Stands at each member in turn; the caller reads it."""
        while self.at < len(self.text):
            yield
            self.skip(_OWS)
            if self.at < len(self.text):
                self._comma()

    def _comma(self) -> None:
        if not self.took(","):
            raise _Malformed
        self.skip(_OWS)
        if self.at == len(self.text):  # a comma at the end
            raise _Malformed

    def key(self) -> str:
        return self.match(_KEY)[0]

    def member(self) -> Item:
        if not self.took("("):
            return self.item()
        inner: list[Item] = []
        self.skip(_SPACES)
        while not self.took(")"):
            inner.append(self.item())
            if self.text[self.at : self.at + 1] not in (" ", ")"):
                raise _Malformed
            self.skip(_SPACES)
        return Item(tuple(inner), self.parameters())

    def item(self) -> Item:
        return Item(self.bare(), self.parameters())

    def parameters(self) -> dict[str, Bare]:
        found: dict[str, Bare] = {}
        while self.took(";"):
            self.skip(_SPACES)
            key = self.key()
            found[key] = self.bare() if self.took("=") else True
        return found

    def bare(self) -> Bare:
        first = self.text[self.at : self.at + 1]
        if first == '"':
            return re.sub(r"\\(.)", r"\1", self.match(_STRING)[1])
        if first == "?":
            return self.match(_BOOLEAN)[1] == "1"
        if first == ":":
            return _bytes(self.match(_BYTES)[1])
        if first == "%":
            return _display(self.match(_DISPLAY)[1])
        if first == "@":
            self.at += 1
            return self._date()
        if first == "-" or (first.isascii() and first.isdigit()):
            return self._number()
        return Token(self.match(_TOKEN)[0])

    def _date(self) -> Date:
        number = self._number()
        if isinstance(number, float):
            raise _Malformed
        return Date(number)

    def _number(self) -> int | float:
        found = self.match(_NUMBER)
        sign, whole, fraction = found.groups()
        if fraction is None and len(whole) <= 15 and not self.text.startswith(".", self.at):
            return int(sign + whole)
        if fraction is None or len(whole) > 12 or len(fraction) > 3:
            raise _Malformed
        return float(f"{sign}{whole}.{fraction}")


def _bytes(text: str) -> bytes:
    try:
        return b64decode(text + "=" * (-len(text) % 4), validate=True)  # padding may be left away (RFC 9651 §4.2.7)
    except binascii.Error:
        raise _Malformed from None


def _display(text: str) -> Display:
    data = re.sub(rb"%([0-9a-f]{2})", lambda found: bytes.fromhex(found[1].decode()), text.encode("ascii"))
    try:
        return Display(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise _Malformed from None
