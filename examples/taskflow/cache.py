"""The cache of TaskFlow: declared here, started and stopped by the application's lifespan.

It holds what Redis (``REDIS_URL``) holds and a copy in this process; without Redis, the copy alone.  What is cached, for
how long, and what invalidates it stands in the ``caching.py`` of each domain.
"""

from evercache import Cache, Settings

cache = Cache(settings=Settings.from_env().changed(namespace="taskflow"))
