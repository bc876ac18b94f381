"""Every cache rule of the boardrooms.

================================  =====  ============================  ===================================================
What                              Fresh  Tags                          Forgotten for
================================  =====  ============================  ===================================================
``find(id)``                      5 m    ``boardroom:{id}``            the boardroom, its people
``listing(user)``                 5 m    ``boardrooms:{user}``         any boardroom they take part in, took or will take
reply: a boardroom, its sessions  5 m    ``boardroom:{id}``            the boardroom, its people, sessions, decisions
reply: its decisions              3 m    ``boardroom:{id}``            the same
reply: the list of somebody       5 m    those of ``listing``          the same
================================  =====  ============================  ===================================================

A boardroom and its decisions are one group with one tag: whoever looks at the one sees the other.

What is kept are whole responses, one for each viewer.  Who takes part is asked in front of each of them, also of a stored
one, by the guard that `find` makes cheap.  It stays out of the processes' own memory: whoever is dismissed is refused by
every process at once.
"""

from functools import partial

from evercache.fastapi import cached_route
from examples.taskflow.boardrooms import service
from examples.taskflow.boardrooms.schemas import BoardroomRead
from examples.taskflow.cache import cache
from examples.taskflow.db import session_scope
from examples.taskflow.users.access import whose

BOARDROOM_TTL = 300
DECISIONS_TTL = 180

boardrooms = cache.named("boardroom", ttl=BOARDROOM_TTL, negative_ttl={None: "30s"})

find = boardrooms.using(session_scope, key="find", l1=False, tags=["boardroom:{boardroom_id}"])(service.find)
listing = boardrooms.using(session_scope, key="list", tags=["boardrooms:{user_id}"])(service.find_all)

reply = partial(cached_route, cache, key_by=whose)
of_one = partial(reply, tags=["boardroom:{boardroom_id}"])


async def changed(*rooms: BoardroomRead) -> None:
    """Said after the commit: what these show, now or before it, is out of date."""
    people = {user_id for room in rooms for user_id in room.participant_ids}
    await cache.invalidate_tags(
        *{f"boardroom:{room.id}" for room in rooms}, *(f"boardrooms:{user_id}" for user_id in people)
    )


async def touched(boardroom_id: int) -> None:
    """Said after the commit: a session, a thread or a decision of this boardroom has changed, and not the room."""
    await cache.invalidate_tags(f"boardroom:{boardroom_id}")
