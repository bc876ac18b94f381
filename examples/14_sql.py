"""Cached queries: asked once, answered again, and dropped by the commit that changes them."""

import asyncio
import tempfile

from sqlalchemy import ForeignKey, event, func, select
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload

from evercache import Cache
from evercache.sql import QueryCache, cached_execute


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    books: Mapped[list["Book"]] = relationship()


class Book(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))


async def main() -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tempfile.mkdtemp()}/books.db")
    Session = async_sessionmaker(engine)  # noqa: N806 - as SQLAlchemy's own documents write it
    asked: list[str] = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *arguments: asked.append(arguments[2]))

    async with Cache() as cache, engine.begin() as connection:
        QueryCache(cache, Session, ttl="5m")
        await connection.run_sync(Base.metadata.create_all)

    async def show(title: str) -> None:
        asked.clear()
        async with Session() as session:
            statement = select(Author).options(selectinload(Author.books))
            authors = (await cached_execute(session, statement)).scalars().all()
            count = await session.scalar(select(func.count(Book.id)), execution_options={"evercache": "1h"})
        print(f"{title}: {[(a.name, len(a.books)) for a in authors]}, {count} books, {len(asked)} queries")

    async with Session() as session, session.begin():
        session.add(Author(id=1, name="Ada", books=[Book(id=1)]))
    await show("first")
    await show("again")
    async with Session() as session, session.begin():
        session.add(Book(id=2, author_id=1))
    await show("after a commit")
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main())
