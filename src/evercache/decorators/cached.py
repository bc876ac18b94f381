"""`@cached`: the decorated function, and what it can do beside being called.

At decoration the signature is studied, options are checked and the stand-in is generated; types are only looked at
before the first call, when forward references can be resolved. The stand-in is a plain function with attributes: for
FastAPI, for `inspect` and for a debugger it is the user's function.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import keyword
import threading
from collections.abc import Awaitable, Callable, Hashable, Sequence
from concurrent import futures
from contextlib import AbstractAsyncContextManager
from types import FunctionType
from typing import Any

from evercache.core.options import Options
from evercache.decorators.compile import Stencil
from evercache.decorators.handles import HANDLES, Handles
from evercache.decorators.keyed import KeyTemplate
from evercache.decorators.methods import CachedMethod
from evercache.decorators.parameters import (
    Parameter,
    check_names,
    return_annotation,
    signature_of,
    stands_in_class,
    study,
)
from evercache.decorators.target import demand_function, demand_scope
from evercache.decorators.templates import Templates
from evercache.decorators.workshop import Workshop
from evercache.engine.engine import Engine
from evercache.engine.site import Arguments, Site
from evercache.engine.threads import in_thread
from evercache.errors import ConfigurationError, NotStarted

__all__ = ["Cached", "Scope"]

Scope = Callable[[], AbstractAsyncContextManager[Any]]
_NOTHING = Options()


class Cached:
    """Everything about one decorated function. `stand_in` is what the user gets.

    *options* are its own, *inherited* those of its named cache. *scope* supplies the first parameter for each load
    (`using`); *key_by* makes the key from the arguments, or says which of their parts are in it.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str,
        options: Options,
        inherited: Options = _NOTHING,
        key_by: Callable[..., object] | KeyTemplate | None = None,
        scope: Scope | None = None,
    ) -> None:
        self.function = demand_function(function)
        self.name = name
        self.options = inherited | options
        self.where = f"{function.__module__}.{function.__qualname__}"
        self.is_async = inspect.iscoroutinefunction(function)
        self.scope = scope
        if scope is not None:
            demand_scope(scope, self.where)
        self.template = key_by if isinstance(key_by, KeyTemplate) else None
        self.chosen = None if isinstance(key_by, KeyTemplate) else key_by
        picked = {name: self.template.by(name) for name in self.template.fields} if self.template is not None else {}
        parameters = study(
            function, self.where, key_chosen=self.chosen is not None, supplied=scope is not None, picked=picked
        )
        check_names(parameters, self.where)
        self.parameters: tuple[Parameter, ...] = parameters
        self.keyed = tuple(number for number, parameter in enumerate(parameters) if not parameter.skipped)
        self.borrowed = any(parameter.skipped for parameter in parameters)
        self.templates = self._templates(self.options)
        self._check(options)
        self.site: Site | None = None
        self.workshop: Workshop | None = None
        self._find: Callable[[], Workshop] | None = None
        self._lock = threading.RLock()
        self.stencil = Stencil(_plain(function.__name__), parameters, is_async=self.is_async)
        self._call = self.stencil.caller(function) if scope is None else self._call_in_scope
        self._make_binders()
        self.stencil.namespace.update(_ec_table={}, _ec_site=self, _ec_read=_refuse, _ec_key_by=self.chosen)
        self.stand_in = self._dressed(self.stencil.wrapper(copies=True, chosen_key=self.chosen is not None))

    def _make_binders(self) -> None:
        chosen = self.chosen is not None
        self.bind: Callable[..., tuple[Hashable, Arguments]] = self.stencil.key_maker(chosen_key=chosen)
        self.bind_all: Callable[..., tuple[Hashable, Arguments]] = self.stencil.key_maker(
            chosen_key=chosen, complete=True
        )

    def _check(self, options: Options) -> None:
        """What was said about this function itself; what it inherits and can't use is dropped in `_merged`."""
        self.options.resolve(self.where)
        if self.borrowed and (options.stale_for is not None or options.early):
            names = ", ".join(parameter.name for parameter in self.parameters if parameter.skipped)
            raise ConfigurationError(
                f"{self.where}: stale_for and early reload in the background, when the caller's {names} may be closed. "
                "Let the cache open one for each load: @cache.using(scope)."
            )

    # -- binding to a cache --------------------------------------------------------------------------------------

    def belong(self, workshop: Workshop) -> None:
        """Use *workshop*'s cache from the next call on."""
        with self._lock:
            if self.workshop is not workshop:
                self._move(workshop)

    def _move(self, workshop: Workshop) -> None:
        engine = workshop.engine
        self._demand_secret(workshop)
        options = self._merged(workshop)
        options.resolve(self.where)
        workshop.claim(self.name, self, self.where)
        self.templates = self._templates(options)
        self.workshop, self.site = workshop, None
        engine.decorated.add(self)
        self.stencil.namespace.update(
            _ec_table={},  # empty: the first call comes to `prepared`
            _ec_read=self._first_read if self.is_async else self._first_read_sync,
            _ec_clock=engine.clock.monotonic,
            _ec_l1=engine.l1,
            _ec_stats=engine.statistics.of(self.name),
        )

    def belong_later(self, find: Callable[[], Workshop]) -> None:
        """Use the cache that *find* gives, from the first call on."""
        self._find = find
        read = self._first_read if self.is_async else self._first_read_sync
        self.stencil.namespace.update(_ec_table={}, _ec_read=read)

    def _templates(self, options: Options) -> Templates:
        return Templates(options.tags or (), [parameter.name for parameter in self.parameters], self.where)

    def _merged(self, workshop: Workshop) -> Options:
        """The options of the cache, the named cache and the function. A borrowed load can't reload behind its caller,
        so that what others say about it doesn't concern it."""
        options = workshop.defaults | self.options
        if not self.borrowed:
            return options
        soft = options.soft_timeout if options.fail_safe is not None else None
        return dataclasses.replace(options, stale_for=None, early=None, soft_timeout=soft)

    @property
    def place(self) -> object:
        """Where the function is written: decorating it again (a reload) is no second function, unless it closes over
        something that may be different each time. Of lambdas, a line may hold several."""
        code = inspect.unwrap(self.function).__code__
        if self.function.__closure__:
            return self.function
        return code if code.co_name == "<lambda>" else (code.co_filename, code.co_firstlineno)

    def _demand_secret(self, workshop: Workshop) -> None:
        personal = [parameter.name for parameter in self.parameters if parameter.personal]
        if personal and workshop.engine.shares and not workshop.secret:
            raise ConfigurationError(
                f"{self.where}: {', '.join(personal)} is Personal and this cache is shared through Redis. Set CACHE_SECRET "
                "(or secret=) to the same random text in all processes, so that keys can't be guessed."
            )

    def prepared(self) -> Site:
        """The site; types are looked at now. Threads that come together get the same one."""
        site = self.site
        if site is not None:
            return site
        with self._lock:
            if self.workshop is None and self._find is not None:
                self.belong(self._find())
            if self.site is None:
                self.site = self._prepare()
            return self.site

    def _prepare(self) -> Site:
        if self.workshop is None:
            raise NotStarted(f"{self.where} belongs to no cache yet.")
        site = self.workshop.site(
            self.name,
            options=self._merged(self.workshop),
            annotation=return_annotation(self.function),
            load=self._load_async if self.is_async else self._load_sync,
            parts=self._parts_maker(),
            tags=self.templates.render,
            borrowed=self.borrowed,
            spelled=None if self.template is None else self._spelled,
        )
        # Calls that run now may still use the old code, which copies: so there is always something to call.
        self.stencil.namespace.update(
            _ec_table=site.table,
            _ec_site=site,
            _ec_copy=site.copy or _same,
            _ec_read=self.workshop.engine.reader.read if self.is_async else self._read_sync,
        )
        code = self.stencil.wrapper(copies=site.copy is not None, chosen_key=self.chosen is not None).__code__
        self.stand_in.__code__ = code
        return site

    def _spelled(self, parts: Sequence[object]) -> str:
        if self.template is None:
            raise TypeError("no template")
        names = [self.parameters[number].name for number in self.keyed]
        return self.name.removesuffix(self.template.text) + self.template.spelled(names, parts)

    def _parts_maker(self) -> Callable[[Arguments], tuple[object, ...]]:
        """What takes the parts of the key from the arguments. Mostly they are simply all of them, as they are."""
        chosen = self.chosen is not None
        if not chosen and all(not parameter.skipped and parameter.by is None for parameter in self.parameters):
            return _same
        return self._parts

    def _parts(self, arguments: Arguments) -> tuple[object, ...]:
        if self.chosen is not None:
            return (self.stencil.call_key_by(arguments),)
        return tuple(self._part(number, arguments[number]) for number in self.keyed)

    def _part(self, number: int, value: object) -> object:
        by = self.parameters[number].by
        return value if by is None else by(value)

    # -- loading -------------------------------------------------------------------------------------------------

    async def _load_async(self, *arguments: Any) -> Any:
        return await self._call(*arguments)

    async def _load_sync(self, *arguments: Any) -> Any:
        return self._no_awaitable(await in_thread(self._call, *arguments))

    def _no_awaitable(self, value: Any) -> Any:
        if not inspect.isawaitable(value):
            return value
        if inspect.iscoroutine(value):
            value.close()
        raise ConfigurationError(
            f"{self.where} is a plain function that returns an awaitable, which can be awaited only once. Cache the "
            "coroutine function below its other decorators, or write those with async def."
        )

    async def _call_in_scope(self, *arguments: Any) -> Any:
        """Open the scope for this load, hand over what it gives, close it."""
        if self.scope is None:
            raise TypeError("no scope")
        async with self.scope() as supplied:
            made = self.stencil.call_with(self.function, supplied, arguments)
            return await made

    # -- reading -------------------------------------------------------------------------------------------------

    def _first_read(self, _: object, key: Hashable, arguments: Arguments) -> Awaitable[Any]:
        site = self.prepared()
        return self.engine.reader.read(site, key, arguments)

    def _first_read_sync(self, _: object, key: Hashable, arguments: Arguments) -> Any:
        return self._read_sync(self.prepared(), key, arguments)

    def _read_sync(self, site: Site, key: Hashable, arguments: Arguments) -> Any:
        engine = self.engine
        if engine.on_its_loop():
            # A plain function that is called on the loop itself can't wait for it; it runs as if it weren't cached.
            return self._no_awaitable(self._call(*arguments))
        try:
            return engine.portal().run(engine.reader.read(site, key, arguments))
        except futures.CancelledError:  # the cache was stopped while we waited
            return self._no_awaitable(self._call(*arguments))

    @property
    def engine(self) -> Engine:
        if self.workshop is None:
            self.prepared()
        if self.workshop is None:
            raise NotStarted(f"{self.where} belongs to no cache yet.")
        return self.workshop.engine

    def handle(self) -> Any:
        """What the user gets: the stand-in, or for a method a descriptor that knows its instance."""
        first = next(iter(self.parameters), None)
        is_method = first is not None and first.name == "self" and stands_in_class(self.function)
        return CachedMethod(self.stand_in) if is_method else self.stand_in

    # -- what it looks like --------------------------------------------------------------------------------------

    def _dressed(self, stand_in: FunctionType) -> FunctionType:
        dressed: Any = functools.update_wrapper(stand_in, self.function)
        if self.scope is not None:
            signature = signature_of(self.function)
            dressed.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])
        dressed._cached = self
        handles = Handles(self)
        for handle in HANDLES:
            setattr(dressed, handle, getattr(handles, handle))
        return stand_in

    def choose_key(self, maker: Callable[..., object]) -> None:
        """*maker* makes the key from now on."""
        if self.site is not None:
            raise ConfigurationError(
                f"{self.where}: key_by comes before the first call; entries with other keys exist."
            )
        if self.template is not None:
            raise ConfigurationError(f"{self.where}: key={self.template.text!r} makes the key, and so does key_by.")
        self.chosen = maker
        self.stencil.namespace["_ec_key_by"] = maker
        self.stand_in.__code__ = self.stencil.wrapper(copies=True, chosen_key=True).__code__
        self._make_binders()


async def _refuse(*_: object) -> Awaitable[Any]:
    raise NotStarted("this function belongs to no cache yet")


def _plain(name: str) -> str:
    """A name for the generated function; a lambda has none."""
    fine = name.isidentifier() and not keyword.iskeyword(name) and name != "__debug__"
    return name if fine else "cached_function"


def _same(value: Any) -> Any:
    return value
