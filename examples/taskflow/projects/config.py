"""How long what is kept about projects, and what a change does to it: the defaults, each to be set by its own name.

``PROJECT_DASHBOARD_TTL=60 uvicorn …`` is one way, ``ProjectCacheConfig(PROJECT_DASHBOARD_TTL=60)`` another.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

ON = {"1", "true", "yes", "on"}
OFF = {"0", "false", "no", "off"}


@dataclass(frozen=True, slots=True)
class FromEnvironment:
    """Settings whose names are those of environment variables."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """The defaults, but for what *environ* names.  Raises ValueError with the name of what can't be read."""
        given = {each.name: environ[each.name] for each in fields(cls) if environ.get(each.name)}
        return cls(**{name: read(name, text, getattr(cls(), name)) for name, text in given.items()})


def read(name: str, text: str, default: object) -> bool | int:
    """*text* as what *default* is."""
    if isinstance(default, bool):
        if text.lower() in ON | OFF:
            return text.lower() in ON
        raise ValueError(f"{name} is {text!r}; write true or false")
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise ValueError(f"{name} is {text!r}; write a whole number above 0")


@dataclass(frozen=True, slots=True)
class ProjectCacheConfig(FromEnvironment):
    """Seconds that each kind of answer is fresh, and what follows a change."""

    PROJECT_DETAIL_TTL: int = 1800
    PROJECT_DASHBOARD_TTL: int = 300
    PROJECT_LIST_TTL: int = 600
    PROJECT_EXPORT_TTL: int = 3600
    PROJECT_STATS_TTL: int = 900
    PROJECT_SEARCH_TTL: int = 1200

    WARM_CACHE_ON_UPDATE: bool = True
    WARM_DASHBOARD_ON_PROJECT_CHANGE: bool = True
    INVALIDATE_ON_PROJECT_UPDATE: bool = True
    INVALIDATE_RELATED_ON_CLASSIFICATION_UPDATE: bool = True
    INVALIDATE_RELATED_ON_PREDICATE_UPDATE: bool = True


@dataclass(frozen=True, slots=True)
class CacheWarmingConfig(FromEnvironment):
    """What is kept warm: how much of it, in which order, how often the database is asked for it (seconds)."""

    MIN_PROJECTS_FOR_WARMING: int = 1
    MAX_PROJECTS_PER_BATCH: int = 50
    MAX_ACTIVE_USERS: int = 100
    WARM_ACTIVE_PROJECTS_FIRST: bool = True
    WARM_RECENTLY_ACCESSED_FIRST: bool = True
    ENABLE_BACKGROUND_WARMING: bool = True
    BACKGROUND_TASK_INTERVAL: int = 1800
    LOADS_PER_SECOND: int = 20
