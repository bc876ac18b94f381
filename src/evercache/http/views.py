"""What the functions of a rule see of a request and a response: views that read and change nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evercache.http.fields import Fields, combined, values

__all__ = ["Request", "Response"]


class _Headers:
    """Header fields by name, in any case."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Fields) -> None:
        self._fields = fields

    def get(self, name: str, default: str | None = None) -> str | None:
        """The value of a field, its lines joined by commas, or *default*."""
        found = combined(self._fields, name.lower().encode("latin-1"))
        return default if found is None else found

    def getlist(self, name: str) -> list[str]:
        """The value of each line of this name."""
        return values(self._fields, name.lower().encode("latin-1"))

    def __getitem__(self, name: str) -> str:
        found = self.get(name)
        if found is None:
            raise KeyError(name)
        return found

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None


class Request:
    """The request, for `key_by` and `tags`. *path_params* are the fields of the rule's path."""

    __slots__ = ("path_params", "scope")

    def __init__(self, scope: Mapping[str, Any], path_params: Mapping[str, str]) -> None:
        self.scope = scope
        self.path_params = path_params

    @property
    def method(self) -> str:
        return str(self.scope["method"])

    @property
    def path(self) -> str:
        return str(self.scope["path"])

    @property
    def query(self) -> bytes:
        """The query string as it came."""
        return bytes(self.scope.get("query_string", b""))

    @property
    def headers(self) -> _Headers:
        return _Headers(self.scope["headers"])

    @property
    def user(self) -> Any:  # Any: whatever the authentication in front of the cache has put there
        """`scope["user"]`, or None."""
        return self.scope.get("user")

    @property
    def session(self) -> Any:  # Any: as above
        """`scope["session"]`, or None."""
        return self.scope.get("session")

    @property
    def state(self) -> Mapping[str, Any]:
        """`scope["state"]`, or an empty mapping."""
        return self.scope.get("state") or {}


class Response:
    """The head of a response, for `tags`."""

    __slots__ = ("fields", "status")

    def __init__(self, status: int, fields: Fields) -> None:
        self.status = status
        self.fields = fields

    @property
    def headers(self) -> _Headers:
        return _Headers(self.fields)
