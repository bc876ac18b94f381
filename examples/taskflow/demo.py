"""Everything on this machine, one command: ``python -m examples.taskflow.demo``.

A SQLite file, a private Redis server where one is installed, 200 users, 20,000 tasks, 5,000 projects,
the application.
``PORT``, ``REDIS_URL``, ``DATABASE_URL`` and ``TASKFLOW_DATA_DIR`` replace each of them.
"""

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import uvicorn
from typing_extensions import override

from evercache.testing.servers import RedisServer, ServerFailed, ServerNotFound
from examples.taskflow import seed, tour
from examples.taskflow.settings import Settings

HOST = "127.0.0.1"
logger = logging.getLogger("taskflow.demo")


def main() -> None:
    """Starts it all, says what to open, and ends with Ctrl-C."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)-7s %(message)s", stream=sys.stdout)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it names each of its parts when it is imported
    try:
        settings = Settings.from_environment()
        with ExitStack() as stack:
            listener = stack.enter_context(listen(settings.port))
            redis = stack.enter_context(shared_cache(settings))
            serve(settings, listener, redis)
    except (ValueError, PortTaken) as error:
        sys.exit(str(error))


class PortTaken(Exception):
    """Somebody else listens there."""


@contextmanager
def listen(port: int) -> Iterator[socket.socket]:
    """A socket on *port*, taken before anything else is started; closed at the end."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        advice = f"Stop what listens there, or choose another one: PORT={port + 1} make demo"
        raise PortTaken(f"Port {port} can't be used ({error.strerror}). {advice}") from error
    with listener:
        yield listener


@contextmanager
def shared_cache(settings: Settings) -> Iterator[str | None]:
    """The URL of the Redis to use: the one in REDIS_URL, a private one, or None and a sentence that says so."""
    if settings.redis_url:
        yield settings.redis_url
        return
    try:
        server = RedisServer("maxmemory 256mb", "maxmemory-policy allkeys-lru")
        server.start()
    except (ServerNotFound, ServerFailed) as error:
        logger.warning("Without Redis: entries live in this process only, and end with it. %s", error)
        yield None
        return
    try:
        yield server.url
    finally:
        server.close()


def serve(settings: Settings, listener: socket.socket, redis_url: str | None) -> None:
    """Answers until Ctrl-C."""
    os.environ["TASKFLOW_DEMO"] = "1"
    # A laptop with one visitor: what a few people look at is kept warm, not what a hundred do.
    os.environ.setdefault("MAX_ACTIVE_USERS", "5")
    os.environ.update({"REDIS_URL": redis_url} if redis_url else {})
    # Only now: the application reads its settings where it is imported.
    from examples.taskflow.main import create_app

    app = create_app(Settings.from_environment())
    with suppress(KeyboardInterrupt):  # uvicorn stops in good order first and then passes the Ctrl-C on
        DemoServer(uvicorn.Config(app, log_level="warning", access_log=False), settings, redis_url).run([listener])
    print("TaskFlow has stopped.")


class DemoServer(uvicorn.Server):
    """Says what to open, once it answers."""

    def __init__(self, config: uvicorn.Config, settings: Settings, redis_url: str | None) -> None:
        super().__init__(config)
        self._settings = settings
        self._redis_url = redis_url

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            port: int = sockets[0].getsockname()[1]
            findings = await asyncio.to_thread(tour.tour, HOST, port)
            print("\n".join(welcome(f"http://{HOST}:{port}", self._settings, self._redis_url, findings)), flush=True)


def welcome(base: str, settings: Settings, redis_url: str | None, findings: tour.Findings) -> list[str]:
    """What to open, what was measured, and what to try."""
    name, password = seed.DEMO_USERNAME, seed.DEMO_PASSWORD
    cache = f"Redis at {redis_url.rpartition('@')[2]}" if redis_url else "this process only (no Redis found)"
    ask = f"curl -s -o /dev/null -D - -H \"Authorization: Bearer $TOKEN\" '{base}/api/tasks/' | grep -iE 'x-cache|server-timing'"
    parse = "python3 -c 'import json,sys; print(json.load(sys.stdin)[\"access_token\"])'"
    update = (
        "curl -s -X PATCH -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' "
        f'-d \'{{"status": "done"}}\' {base}/api/tasks/{findings.task_id}; echo'
    )
    return [
        "",
        "TaskFlow is ready; Ctrl-C ends it.",
        "",
        f"  {base}/         try it in a browser",
        f"  {base}/docs     every route, with a form",
        f"  {base}/health   how the application, its database and its cache are",
        "",
        f"  Sign in as {name} (her own tasks) or {seed.ADMIN_USERNAME} (all of them); the password is {password}",
        f"  Data   {settings.database_url.rpartition('@')[2]}",
        f"  Cache  {cache}",
        "",
        "Measured just now:",
        *(f"  {line}" for line in findings.lines()),
        "",
        "Try it in another terminal: the first list is a miss, the second a hit; after the update it is a miss again.",
        "",
        f"  TOKEN=$(curl -s {base}/api/auth/token -d username={name} -d password={password} | {parse})",
        f"  {ask}",
        f"  {ask}",
        f"  {update}",
        f"  {ask}",
        "",
    ]


if __name__ == "__main__":
    main()
