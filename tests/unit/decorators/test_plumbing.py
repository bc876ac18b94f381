"""Which parameters are part of a key: identity always, plumbing never, and what is neither is an error."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, NewType, Protocol, TypeVar

import httpx
import pytest
import redis.asyncio
from fastapi import BackgroundTasks, Depends, Query, Request, Response, Security, WebSocket
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from starlette.background import BackgroundTasks as StarletteTasks
from typing_extensions import TypeAliasType

from evercache import Cache, KeyBy, Personal, Skip
from evercache.decorators.parameters import return_annotation, study
from evercache.errors import ConfigurationError, KeyEncodingError
from evercache.stores.local import MemoryStore

T = TypeVar("T")


class Base(DeclarativeBase):
    pass


class Account(Base):
    __tablename__ = "accounts"
    id: Mapped[int] = mapped_column(primary_key=True)


@dataclass
class User:
    id: int


class Viewer(BaseModel):
    id: int


class Client:
    pass


class Paying(httpx.AsyncClient):
    pass


class Source(Protocol):
    async def find(self) -> int: ...


class Box(Generic[T]):
    pass


Db = Annotated[AsyncSession, Depends(lambda: None)]


def parameter(function):
    (found,) = study(function, "here")
    return found


def taking(annotation, default=None):
    """A function with one parameter of this annotation."""

    async def function(x):
        return x

    function.__annotations__["x"] = annotation
    function.__defaults__ = None if default is None else (default,)
    return function


@pytest.mark.row("S0.26")
@pytest.mark.parametrize(
    "annotation",
    [Response, JSONResponse, BackgroundTasks, StarletteTasks, Session, AsyncSession, AsyncEngine,
     async_sessionmaker[AsyncSession], httpx.Client, httpx.AsyncClient, Paying, redis.asyncio.Redis, sqlite3.Connection,
     logging.Logger, AsyncSession | None, Db, Db | None, Annotated[User, Skip], Annotated[Client, Skip()],
     Annotated[Client, Skip] | None, TypeAliasType("Handed", Annotated[Client, Skip]), NewType("Named", httpx.Client)],
)  # fmt: skip
def test_plumbing_is_no_part_of_the_key(annotation):
    """Known by its class, whatever package it comes from, or said by a mark."""
    assert parameter(taking(annotation)).skipped
    assert parameter(taking(annotation, Depends(lambda: None))).skipped


@pytest.mark.parametrize(
    "annotation",
    [int, str, User, Viewer, Literal["a"], list[int], dict[str, User], tuple[int, ...], int | None, User | Viewer,
     Annotated[User, Depends(lambda: None)], Annotated[Viewer, Security(lambda: None)],
     Annotated[int, Query(gt=0)], Annotated[Account, KeyBy(lambda account: account.id)]],
)  # fmt: skip
def test_identity_is_part_of_the_key(annotation):
    """Injected or not: who is encodable stands in the key, so that no user gets another one's answer."""
    assert not parameter(taking(annotation)).skipped


@pytest.mark.row("W1")
@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (Request, None), (WebSocket, None), (Account, Depends(lambda: None)), (Client, Security(lambda: None)),
        (Any, Depends(lambda: None)), (Source, Depends(lambda: None)), (Annotated[Source, Depends(lambda: None)], None),
        (Annotated[Account | None, Depends(lambda: None)], None), (list[Account], Depends(lambda: None)),
    ],
)  # fmt: skip
def test_what_is_injected_and_neither_is_an_error_at_decoration(annotation, default):
    """An identity that is left out by accident is how one user gets another one's data."""
    with pytest.raises(KeyEncodingError, match=r"'x' is injected .* KeyBy.* key_by .*Annotated.*Skip"):
        study(taking(annotation, default), "here")


@pytest.mark.row("W2")
@pytest.mark.parametrize(
    "annotation", [Account, Client, list[Client], Client | None, Callable[[int], int], type[User], type, Box[int]]
)
def test_a_type_without_a_canonical_form_is_an_error_at_decoration(annotation):
    """Not at the first call in production."""
    with pytest.raises(KeyEncodingError, match=r"'x' has a type without a canonical form .* __cache_key__"):
        study(taking(annotation), "here")


@pytest.mark.parametrize("annotation", [Any, object, Source, T, Sequence, Sequence[int], Mapping[str, Any]])
def test_where_only_the_value_can_tell_the_first_call_does(annotation):
    """An open annotation is no error."""
    assert not parameter(taking(annotation)).skipped


def test_with_a_chosen_key_nothing_has_to_be_encodable():
    """Then the key is made of what the function says."""
    assert study(taking(Account), "here", key_chosen=True)


def test_a_name_that_is_unknown_yet_hides_no_mark():
    """Each annotation is read by itself: a return type that comes later is no hindrance."""

    async def find(db: Annotated[object, Skip], x: int, y: Later) -> AlsoLater:  # noqa: F821
        return x

    db, x, y = study(find, "here")
    assert (db.skipped, x.exact, y.annotation) == (True, int, "Later")


async def test_a_return_type_is_known_whatever_else_is_not():
    """A session that only type checkers know doesn't cost the answer its typed codec."""

    async def find(db: Unknown, user_id: int) -> User:  # noqa: F821
        return User(user_id)

    assert return_annotation(find) is User
    assert return_annotation(taking(int)) is None
    find.__annotations__["return"] = "Nowhere"
    assert return_annotation(find) is None


@pytest.mark.parametrize("annotation", ["Annotated[Unknown, Skip]", "Annotated[Unknown, Personal]"])
def test_a_mark_that_cannot_be_read_is_an_error(annotation):
    """A parameter that is Personal must not lose that because its type is only known to type checkers."""
    with pytest.raises(ConfigurationError, match=r"'x' can't be read now .*TYPE_CHECKING"):
        study(taking(annotation), "here")


@pytest.mark.parametrize("options", [{"stale_for": "1h"}, {"early": True}])
def test_a_borrowed_session_never_loads_behind_its_caller(options):
    """The request's session is closed when the reload runs; `using` opens another one."""

    async def find(db: AsyncSession, user_id: int):
        return user_id

    cache = Cache(namespace="plumbing")
    with pytest.raises(ConfigurationError, match=r"the caller's db may be closed.*cache\.using\(scope\)"):
        cache.cached(**options)(find)
    assert cache.cached(fail_safe="1h", ttl="5m")(find)


async def test_what_is_personal_demands_a_secret_where_keys_are_shared(manual_clock):
    """Alone nobody else reads the keys; in Redis a guess of a mail address could be tried out."""

    async def find(email: Annotated[str, Personal]):
        return email

    assert Cache(namespace="alone").cached(key="find")(find)
    store = MemoryStore(manual_clock)
    with pytest.raises(ConfigurationError, match=r"email is Personal .*CACHE_SECRET"):
        Cache(store=store.join, clock=manual_clock).cached(key="find")(find)
    secret = {"CACHE_SECRET": "0123456789abcdef0123456789abcdef"}
    assert Cache(store=store.join, clock=manual_clock, environ=secret).cached(key="find")(find)
