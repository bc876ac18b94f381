"""Who is asking: from the bearer token of a request to a user who is let in."""

from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.security import OAuth2PasswordBearer

from examples.taskflow.errors import Forbidden
from examples.taskflow.services import ServicesDep
from examples.taskflow.users import caching
from examples.taskflow.users.schemas import UserRead, Viewer

bearer = OAuth2PasswordBearer(tokenUrl="/api/auth/token")


async def current_user(token: Annotated[str, Depends(bearer)], services: ServicesDep) -> UserRead:
    """The active user this token was issued to, or 401."""
    user_id = services.tokens.read(token)
    user = None if user_id is None else await caching.find(user_id)
    if user is None or not user.is_active:
        raise HTTPException(401, "Sign in again: this token is not valid.", {"WWW-Authenticate": "Bearer"})
    return user


async def viewer(request: Request, user: Annotated[UserRead, Depends(current_user)]) -> Viewer:
    """The part of the current user that decides what they see."""
    request.state.viewer = found = Viewer(id=user.id, role=user.role)
    return found


def whose(request: Request) -> str:
    """Whose a cached response is, once `viewer` has let them in: a new role is another reader."""
    found: Viewer = request.state.viewer
    return f"{found.id}:{found.role}"


async def require_admin(user: Annotated[UserRead, Depends(current_user)]) -> None:
    """403 for everybody else."""
    if not Viewer(id=user.id, role=user.role).is_admin:
        raise Forbidden("Only administrators may do this.")


CurrentUser = Annotated[UserRead, Depends(current_user)]
ViewerDep = Annotated[Viewer, Depends(viewer)]
AdminOnly = Depends(require_admin)
