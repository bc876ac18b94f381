"""``/api/boardrooms``."""

from fastapi import APIRouter

from examples.taskflow.boardrooms import caching, service
from examples.taskflow.boardrooms.access import Active, Member, Owner
from examples.taskflow.boardrooms.caching import BOARDROOM_TTL, DECISIONS_TTL
from examples.taskflow.boardrooms.schemas import (
    BoardroomPatch,
    BoardroomRead,
    BoardroomWrite,
    DecisionPatch,
    DecisionRead,
    DecisionWrite,
    RoundWrite,
    SessionRead,
    SessionWrite,
    ThreadPatch,
    ThreadRead,
    ThreadWrite,
    VoteWrite,
)
from examples.taskflow.errors import refusals
from examples.taskflow.services import SessionDep
from examples.taskflow.users.access import ViewerDep

router = APIRouter(prefix="/boardrooms", tags=["boardrooms"], responses=refusals(401))
ROOM = "/{boardroom_id}"
SESSION = f"{ROOM}/sessions/{{session_id}}"
DECISION = f"{ROOM}/decisions/{{decision_id}}"


@router.get("/")
@caching.reply(ttl=BOARDROOM_TTL)
async def list_boardrooms(viewer: ViewerDep) -> list[BoardroomRead]:
    """The boardrooms that you take part in."""
    return await caching.listing(viewer.id)


@router.post("/", status_code=201)
async def create_boardroom(new: BoardroomWrite, viewer: ViewerDep, db: SessionDep) -> BoardroomRead:
    """A new boardroom, owned by you."""
    made = await service.create(db, viewer.id, new)
    await caching.changed(made)
    return made


@router.get(ROOM, responses=refusals(404))
@caching.of_one(ttl=BOARDROOM_TTL)
async def read_boardroom(room: Member) -> BoardroomRead:
    """One boardroom."""
    return room


@router.patch(ROOM, responses=refusals(403, 404, 409))
async def update_boardroom(change: BoardroomPatch, room: Owner, db: SessionDep) -> BoardroomRead:
    """The fields that are sent, changed (its owner)."""
    now = await service.update(db, room, change)
    await caching.changed(room, now)
    return now


@router.delete(ROOM, status_code=204, responses=refusals(403, 404))
async def delete_boardroom(room: Owner, db: SessionDep) -> None:
    """Without this boardroom and all that belongs to it (its owner)."""
    await service.delete(db, room)
    await caching.changed(room)


@router.put(f"{ROOM}/participants/{{user_id}}", responses=refusals(403, 404, 409))
async def invite(user_id: int, room: Owner, db: SessionDep) -> BoardroomRead:
    """One more person takes part (its owner)."""
    now = await service.invite(db, room, user_id)
    await caching.changed(room, now)
    return now


@router.delete(f"{ROOM}/participants/{{user_id}}", responses=refusals(403, 404, 409))
async def dismiss(user_id: int, room: Owner, db: SessionDep) -> BoardroomRead:
    """This person no longer takes part (its owner)."""
    now = await service.dismiss(db, room, user_id)
    await caching.changed(room, now)
    return now


@router.get(f"{ROOM}/sessions", responses=refusals(404))
@caching.of_one(ttl=BOARDROOM_TTL)
async def list_sessions(room: Member, db: SessionDep) -> list[SessionRead]:
    """The meetings, the latest first."""
    return await service.find_sessions(db, room.id)


@router.post(f"{ROOM}/sessions", status_code=201, responses=refusals(403, 404))
async def begin_session(new: SessionWrite, room: Active, viewer: ViewerDep, db: SessionDep) -> SessionRead:
    """A meeting begins."""
    made = await service.begin(db, room.id, viewer.id, new)
    await caching.touched(room.id)
    return made


@router.post(f"{SESSION}/end", responses=refusals(404))
async def end_session(session_id: int, room: Member, db: SessionDep) -> SessionRead:
    """A meeting ends."""
    now = await service.end(db, room.id, session_id)
    await caching.touched(room.id)
    return now


@router.get(f"{SESSION}/threads", responses=refusals(404))
@caching.of_one(ttl=BOARDROOM_TTL)
async def list_threads(session_id: int, room: Member, db: SessionDep) -> list[ThreadRead]:
    """The subjects of a meeting, the most urgent first."""
    return await service.find_threads(db, room.id, session_id)


@router.post(f"{SESSION}/threads", status_code=201, responses=refusals(403, 404, 409))
async def open_thread(session_id: int, new: ThreadWrite, room: Active, db: SessionDep) -> ThreadRead:
    """One more subject."""
    made = await service.open_thread(db, room.id, session_id, new)
    await caching.touched(room.id)
    return made


@router.patch(f"{SESSION}/threads/{{thread_id}}", responses=refusals(404))
async def update_thread(
    session_id: int, thread_id: int, change: ThreadPatch, room: Member, db: SessionDep
) -> ThreadRead:
    """What becomes of a subject."""
    now = await service.update_thread(db, room.id, session_id, thread_id, change)
    await caching.touched(room.id)
    return now


@router.get(f"{ROOM}/decisions", responses=refusals(404))
@caching.of_one(ttl=DECISIONS_TTL)
async def list_decisions(room: Member, db: SessionDep) -> list[DecisionRead]:
    """The questions with their rounds, the latest first."""
    return await service.find_decisions(db, room.id)


@router.post(f"{ROOM}/decisions", status_code=201, responses=refusals(403, 404))
async def ask(new: DecisionWrite, room: Active, db: SessionDep) -> DecisionRead:
    """A new question."""
    made = await service.ask(db, room.id, new)
    await caching.touched(room.id)
    return made


@router.get(DECISION, responses=refusals(404))
@caching.of_one(ttl=DECISIONS_TTL)
async def read_decision(decision_id: int, room: Member, db: SessionDep) -> DecisionRead:
    """One question with its rounds."""
    return await service.find_decision(db, room.id, decision_id)


@router.patch(DECISION, responses=refusals(404))
async def update_decision(decision_id: int, change: DecisionPatch, room: Member, db: SessionDep) -> DecisionRead:
    """What becomes of a question."""
    now = await service.update_decision(db, room.id, decision_id, change)
    await caching.touched(room.id)
    return now


@router.post(f"{DECISION}/rounds", status_code=201, responses=refusals(403, 404, 409))
async def open_round(decision_id: int, new: RoundWrite, room: Active, db: SessionDep) -> DecisionRead:
    """One more round of a question."""
    now = await service.open_round(db, room.id, decision_id, new)
    await caching.touched(room.id)
    return now


@router.put(f"{DECISION}/vote", responses=refusals(403, 404, 409))
async def vote(decision_id: int, new: VoteWrite, room: Active, viewer: ViewerDep, db: SessionDep) -> DecisionRead:
    """Your vote in the latest round; an earlier one is replaced."""
    now = await service.vote(db, room.id, decision_id, viewer.id, new)
    await caching.touched(room.id)
    return now
