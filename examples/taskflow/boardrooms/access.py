"""Who takes part: asked in front of every route of a boardroom, also where a stored response is sent."""

from typing import Annotated

from fastapi import Depends

from examples.taskflow.boardrooms import caching
from examples.taskflow.boardrooms.schemas import BoardroomRead
from examples.taskflow.errors import Forbidden, NotFound
from examples.taskflow.users.access import ViewerDep


async def member(boardroom_id: int, viewer: ViewerDep) -> BoardroomRead:
    """The boardroom, for those who take part in it; for everybody else, administrators too, there is none."""
    room = await caching.find(boardroom_id)
    if room is None or viewer.id not in room.participant_ids:
        raise NotFound(f"There is no boardroom {boardroom_id}.")
    return room


async def owner(room: Annotated[BoardroomRead, Depends(member)], viewer: ViewerDep) -> BoardroomRead:
    """The boardroom, for its owner; 403 for the others who take part."""
    if room.owner_id != viewer.id:
        raise Forbidden(f"Only the owner of boardroom {room.id} may do this.")
    return room


async def open_to_members(room: Annotated[BoardroomRead, Depends(member)]) -> BoardroomRead:
    """The boardroom, if anything may happen in it; 403 if it is closed."""
    if not room.is_active:
        raise Forbidden(f"Boardroom {room.id} is closed.")
    return room


Member = Annotated[BoardroomRead, Depends(member)]
Owner = Annotated[BoardroomRead, Depends(owner)]
Active = Annotated[BoardroomRead, Depends(open_to_members)]
