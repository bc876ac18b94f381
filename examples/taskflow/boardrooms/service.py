"""What can be done with boardrooms: each function one act on one session.

Whether somebody takes part is decided before, by the guard of the routes (`access.member`); here the numbers only have to
fit together, so that a session of one boardroom is not to be had through another one.
"""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from examples.taskflow.boardrooms.models import (
    Boardroom,
    Decision,
    DecisionStatus,
    Participant,
    Round,
    Session,
    SessionStatus,
    Thread,
    Vote,
)
from examples.taskflow.boardrooms.schemas import (
    MOST_ROUNDS,
    BoardroomPatch,
    BoardroomRead,
    BoardroomWrite,
    DecisionPatch,
    DecisionRead,
    DecisionWrite,
    RoundRead,
    RoundWrite,
    SessionRead,
    SessionWrite,
    ThreadPatch,
    ThreadRead,
    ThreadWrite,
    VoteWrite,
)
from examples.taskflow.db import utc_now
from examples.taskflow.errors import Conflict, NotFound, Unprocessable
from examples.taskflow.users.models import User


async def find(db: AsyncSession, boardroom_id: int) -> BoardroomRead | None:
    """The boardroom, whoever asks, or None."""
    room = await db.get(Boardroom, boardroom_id, populate_existing=True)
    return None if room is None else (await _shown(db, [room]))[0]


async def find_all(db: AsyncSession, user_id: int) -> list[BoardroomRead]:
    """The boardrooms that somebody takes part in, by name."""
    chosen = select(Boardroom).join(Participant).where(Participant.user_id == user_id)
    rooms = await db.scalars(chosen.order_by(Boardroom.name, Boardroom.id))
    return await _shown(db, rooms.all())


async def create(db: AsyncSession, user_id: int, new: BoardroomWrite) -> BoardroomRead:
    """*new*, owned by the user, who takes part in it."""
    room = Boardroom(**new.model_dump(), owner_id=user_id)
    db.add(room)
    await db.flush()
    db.add(Participant(boardroom_id=room.id, user_id=user_id))
    await db.commit()
    return (await _shown(db, [room]))[0]


async def update(db: AsyncSession, room: BoardroomRead, change: BoardroomPatch) -> BoardroomRead:
    """The boardroom with *change*.  Raises Conflict if fewer seats are left than people."""
    row = await _require(db, room.id)
    for name, value in change.model_dump(exclude_unset=True).items():
        setattr(row, name, value)
    if row.max_participants < len(room.participant_ids):
        raise Conflict(f"{len(room.participant_ids)} people take part; there can't be fewer seats.")
    await db.commit()
    return (await _shown(db, [row]))[0]


async def delete(db: AsyncSession, room: BoardroomRead) -> None:
    """Without the boardroom and all that belongs to it."""
    await db.delete(await _require(db, room.id))
    await db.commit()


async def invite(db: AsyncSession, room: BoardroomRead, user_id: int) -> BoardroomRead:
    """The boardroom with one more person.  Raises Conflict if it is full, Unprocessable for nobody."""
    row = await _require(db, room.id)
    if user_id in room.participant_ids:
        return room
    if await db.get(User, user_id) is None:
        raise Unprocessable(f"There is no user {user_id}.")
    db.add(Participant(boardroom_id=room.id, user_id=user_id))
    await db.flush()
    # Counted after the insert: of two who come at once, SQLite and PostgreSQL let one wait or see both.
    seated = await db.scalar(select(func.count()).where(Participant.boardroom_id == room.id)) or 0
    if seated > row.max_participants:
        raise Conflict(f"Boardroom {room.id} has {row.max_participants} seats, and all are taken.")
    await db.commit()
    return (await _shown(db, [row]))[0]


async def dismiss(db: AsyncSession, room: BoardroomRead, user_id: int) -> BoardroomRead:
    """The boardroom without this person.  Raises Conflict for its owner."""
    if user_id == room.owner_id:
        raise Conflict("The owner takes part for as long as the boardroom exists.")
    found = await db.get(Participant, (room.id, user_id))
    if found is not None:
        await db.delete(found)
        await db.commit()
    return (await _shown(db, [await _require(db, room.id)]))[0]


# -- sessions and threads ------------------------------------------------------------------------------------------


async def find_sessions(db: AsyncSession, boardroom_id: int) -> list[SessionRead]:
    """The meetings, the latest first."""
    rows = await db.scalars(select(Session).where(Session.boardroom_id == boardroom_id).order_by(Session.id.desc()))
    return [SessionRead.model_validate(row) for row in rows]


async def begin(db: AsyncSession, boardroom_id: int, user_id: int, new: SessionWrite) -> SessionRead:
    """A meeting that begins now."""
    row = Session(title=new.title, boardroom_id=boardroom_id, user_id=user_id)
    db.add(row)
    await db.commit()
    return SessionRead.model_validate(row)


async def end(db: AsyncSession, boardroom_id: int, session_id: int) -> SessionRead:
    """The meeting, over; once it is, it stays as it is."""
    row = await _session(db, boardroom_id, session_id)
    if row.status != SessionStatus.ENDED:
        row.status, row.ended_at = SessionStatus.ENDED, utc_now()
        await db.commit()
    return SessionRead.model_validate(row)


async def find_threads(db: AsyncSession, boardroom_id: int, session_id: int) -> list[ThreadRead]:
    """The subjects of a meeting, the most urgent first."""
    await _session(db, boardroom_id, session_id)
    rows = await db.scalars(select(Thread).where(Thread.session_id == session_id).order_by(Thread.priority, Thread.id))
    return [ThreadRead.model_validate(row) for row in rows]


async def open_thread(db: AsyncSession, boardroom_id: int, session_id: int, new: ThreadWrite) -> ThreadRead:
    """One more subject.  Raises Conflict once the meeting is over."""
    if (await _session(db, boardroom_id, session_id)).status == SessionStatus.ENDED:
        raise Conflict(f"Session {session_id} is over.")
    row = Thread(**new.model_dump(), session_id=session_id)
    db.add(row)
    await db.commit()
    return ThreadRead.model_validate(row)


async def update_thread(
    db: AsyncSession, boardroom_id: int, session_id: int, thread_id: int, change: ThreadPatch
) -> ThreadRead:
    """The subject with *change*."""
    await _session(db, boardroom_id, session_id)
    row = await db.get(Thread, thread_id)
    if row is None or row.session_id != session_id:
        raise NotFound(f"There is no thread {thread_id} in session {session_id}.")
    for name, value in change.model_dump(exclude_unset=True).items():
        setattr(row, name, value)
    await db.commit()
    return ThreadRead.model_validate(row)


# -- decisions -----------------------------------------------------------------------------------------------------


async def find_decisions(db: AsyncSession, boardroom_id: int) -> list[DecisionRead]:
    """The questions of a boardroom with their rounds, the latest first: three statements."""
    rows = await db.scalars(select(Decision).where(Decision.boardroom_id == boardroom_id).order_by(Decision.id.desc()))
    return await _with_rounds(db, rows.all())


async def find_decision(db: AsyncSession, boardroom_id: int, decision_id: int) -> DecisionRead:
    """One question with its rounds."""
    return (await _with_rounds(db, [await _decision(db, boardroom_id, decision_id)]))[0]


async def ask(db: AsyncSession, boardroom_id: int, new: DecisionWrite) -> DecisionRead:
    """A new question."""
    row = Decision(title=new.title, boardroom_id=boardroom_id)
    db.add(row)
    await db.commit()
    return (await _with_rounds(db, [row]))[0]


async def update_decision(db: AsyncSession, boardroom_id: int, decision_id: int, change: DecisionPatch) -> DecisionRead:
    """The question with *change*."""
    row = await _decision(db, boardroom_id, decision_id)
    for name, value in change.model_dump(exclude_unset=True).items():
        setattr(row, name, value)
    await db.commit()
    return (await _with_rounds(db, [row]))[0]


async def open_round(db: AsyncSession, boardroom_id: int, decision_id: int, new: RoundWrite) -> DecisionRead:
    """The question with one more round; it is active from now on.  Raises Conflict once it is settled."""
    row = await _decision(db, boardroom_id, decision_id)
    _demand_open(row)
    number = (await db.scalar(select(func.max(Round.number)).where(Round.decision_id == decision_id)) or 0) + 1
    if number > MOST_ROUNDS:
        raise Conflict(f"Decision {decision_id} has had {MOST_ROUNDS} rounds.")
    row.status = DecisionStatus.ACTIVE
    db.add(Round(decision_id=decision_id, number=number, options=new.options))
    try:
        await db.commit()
    except IntegrityError as error:  # somebody else was faster
        await db.rollback()
        raise Conflict(f"Round {number} of decision {decision_id} has just been opened.") from error
    return (await _with_rounds(db, [row]))[0]


async def vote(db: AsyncSession, boardroom_id: int, decision_id: int, user_id: int, new: VoteWrite) -> DecisionRead:
    """The question with the user's vote in its latest round; an earlier one is replaced."""
    row = await _decision(db, boardroom_id, decision_id)
    _demand_open(row)
    latest = await db.scalar(
        select(Round).where(Round.decision_id == decision_id).order_by(Round.number.desc()).limit(1)
    )
    if latest is None:
        raise Conflict(f"Decision {decision_id} has no round yet.")
    if new.choice >= len(latest.options):
        raise Unprocessable(f"Round {latest.number} has {len(latest.options)} options, counted from 0.")
    await db.merge(Vote(round_id=latest.id, user_id=user_id, choice=new.choice))
    await db.commit()
    return (await _with_rounds(db, [row]))[0]


# -- the rows behind them ------------------------------------------------------------------------------------------


async def _shown(db: AsyncSession, rooms: Sequence[Boardroom]) -> list[BoardroomRead]:
    chosen = select(Participant).where(Participant.boardroom_id.in_(room.id for room in rooms))
    people: dict[int, list[int]] = {room.id: [] for room in rooms}
    for each in await db.scalars(chosen.order_by(Participant.user_id)):
        people[each.boardroom_id].append(each.user_id)
    shown = BoardroomRead.model_fields.keys() - {"participant_ids"}
    return [
        BoardroomRead(participant_ids=people[room.id], **{name: getattr(room, name) for name in shown})
        for room in rooms
    ]


async def _with_rounds(db: AsyncSession, decisions: Sequence[Decision]) -> list[DecisionRead]:
    chosen = select(Round).where(Round.decision_id.in_(each.id for each in decisions)).order_by(Round.number)
    rounds = (await db.scalars(chosen)).all()
    counted = select(Vote.round_id, Vote.choice, func.count()).where(Vote.round_id.in_(each.id for each in rounds))
    votes = {
        (round_id, choice): n for round_id, choice, n in await db.execute(counted.group_by(Vote.round_id, Vote.choice))
    }
    shown: dict[int, list[RoundRead]] = {each.id: [] for each in decisions}
    for each in rounds:
        counts = [votes.get((each.id, choice), 0) for choice in range(len(each.options))]
        shown[each.decision_id].append(RoundRead(number=each.number, options=each.options, votes=counts))
    return [
        DecisionRead(
            id=each.id,
            boardroom_id=each.boardroom_id,
            title=each.title,
            status=DecisionStatus(each.status),
            created_at=each.created_at,
            rounds=shown[each.id],
        )
        for each in decisions
    ]


async def _require(db: AsyncSession, boardroom_id: int) -> Boardroom:
    row = await db.get(Boardroom, boardroom_id)
    if row is None:  # the guard saw it a moment ago
        raise NotFound(f"There is no boardroom {boardroom_id}.")
    return row


async def _session(db: AsyncSession, boardroom_id: int, session_id: int) -> Session:
    row = await db.get(Session, session_id)
    if row is None or row.boardroom_id != boardroom_id:
        raise NotFound(f"There is no session {session_id} in boardroom {boardroom_id}.")
    return row


async def _decision(db: AsyncSession, boardroom_id: int, decision_id: int) -> Decision:
    row = await db.get(Decision, decision_id)
    if row is None or row.boardroom_id != boardroom_id:
        raise NotFound(f"There is no decision {decision_id} in boardroom {boardroom_id}.")
    return row


def _demand_open(decision: Decision) -> None:
    if decision.status in (DecisionStatus.COMPLETED, DecisionStatus.CANCELLED):
        raise Conflict(f"Decision {decision.id} is {decision.status}.")
