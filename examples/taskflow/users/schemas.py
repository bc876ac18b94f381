"""What goes in and out of the user routes."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from examples.taskflow.users.models import Role

Username = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9._-]{1,48}[a-z0-9]$")]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", max_length=254, to_lower=True)]


class Viewer(BaseModel):
    """Who is asking: as much of a user as deciding what they may see takes, and no more."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: int
    role: Role

    @property
    def is_admin(self) -> bool:
        """Whether they see everything."""
        return self.role == Role.ADMIN

    @property
    def scope(self) -> str:
        """The name of what they see: their own id, or ``all``."""
        return "all" if self.is_admin else str(self.id)


class UserRead(BaseModel):
    """A user as others may see them: never the password, not even hashed."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: int
    username: str
    email: str
    is_active: bool
    role: Role
    created_at: datetime


class UserCreate(BaseModel):
    """A new user, as an administrator enters them."""

    model_config = ConfigDict(extra="forbid")

    username: Username
    email: Email
    password: Annotated[str, StringConstraints(min_length=8, max_length=200)]
    role: Role = Role.MEMBER


class ProfileUpdate(BaseModel):
    """What users may change about themselves."""

    model_config = ConfigDict(extra="forbid")

    email: Email


class AccessUpdate(BaseModel):
    """What administrators may change about somebody; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    is_active: bool | None = None
    role: Role | None = None


class Token(BaseModel):
    """A sign-in that worked (RFC 6749 §5.1)."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"
    expires_in: int = Field(description="Seconds until the token is over.")
