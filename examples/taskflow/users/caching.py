"""Every cache rule of the users.

=============  =====  ====  =================  ==========================================
What           Fresh  None  Tag                Invalidated by
=============  =====  ====  =================  ==========================================
``find(id)``   10 m   30 s  ``user:{id}``      every change of that user, and its creation
=============  =====  ====  =================  ==========================================

Each request asks who is asking, so this is the most read entry of the application.  It decides who is let in: it stays
out of the processes' own memory, and a user who is switched off is refused by every process at once, not a moment later.
The password's hash is in no entry: ``find`` does not return it.
"""

from examples.taskflow.cache import cache
from examples.taskflow.db import session_scope
from examples.taskflow.users import service

users = cache.named("users", ttl="10m", negative_ttl={None: "30s"}, l1=False)

find = users.using(session_scope, key="find", tags=["user:{user_id}"])(service.find)

create = cache.invalidates("user:{result.id}")(service.create)
update_profile = cache.invalidates("user:{user_id}")(service.update_profile)
update_access = cache.invalidates("user:{user_id}")(service.update_access)
