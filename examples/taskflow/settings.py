"""What the environment says: one frozen object, read once.

===========================  =================================================================
``PORT``                     where to listen; 8000
``REDIS_URL``                the shared cache; without it entries live in this process only
``DATABASE_URL``             ``postgresql://…`` or ``sqlite:///…``; a SQLite file in the data directory
``TASKFLOW_DATA_DIR``        the SQLite file and the signing secret; ``.taskflow`` where it was started
``TASKFLOW_ADMIN_PASSWORD``  makes the first user, ``admin``, in a database without users
``TASKFLOW_DEMO``            ``1`` offers the seeded user on the start page; ``demo.py`` sets it
the names in                 what is kept warm, such as ``ENABLE_BACKGROUND_WARMING``; how long projects are kept is
``projects/config.py``       read where the cache's rules are, in ``projects/caching.py``
===========================  =================================================================
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from examples.taskflow.projects.config import CacheWarmingConfig

# SQLAlchemy names the driver in the URL; people (and hosting platforms) write the short forms.
ASYNC_DRIVERS = {
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "sqlite": "sqlite+aiosqlite",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """How one TaskFlow runs."""

    data_dir: Path
    database_url: str = field(repr=False)
    redis_url: str | None = field(default=None, repr=False)
    port: int = 8000
    demo: bool = False
    admin_password: str | None = field(default=None, repr=False)
    token_minutes: int = 60
    warming: CacheWarmingConfig = field(default_factory=CacheWarmingConfig)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """The settings *environ* asks for; touches no file.  Raises ValueError for what can't be read."""
        data_dir = Path(environ.get("TASKFLOW_DATA_DIR") or ".taskflow").absolute()
        return cls(
            data_dir=data_dir,
            database_url=async_url(environ.get("DATABASE_URL") or f"sqlite:///{data_dir / 'taskflow.db'}"),
            redis_url=environ.get("REDIS_URL") or None,
            port=port_number(environ.get("PORT") or "8000"),
            admin_password=environ.get("TASKFLOW_ADMIN_PASSWORD") or None,
            demo=environ.get("TASKFLOW_DEMO") == "1",
            warming=CacheWarmingConfig.from_environment(environ),
        )


def async_url(url: str) -> str:
    """*url* with an asyncio driver where it names none."""
    scheme, colon, rest = url.partition(":")
    return f"{ASYNC_DRIVERS.get(scheme, scheme)}{colon}{rest}"


def port_number(text: str) -> int:
    """*text* as a TCP port, 0 (any free one) to 65535."""
    if text.isdecimal() and int(text) <= 65535:
        return int(text)
    raise ValueError(f"PORT is {text!r}; it must be a number from 0 to 65535")
