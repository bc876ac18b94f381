"""The shapes of decorated functions, for people and type checkers. At run time they are generated functions with these
attributes (`decorators.cached`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from evercache.engine.invalidation import Confirmation
from evercache.engine.loading import Missing

if TYPE_CHECKING:
    from evercache.engine.why import Why

__all__ = ["CachedFunction", "CachedSyncFunction", "Decorator", "ThreadDecorator", "ThreadFunction", "UsingDecorator"]

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
T = ParamSpec("T")
S_co = TypeVar("S_co", covariant=True)


class _Handle(Generic[P, R]):
    """What a cached function can do beside being called. The arguments are those of a call, in any spelling."""

    __name__: str
    __qualname__: str

    async def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> Confirmation:
        """Drop the answer to this call, everywhere; loads that began before can't bring it back."""
        raise NotImplementedError

    async def expire(self, *args: P.args, **kwargs: P.kwargs) -> Confirmation:
        """Make the answer stale: `stale_for` and `fail_safe` may still use it."""
        raise NotImplementedError

    async def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Load anew, whatever is cached, store and return the value."""
        raise NotImplementedError

    async def put(self, value: R, /, *args: P.args, **kwargs: P.kwargs) -> Confirmation:
        """Store *value* as the answer to this call."""
        raise NotImplementedError

    async def peek(self, *args: P.args, **kwargs: P.kwargs) -> R | Missing:
        """The cached answer, or `MISSING`. Never loads."""
        raise NotImplementedError

    async def why(self, *args: P.args, **kwargs: P.kwargs) -> Why:
        """Whether this call would be a hit, and if not, why."""
        raise NotImplementedError

    def key(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """The key of this call in the shared store, without the namespace."""
        raise NotImplementedError

    def key_by(self, maker: Callable[P, object]) -> Callable[P, object]:
        """Decorate a function of the same parameters: what it returns is the key. Before the first call."""
        raise NotImplementedError


class CachedFunction(_Handle[P, R]):
    """A cached coroutine function."""

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        raise NotImplementedError

    @overload
    def __get__(self, instance: None, owner: type) -> CachedFunction[P, R]: ...

    @overload
    def __get__(
        self: CachedFunction[Concatenate[S, T], R], instance: S, owner: type | None = None
    ) -> CachedFunction[T, R]: ...

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        raise NotImplementedError


class CachedSyncFunction(_Handle[P, R]):
    """A cached plain function; what it can do beside being called is asynchronous all the same."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        raise NotImplementedError

    @overload
    def __get__(self, instance: None, owner: type) -> CachedSyncFunction[P, R]: ...

    @overload
    def __get__(
        self: CachedSyncFunction[Concatenate[S, T], R], instance: S, owner: type | None = None
    ) -> CachedSyncFunction[T, R]: ...

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        raise NotImplementedError


class ThreadFunction(Generic[P, R]):
    """A plain function cached by a `SyncCache`: everything it can do waits for its result."""

    __name__: str
    __qualname__: str

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        raise NotImplementedError

    @overload
    def __get__(self, instance: None, owner: type) -> ThreadFunction[P, R]: ...

    @overload
    def __get__(
        self: ThreadFunction[Concatenate[S, T], R], instance: S, owner: type | None = None
    ) -> ThreadFunction[T, R]: ...

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        raise NotImplementedError

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> Confirmation:
        """Drop the answer to this call, everywhere; loads that began before can't bring it back."""
        raise NotImplementedError

    def expire(self, *args: P.args, **kwargs: P.kwargs) -> Confirmation:
        """Make the answer stale: `stale_for` and `fail_safe` may still use it."""
        raise NotImplementedError

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Load anew, whatever is cached, store and return the value."""
        raise NotImplementedError

    def put(self, value: R, /, *args: P.args, **kwargs: P.kwargs) -> Confirmation:
        """Store *value* as the answer to this call."""
        raise NotImplementedError

    def peek(self, *args: P.args, **kwargs: P.kwargs) -> R | Missing:
        """The cached answer, or `MISSING`. Never loads."""
        raise NotImplementedError

    def why(self, *args: P.args, **kwargs: P.kwargs) -> Why:
        """Whether this call would be a hit, and if not, why."""
        raise NotImplementedError

    def key(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """The key of this call in the shared store, without the namespace."""
        raise NotImplementedError

    def key_by(self, maker: Callable[P, object]) -> Callable[P, object]:
        """Decorate a function of the same parameters: what it returns is the key. Before the first call."""
        raise NotImplementedError


class Decorator(Protocol):
    """`@cache.cached(...)`: keeps the signature of what it decorates."""

    @overload
    def __call__(self, function: Callable[P, Awaitable[R]], /) -> CachedFunction[P, R]: ...  # type: ignore[overload-overlap]  # an awaitable is a plain result too: first match wins

    @overload
    def __call__(self, function: Callable[P, R], /) -> CachedSyncFunction[P, R]: ...

    def __call__(self, function: Any, /) -> Any: ...


class ThreadDecorator(Protocol):
    """`@cache.cached(...)` of a `SyncCache`: keeps the signature of the plain function it decorates."""

    def __call__(self, function: Callable[P, R], /) -> ThreadFunction[P, R]: ...


class UsingDecorator(Protocol[S_co]):
    """`@cache.using(scope)`: the first parameter is supplied for each load, and gone from the signature."""

    def __call__(self, function: Callable[Concatenate[S_co, P], Awaitable[R]], /) -> CachedFunction[P, R]: ...
