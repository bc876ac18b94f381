"""One real Redis server, private to a test."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

from evercache.errors import EvercacheError
from evercache.testing.ports import HOST, ReservedPort
from evercache.testing.proxy import TcpProxy
from evercache.testing.servers.binaries import ServerBinary, find_redis_server, speaks_tls
from evercache.testing.servers.certificates import Certificate, make_certificate
from evercache.testing.servers.process import ChildProcess
from evercache.testing.servers.waiting import wait_until
from evercache.testing.servers.wire import Reply, ReplyError, Wire

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

__all__ = ["RedisServer", "ServerFailed"]

_START_SECONDS = 60.0
_DATA = ("dump.rdb", "appendonlydir", "appendonly.aof")


class ServerFailed(EvercacheError):
    """The server program didn't come up; the message has its last words."""


class RedisServer:
    """A Redis server of your own: start it, ask it, pause it, kill it, bring it back.

        with RedisServer("maxmemory 4mb", password="s3cret") as server:
            cache = Cache(server.url)

    - *options* are lines as in `redis.conf`; they come after the defaults, which keep nothing on disk.
    - *binary* is a path or one of `find_all()`; without it, `find_redis_server()` decides.
    - *tls* serves `rediss://` only; clients trust `ca_file`. A program that was built without TLS gets a front that
      speaks it.
    - The port and the folder stay the same from the first start to `close`; so does the data only where it is asked for.
    - Every method blocks until what it says is a fact. The server never outlives this process.
    """

    def __init__(
        self,
        *options: str,
        binary: ServerBinary | Path | str | None = None,
        password: str | None = None,
        tls: bool = False,
        bus: bool = False,
    ) -> None:
        path = binary.path if isinstance(binary, ServerBinary) else binary
        self.binary = Path(path) if path is not None else find_redis_server()
        self.password = password
        self.folder = Path(tempfile.mkdtemp(prefix="evercache-redis-"))
        self._remove_folder = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self.certificate: Certificate | None = make_certificate(self.folder) if tls else None
        self._trust: ssl.SSLContext | None = self.certificate.client_context() if self.certificate else None
        self._reserved = ReservedPort(bus=bus)
        self._front = self._make_front()
        self._process: ChildProcess | None = None
        self.paused = False
        self._config = self.folder / "redis.conf"
        self._config.write_text("\n".join([*self._settings(), *options, ""]))

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "paused" if self.paused else "running" if self.is_running else "down"
        return f"<{type(self).__name__} {self.host}:{self.port} {state}>"

    @property
    def host(self) -> str:
        """Always the loopback."""
        return HOST

    @property
    def port(self) -> int:
        """The same from the first start to `close`."""
        return self._reserved.number if self._front is None else self._front.port

    @property
    def address(self) -> tuple[str, int]:
        """*host* and *port*."""
        return self.host, self.port

    @property
    def url(self) -> str:
        """What a client connects to, password included."""
        scheme = "redis" if self.certificate is None else "rediss"
        return f"{scheme}://{self.credentials}{self.host}:{self.port}/0"

    @property
    def credentials(self) -> str:
        """What stands before the host in a URL: nothing, or `:password@`."""
        return "" if self.password is None else f":{quote(self.password, safe='')}@"

    @property
    def ca_file(self) -> Path:
        """The file with which a client trusts this server."""
        if self.certificate is None:
            raise EvercacheError("This server has no TLS; start it with RedisServer(tls=True).")
        return self.certificate.certificate

    @property
    def is_running(self) -> bool:
        """Whether the process lives; a paused one does."""
        return self._process is not None and self._process.is_alive

    @property
    def pid(self) -> int:
        """The process id; raises if the server is down."""
        return self._running().pid

    @property
    def log(self) -> str:
        """All that the server has said since the first start."""
        path = self.folder / "server.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> None:
        """Start, or start again on the same port with what is on the disk; returns when it answers PING."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start and don't wait; nothing happens if it already runs."""
        if not self.is_running:
            try:
                self._process = ChildProcess(self._command(), self.folder, self.folder / "server.log")
            except OSError as error:
                raise ServerFailed(f"{self.binary} can't be started: {error}") from error
            self.paused = False
            if self._front is not None:
                self._front.start()

    def wait_ready(self) -> None:
        """Return when it answers PING; raises `ServerFailed` with its last words if it ended instead."""
        wait_until(self._answers, f"{self!r} answers PING", seconds=_START_SECONDS)

    def stop(self) -> None:
        """Shut down in good order: nothing is saved unless *options* say so."""
        if self._process is not None:
            self._process.stop()
        self._after_the_end()

    def kill(self) -> None:
        """`kill -9`: no farewell, no saving; connections break at once."""
        if self._process is not None:
            self._process.kill()
        self._after_the_end()

    def pause(self) -> None:
        """Stand still (SIGSTOP): connections stay, new ones are even accepted by the kernel, nobody answers."""
        self._running().pause()
        self.paused = True

    def resume(self) -> None:
        """Go on after `pause`; commands that came in the meantime are executed now."""
        self._running().resume()
        self.paused = False

    def restart(self, *, keep_data: bool = False) -> None:
        """Stop in good order and start again, empty, or with *keep_data* as it was."""
        if keep_data:
            self.command("SAVE", timeout=60.0)
        self.stop()
        if not keep_data:
            self._forget_data()
        self.start()

    def close(self) -> None:
        """Kill it, remove its folder, give back its port; may be called twice."""
        self.kill()
        if self._front is not None:
            self._front.close()
        self._reserved.release()
        self._remove_folder()

    def connect(self, *, timeout: float = 5.0) -> Wire:
        """A connection of one's own, for assertions; close it, or use `with`."""
        wire = Wire(self.host, self.port, timeout=timeout, tls=self._trust)
        try:
            if self.password is not None:
                wire.command("AUTH", self.password)
        except BaseException:
            wire.close()
            raise
        return wire

    def command(self, *words: str | bytes | float, timeout: float = 5.0) -> Reply:
        """One command on a fresh connection; replies are bytes, int, list or None. Raises `ReplyError`, `OSError`."""
        with self.connect(timeout=timeout) as wire:
            return wire.command(*words)

    def info(self, section: str = "everything") -> dict[str, str]:
        """INFO as a dict of strings."""
        lines = self.command("INFO", section).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def _settings(self) -> list[str]:
        lines = [f"bind {self.host}", f"dir {self.folder}", 'save ""', "appendonly no", "repl-diskless-sync-delay 0"]
        if self.certificate is None or self._front is not None:
            lines.append(f"port {self._reserved.number}")
        else:
            lines += ["port 0", f"tls-port {self.port}", "tls-auth-clients no"]
            lines += [f"tls-cert-file {self.certificate.certificate}", f"tls-key-file {self.certificate.key}"]
            lines += [f"tls-ca-cert-file {self.certificate.certificate}"]
        if self.password is not None:
            lines += [f'requirepass "{self.password}"', f'masterauth "{self.password}"']
        return lines

    def _make_front(self) -> TcpProxy | None:
        if self.certificate is None or speaks_tls(self.binary):
            return None
        return TcpProxy((self.host, self._reserved.number), tls=self.certificate.server_context())

    def _after_the_end(self) -> None:
        self.paused = False
        if self._front is not None and self._front.is_running:
            self._front.refuse()

    def _command(self) -> list[str]:
        return [str(self.binary), str(self._config)]

    def _answers(self) -> bool:
        if not self.is_running:
            raise ServerFailed(f"{self.binary} ended instead of starting. It said: {self.log.strip()[-500:]}")
        try:
            return bool(self.command("PING", timeout=1.0) == b"PONG")
        except ReplyError:  # -LOADING, for instance
            return False

    def _running(self) -> ChildProcess:
        if self._process is None or not self._process.is_alive:
            raise EvercacheError(f"{self!r} is down; start() it first.")
        return self._process

    def _forget_data(self) -> None:
        for name in _DATA:
            path = self.folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
