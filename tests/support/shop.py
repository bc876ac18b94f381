"""A small shop in a database: what the tests of cached queries read and write, and how they count what is really asked."""

from __future__ import annotations

import enum
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import Enum, ForeignKey, event
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.ext.asyncio import AsyncEngine


class Base(DeclarativeBase):
    pass


class Role(enum.Enum):
    BUYER = "buyer"
    SELLER = "seller"


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    role: Mapped[Role] = mapped_column(Enum(Role), default=Role.BUYER)
    age: Mapped[int] = mapped_column(default=30)
    bio: Mapped[str] = mapped_column(default="long", deferred=True)
    orders: Mapped[list[Order]] = relationship(back_populates="user", passive_deletes=True)


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    total: Mapped[int] = mapped_column(default=0)
    user: Mapped[User] = relationship(back_populates="orders")


class Member(Base):
    """A key of two columns, one of them a text."""

    __tablename__ = "members"

    room: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(primary_key=True)
    since: Mapped[int] = mapped_column(default=0)


async def fill(engine: AsyncEngine) -> None:
    """Empty tables, then three users with orders."""
    async with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            await connection.exec_driver_sql("PRAGMA foreign_keys = ON")
        await connection.run_sync(Base.metadata.drop_all)
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(
            User.__table__.insert(),
            [{"id": i, "name": name, "role": Role.BUYER, "age": 20 + i, "bio": "long"} for i, name in NAMES.items()],
        )
        await connection.execute(
            Order.__table__.insert(), [{"id": i, "user_id": 1 + i % 3, "total": 10 * i} for i in range(1, 7)]
        )


NAMES = {1: "ann", 2: "bob", 3: "cat"}


class Asked(list[str]):
    """The SELECTs that have reached the database."""


@contextmanager
def asked(engine: AsyncEngine) -> Iterator[Asked]:
    """What the database is asked meanwhile."""
    found = Asked()

    def hear(_: object, __: object, sql: str, *___: object) -> None:
        if sql.lstrip().upper().startswith("SELECT"):
            found.append(sql)

    event.listen(engine.sync_engine, "before_cursor_execute", hear)
    try:
        yield found
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", hear)
