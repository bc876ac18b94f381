"""A TCP proxy that behaves as badly as a network does, on order.

What a client sees of a sick network is one of these: nothing moves any more (`freeze`, and `thaw` delivers late what was
held back), bytes vanish (`drop`), connections break (`cut`), nobody listens (`refuse`), everything is slow (`delay`,
`throttle`). Each can be set for one direction only: *up* is client to server, *down* is server to client.

`TcpProxy` lives in a thread with a loop of its own, so that it goes on misbehaving while the loop under test is blocked,
and so that both sides of a synchronous test can use it.
"""

from __future__ import annotations

import asyncio
import random
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self, TypeVar
from urllib.parse import urlsplit, urlunsplit

from evercache.testing.link import Link, Rules
from evercache.testing.ports import HOST, ReservedPort

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine
    from types import TracebackType

__all__ = ["Direction", "ProxyCounts", "TcpProxy"]

Direction = Literal["up", "down", "both"]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ProxyCounts:
    """What has passed so far. *read* and *written* differ by what is held back, on its way, or dropped."""

    accepted: int
    open: int
    up_read: int
    up_written: int
    up_dropped: int
    down_read: int
    down_written: int
    down_dropped: int


class TcpProxy:
    """Listens on the loopback and forwards to *target*, an address.

        with TcpProxy(server.address) as proxy:
            cache = Cache(proxy.rewrite(server.url))
            proxy.freeze()

    - Orders are in force when the method returns, for open connections as for new ones.
    - `heal` takes back every order; what was held back is delivered.
    - The port stays the same, also while the proxy refuses.
    - With *tls*, clients speak TLS to it, and it speaks plainly to *target*.
    - *seed* decides what chance does to `delay`.
    """

    def __init__(self, target: tuple[str, int], *, tls: ssl.SSLContext | None = None, seed: int = 0) -> None:
        self.target = target
        self._tls = tls
        self._reserved = ReservedPort()
        self._chance = random.Random(seed)
        self._up, self._down = Rules(self._chance), Rules(self._chance)
        self._links: set[Link] = set()
        self._accepted = 0
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="evercache-tcp-proxy", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<TcpProxy {HOST}:{self.port} to {self.target[0]}:{self.target[1]}>"

    @property
    def host(self) -> str:
        """Always the loopback."""
        return HOST

    @property
    def port(self) -> int:
        """Where clients connect to."""
        return self._reserved.number

    @property
    def address(self) -> tuple[str, int]:
        """*host* and *port*."""
        return self.host, self.port

    @property
    def is_running(self) -> bool:
        """Between `start` and `close`."""
        return self._thread.is_alive()

    def rewrite(self, url: str) -> str:
        """*url* with this proxy's address in place of its own; user, password and path stay."""
        parts = urlsplit(url)
        user, at, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{user}{at}{self.host}:{self.port}"))

    @property
    def counts(self) -> ProxyCounts:
        """The numbers as they are now."""
        return self._do(self._count)

    def start(self) -> None:
        """Start the thread and listen; nothing happens if it already does."""
        if not self._thread.is_alive():
            self._thread.start()
        self._run(self._listen())

    def close(self) -> None:
        """Cut everything, end the thread, give back the port; may be called twice."""
        if self._thread.is_alive():
            self._run(self._shut())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        if not self._loop.is_closed():
            self._loop.close()
        self._reserved.release()

    def freeze(self, direction: Direction = "both") -> None:
        """Half-open: connections stay and new ones are accepted, but nothing moves, not even the news of a close."""
        self._order(direction, Rules.freeze)

    def thaw(self, direction: Direction = "both") -> None:
        """End a freeze: what was held back arrives now, however late that is."""
        self._order(direction, Rules.thaw)

    def drop(self, direction: Direction = "both") -> None:
        """Swallow every byte from now on. After `heal` a stream that lost bytes is out of step: `cut` it."""
        self._order(direction, lambda rules: rules.set_dropping(on=True))

    def delay(self, seconds: float, *, jitter: float = 0.0, direction: Direction = "both") -> None:
        """Everything arrives *seconds* later, plus up to *jitter* more by chance; the order stays. 0 ends it."""
        self._order(direction, lambda rules: rules.set_delay(seconds, jitter))

    def throttle(self, bytes_per_second: float | None, *, direction: Direction = "both") -> None:
        """Let no more than that through, for each connection; None ends it."""
        self._order(direction, lambda rules: rules.set_rate(bytes_per_second))

    def cut(self) -> int:
        """Break all open connections at once, with a reset to both sides; return how many there were."""
        return self._run(self._cut())

    def refuse(self) -> None:
        """Listen no more: new connections are refused. Open ones go on; `cut` ends them too."""
        self._run(self._stop_listening())

    def accept(self) -> None:
        """Listen again on the same port."""
        self._run(self._listen())

    def heal(self) -> None:
        """Take back every order: listen, thaw, no drop, no delay, no throttle."""
        self._order("both", Rules.reset)
        self.accept()

    def _order(self, direction: Direction, order: Callable[[Rules], None]) -> None:
        concerned = {"up": [self._up], "down": [self._down], "both": [self._up, self._down]}[direction]

        def obey() -> None:
            for rules in concerned:
                order(rules)

        self._do(obey)

    def _do(self, work: Callable[[], _T]) -> _T:
        async def in_the_loop() -> _T:
            return work()

        return self._run(in_the_loop())

    def _run(self, work: Coroutine[object, object, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=60)

    def _count(self) -> ProxyCounts:
        up, down = self._up, self._down
        counts = (up.read, up.written, up.dropped, down.read, down.written, down.dropped)
        return ProxyCounts(self._accepted, len(self._links), *counts)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._meet, self.host, self.port, ssl=self._tls)

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _shut(self) -> None:
        await self._stop_listening()
        await self._cut()

    async def _cut(self) -> int:
        links = list(self._links)
        for link in links:
            link.cut()
        await asyncio.gather(*(link.ended() for link in links))
        return len(links)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._accepted += 1
        link = Link((reader, writer), self._up, self._down)
        self._links.add(link)
        try:
            await link.run(self.target)
        finally:
            self._links.discard(link)
