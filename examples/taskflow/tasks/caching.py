"""Every cache rule of the tasks.

====================  =====  ===============================  ============================================
What                  Fresh  Tags                             Invalidated by a change of
====================  =====  ===============================  ============================================
``find(id)``          10 m   ``task:{id}``                    that task, its people, its creation
the list route        5 m    ``tasks:{scope}``                any task in that scope, before or after it
``statistics``        1 m    ``tasks:{scope}``                the same; and time passes: a task gets late
replies of routes     there  those of what they read          whatever invalidates what they were made of
====================  =====  ===============================  ============================================

A scope is what somebody sees: their own id, or ``all`` for administrators.  A change reaches the scopes of everybody who
saw the task before it or sees it after it: somebody who is taken off a task must not find it in their list.

``find`` keeps one entry for each task, whoever asks; whether they may see it is decided at every hit.  The list's lifetime
stands at its route, where its readers look for it.

A ``reply`` is a whole response, kept for one viewer behind the guards of its route: a client that has it already is told so
with a 304.  It needs no tags of its own: it carries those of the entries that were read for it.
"""

from functools import partial

import evercache
from evercache.fastapi import cached_route
from examples.taskflow.cache import cache
from examples.taskflow.db import session_scope
from examples.taskflow.tasks import service
from examples.taskflow.tasks.schemas import TaskRead
from examples.taskflow.users.access import whose
from examples.taskflow.users.schemas import Viewer

tasks = cache.named("tasks", ttl="10m", negative_ttl={None: "30s"})

find = tasks.using(session_scope, key="find", tags=["task:{task_id}"])(service.find)

statistics = tasks.using(session_scope, key="statistics", ttl="1m", stale_for="5m", tags=["tasks:{viewer.scope}"])(
    service.statistics
)

reply = partial(cached_route, cache, key_by=whose)


def seen_by(viewer: Viewer) -> None:
    """Said inside the load of a list: it shows what *viewer* sees."""
    evercache.current().tags(f"tasks:{viewer.scope}")


async def written(change: service.Written) -> TaskRead:
    """The task of a committed *change*, once nothing cached shows the one before it."""
    scopes = ("all", *change.people)
    await cache.invalidate_tags(f"task:{change.task.id}", *(f"tasks:{scope}" for scope in scopes))
    return change.task
