"""What goes in and out of the boardroom routes."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from examples.taskflow.boardrooms.models import DecisionStatus, SessionStatus, ThreadStatus, ThreadType

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Text = Annotated[str, StringConstraints(max_length=5000)]
Seats = Annotated[int, Field(ge=1, le=100)]
Priority = Annotated[int, Field(ge=1, le=5)]
Options = Annotated[list[Name], Field(min_length=2, max_length=20)]

MOST_ROUNDS = 100


class Incoming(BaseModel):
    """What a client sends; a misspelled field is an error."""

    model_config = ConfigDict(extra="forbid")


class Outgoing(BaseModel):
    """What a client gets, made of a row."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class BoardroomWrite(Incoming):
    """A boardroom, to make one; of a change, what is left out stays."""

    name: Name
    description: Text = ""
    is_active: bool = True
    max_participants: Seats = 10


class BoardroomPatch(BoardroomWrite):
    """The part of a boardroom that changes."""

    name: Name = ""


class BoardroomRead(Outgoing):
    """A boardroom and who takes part in it."""

    id: int
    owner_id: int
    name: str
    description: str
    is_active: bool
    max_participants: int
    participant_ids: list[int]
    created_at: datetime


class SessionWrite(Incoming):
    """A meeting that begins."""

    title: Name


class SessionRead(Outgoing):
    """A meeting."""

    id: int
    boardroom_id: int
    user_id: int
    title: str
    status: SessionStatus
    started_at: datetime
    ended_at: datetime | None


class ThreadWrite(Incoming):
    """A subject that comes up."""

    thread_type: ThreadType = ThreadType.DISCUSSION
    priority: Priority = 3


class ThreadPatch(Incoming):
    """What becomes of a subject; what is left out stays."""

    status: ThreadStatus = ThreadStatus.ACTIVE
    priority: Priority = 3


class ThreadRead(Outgoing):
    """One subject of a meeting; the lowest priority comes first."""

    id: int
    session_id: int
    thread_type: ThreadType
    status: ThreadStatus
    priority: int
    created_at: datetime


class DecisionWrite(Incoming):
    """A question to be answered."""

    title: Name


class DecisionPatch(Incoming):
    """What becomes of a question; what is left out stays."""

    title: Name = ""
    status: DecisionStatus = DecisionStatus.PENDING


class RoundWrite(Incoming):
    """A round that opens."""

    options: Options


class VoteWrite(Incoming):
    """The number of an option of the latest round, from 0."""

    choice: Annotated[int, Field(ge=0, lt=20)]


class RoundRead(Outgoing):
    """A round: for each option, how many chose it. Who chose what is nobody's business."""

    number: int
    options: list[str]
    votes: list[int]


class DecisionRead(Outgoing):
    """A question with all its rounds."""

    id: int
    boardroom_id: int
    title: str
    status: DecisionStatus
    created_at: datetime
    rounds: list[RoundRead]
