"""What can be done with users: each function one act on one session."""

from contextlib import suppress

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from examples.taskflow.auth import Passwords
from examples.taskflow.errors import Conflict, NotFound
from examples.taskflow.users.models import Role, User
from examples.taskflow.users.schemas import AccessUpdate, ProfileUpdate, UserCreate, UserRead


async def find(db: AsyncSession, user_id: int) -> UserRead | None:
    """The user *user_id*, or None."""
    user = await db.get(User, user_id)
    return None if user is None else UserRead.model_validate(user)


async def sign_in(db: AsyncSession, passwords: Passwords, username: str, password: str) -> int | None:
    """The id of the active user with this name and password, or None."""
    user = await db.scalar(select(User).where(User.username == username))
    matches = await passwords.matches(password, user.hashed_password if user else None)
    return user.id if user and user.is_active and matches else None


async def create(db: AsyncSession, passwords: Passwords, new: UserCreate) -> UserRead:
    """*new*, stored.  Raises Conflict if the name or the address is taken."""
    hashed = await passwords.hashed(new.password)
    user = User(username=new.username, email=new.email, role=new.role, hashed_password=hashed)
    db.add(user)
    await _commit(db)
    return UserRead.model_validate(user)


async def ensure_admin(db: AsyncSession, passwords: Passwords, password: str) -> bool:
    """Makes an administrator where there is no user at all, and says True; else False."""
    if await db.scalar(select(User.id).limit(1)) is not None:
        return False
    hashed = await passwords.hashed(password)
    db.add(User(username="admin", email="admin@taskflow.example", role=Role.ADMIN, hashed_password=hashed))
    with suppress(Conflict):  # another worker was faster
        await _commit(db)
    return True


async def update_profile(db: AsyncSession, user_id: int, change: ProfileUpdate) -> UserRead:
    """User *user_id* with *change*.  Raises Conflict if the address is taken."""
    user = await _require(db, user_id)
    user.email = change.email
    await _commit(db)
    return UserRead.model_validate(user)


async def update_access(db: AsyncSession, user_id: int, change: AccessUpdate) -> UserRead:
    """User *user_id*, let in or kept out.  Raises NotFound."""
    user = await _require(db, user_id)
    if change.is_active is not None:
        user.is_active = change.is_active
    if change.role is not None:
        user.role = change.role
    await _commit(db)
    return UserRead.model_validate(user)


async def _require(db: AsyncSession, user_id: int) -> User:
    user = await db.get(User, user_id)
    if user is None:
        raise NotFound(f"There is no user {user_id}.")
    return user


async def _commit(db: AsyncSession) -> None:
    try:
        await db.commit()
    except IntegrityError as error:
        await db.rollback()
        raise Conflict("Another user has this name or this e-mail address.") from error
