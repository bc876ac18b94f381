"""``/api/auth`` and ``/api/users``."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from fastapi.security import OAuth2PasswordRequestForm

from examples.taskflow.errors import NotFound, refusals
from examples.taskflow.services import ServicesDep, SessionDep
from examples.taskflow.users import caching, service
from examples.taskflow.users.access import AdminOnly, CurrentUser
from examples.taskflow.users.schemas import AccessUpdate, ProfileUpdate, Token, UserCreate, UserRead

auth = APIRouter(prefix="/auth", tags=["sign-in"])
router = APIRouter(prefix="/users", tags=["users"], responses=refusals(401))


@auth.post("/token", responses=refusals(401))
async def sign_in(
    form: Annotated[OAuth2PasswordRequestForm, Depends()], services: ServicesDep, db: SessionDep
) -> Token:
    """A bearer token for a user name and a password (OAuth 2 password form)."""
    user_id = await service.sign_in(db, services.passwords, form.username, form.password)
    if user_id is None:
        raise HTTPException(401, "The user name or the password is wrong.", {"WWW-Authenticate": "Bearer"})
    lifetime = int(services.tokens.lifetime.total_seconds())
    return Token(access_token=services.tokens.issue(user_id), expires_in=lifetime)


@router.get("/me")
async def read_me(user: CurrentUser) -> UserRead:
    """The user who is signed in."""
    return user


@router.patch("/me", responses=refusals(409))
async def update_me(change: ProfileUpdate, user: CurrentUser, db: SessionDep) -> UserRead:
    """Changes the address of the user who is signed in."""
    return await caching.update_profile(db, user.id, change)


@router.post("/", status_code=201, dependencies=[AdminOnly], responses=refusals(403, 409))
async def create_user(new: UserCreate, services: ServicesDep, db: SessionDep) -> UserRead:
    """A new user (administrators)."""
    return await caching.create(db, services.passwords, new)


@router.get("/{user_id}", dependencies=[AdminOnly], responses=refusals(403, 404))
async def read_user(user_id: int) -> UserRead:
    """One user (administrators)."""
    user = await caching.find(user_id)
    if user is None:
        raise NotFound(f"There is no user {user_id}.")
    return user


@router.patch("/{user_id}", dependencies=[AdminOnly], responses=refusals(403, 404))
async def update_access(user_id: int, change: AccessUpdate, db: SessionDep) -> UserRead:
    """Lets somebody in, keeps them out, or changes their role (administrators); holds from the next request on."""
    return await caching.update_access(db, user_id, change)
