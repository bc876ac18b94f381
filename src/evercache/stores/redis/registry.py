"""One `RedisClient` per server and application."""

from __future__ import annotations

from typing import Any

from evercache.config import Settings
from evercache.stores.redis.client import RedisClient

__all__ = ["ClientRegistry", "get_redis_client"]


class ClientRegistry:
    """Hands out the same client for the same server.

    Two spellings of one server ("…:6379", "…:6379/0") are one client. Nothing is opened here: a client does that with its
    first command, per event loop, and whoever runs the loop closes it with `disconnect` or `close_all`.
    """

    def __init__(self) -> None:
        self._clients: dict[object, RedisClient] = {}

    def get(self, url: str | None = None, **options: Any) -> RedisClient:  # Any: settings as users write them
        """The client for *url* (default: REDIS_URL, else localhost). *options* count when it is made."""
        settings = Settings.resolve(url, **options)
        where = settings.address
        server = (where.kind, where.tls, where.addresses, where.db, where.primary_name, settings.credentials)
        if server not in self._clients:
            self._clients[server] = RedisClient(settings=settings)
        return self._clients[server]

    async def close_all(self) -> None:
        """Disconnect every client from this event loop and forget them all."""
        clients = list(self._clients.values())
        self._clients.clear()
        for client in clients:
            await client.disconnect()


# A module-level object on purpose: code at import and code in a request must be given the same client, and nothing
# narrower exists then, neither a loop nor an application. It owns no task and no socket.
_registry = ClientRegistry()


def get_redis_client(url: str | None = None, **options: Any) -> RedisClient:  # Any: settings as users write them
    """The application's `RedisClient` for *url*: the same object at every call. See `ClientRegistry`."""
    return _registry.get(url, **options)
