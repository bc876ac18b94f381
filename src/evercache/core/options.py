"""How a value is cached: few options, each independent of the others, in one frozen object.

Options cascade by `|`: the right side wins where it says something. None means "inherit", FOREVER "never expires", and
0 is an error, everywhere. `Policy` is the same with everything decided: plain floats, checked against each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from evercache.core.duration import FOREVER, Duration, Forever, parse_duration, parse_seconds
from evercache.errors import ConfigurationError

__all__ = ["NegativeTtl", "Options", "Policy", "TagTemplate"]

TagTemplate = str | Callable[..., object]
NegativeTtl = Duration | Mapping[Any, Duration]  # Any: None and exception classes as keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What can be said about caching a value.

    - `ttl`: how long it is fresh. `stale_for`: how long after that it still answers while a reload runs behind.
      `fail_safe`: how long after `ttl` it may still answer when the reload fails. Both count from the end of `ttl`.
    - `early`: refresh ahead of the end by chance, more eagerly the longer the load takes (XFetch); True or the factor
      beta (1.0). `jitter`: shortens each ttl by up to this fraction (default 0.1), so that what was stored together
      does not die together.
    - `negative_ttl`: how long "nothing" is cached: a duration for None, or a mapping from None and exception classes
      to durations. Exceptions are cached only if they are named here.
    - `soft_timeout`: with a stale value at hand, how long to wait for the load before answering with it.
      `hard_timeout`: how long to wait at all; then LoadTimeout, while the load goes on behind.
    - `tags`: names by which the entry can be invalidated, with the arguments' values filled in ("user:{user_id}").
    - `when`: called with the value; only cached if it says so.
    - `l1`, `l2`: False keeps the value out of the process's memory or out of the shared store.
    - `share`: hand out the cached object itself and not a copy; only for values that nobody changes.
    - `version`: change it when the meaning of the function changes; old entries become misses.
    """

    ttl: Duration | None = None
    stale_for: Duration | None = None
    fail_safe: Duration | None = None
    early: float | bool | None = None
    jitter: float | None = None
    negative_ttl: NegativeTtl | None = None
    soft_timeout: Duration | None = None
    hard_timeout: Duration | None = None
    tags: Sequence[TagTemplate] | None = None
    when: Callable[[Any], bool] | None = None  # Any: a precise type here breaks inference in both checkers
    l1: bool | None = None
    l2: bool | None = None
    share: bool | None = None
    version: str | int | None = None

    @classmethod
    def said(cls, options: Mapping[str, Any], where: str, *also: str) -> Options:
        """From keyword arguments. Raises ConfigurationError that says which option a misspelled one was meant to be;
        *also*: what else *where* takes."""
        for name in options:
            if name not in _NAMES:
                raise ConfigurationError(_unknown(name, options[name], where, (*_NAMES, *also)))
        return cls(**options)

    def __or__(self, other: Options) -> Options:
        said = {name: value for name in _NAMES if (value := getattr(other, name)) is not None}
        return Options(**{name: getattr(self, name) for name in _NAMES} | said)

    def resolve(self, where: str) -> Policy:
        """Everything decided; all contradictions are errors that name *where*."""
        policy = self.decide(where)
        policy.check(where)
        return policy

    def decide(self, where: str) -> Policy:
        """Everything decided; what is wrong by itself is an error, what others may still complete is none."""
        if isinstance(self.tags, str):
            raise ConfigurationError(f"{where}: tags={self.tags!r} is one text; write tags=[{self.tags!r}].")
        if self.when is not None and not callable(self.when):
            raise ConfigurationError(f"{where}: when={self.when!r} is no function; it is called with the value.")
        return Policy(
            ttl=_life(self.ttl, f"{where}: ttl", default=300.0),
            stale_for=_life(self.stale_for, f"{where}: stale_for"),
            fail_safe=_life(self.fail_safe, f"{where}: fail_safe"),
            beta=_beta(self.early, where),
            jitter=_fraction(self.jitter, where),
            negative=_negative(self.negative_ttl, where),
            soft_timeout=_wait(self.soft_timeout, f"{where}: soft_timeout"),
            hard_timeout=_wait(self.hard_timeout, f"{where}: hard_timeout"),
            when=self.when,
            l1=self.l1 is not False,
            l2=self.l2 is not False,
            share=bool(self.share),
            version="" if self.version is None else str(self.version),
        )


_NAMES = tuple(field.name for field in fields(Options))


def _unknown(name: str, value: object, where: str, known: Sequence[str]) -> str:
    import difflib  # only a mistake needs it

    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    advice = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}."
    return f"{where}({name}={value!r}): there is no option {name!r}; {advice}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Options with everything decided. Times are seconds, `math.inf` for ever; 0.0 where a time is not used."""

    ttl: float
    stale_for: float
    fail_safe: float
    beta: float
    jitter: float
    negative: Mapping[Any, float]  # Any: None and exception classes
    soft_timeout: float | None
    hard_timeout: float | None
    when: Callable[[Any], bool] | None
    l1: bool
    l2: bool
    share: bool
    version: str

    @property
    def spare_for(self) -> float:
        """How long after its ttl an entry is kept at all."""
        return max(self.stale_for, self.fail_safe)

    def life(self, ttl: float, dice: float) -> float:
        """*ttl*, shortened by the jitter; 0 <= *dice* < 1. Never longer."""
        return ttl if math.isinf(ttl) else ttl * (1.0 - self.jitter * dice)

    def negative_for(self, value: object) -> float | None:
        """How long "nothing" is cached: for None, or for an exception of a named class (the nearest one wins)."""
        if not self.negative:
            return None
        if value is None:
            return self.negative.get(None)
        return next((self.negative[kind] for kind in type(value).__mro__ if kind in self.negative), None)

    def check(self, where: str) -> None:
        soft, hard = self.soft_timeout, self.hard_timeout
        if soft is not None and hard is not None and soft > hard:
            raise ConfigurationError(
                f"{where}: soft_timeout={soft:g} s is longer than hard_timeout={hard:g} s; the soft one must come first."
            )
        if soft is not None and not self.spare_for:
            raise ConfigurationError(
                f"{where}: soft_timeout answers with a stale value, and nothing stale is kept; set fail_safe or stale_for."
            )
        if not self.l1 and not self.l2:
            raise ConfigurationError(f"{where}: l1=False and l2=False leave nowhere to cache; leave one of them out.")


def _life(value: Duration | None, name: str, default: float = 0.0) -> float:
    if value is None:
        return default
    parsed = parse_duration(value, name)
    return math.inf if isinstance(parsed, Forever) else parsed


def _wait(value: Duration | None, name: str) -> float | None:
    return None if value is None else parse_seconds(value, name)


def _beta(value: object, where: str) -> float:
    if value is None or value is False:
        return 0.0
    if value is True:
        return 1.0
    if not isinstance(value, int | float) or not 0 < value <= 100:
        raise ConfigurationError(f"{where}: early={value!r} is not a factor; write True, or a number up to 100 (1.0).")
    return float(value)


def _fraction(value: object, where: str) -> float:
    if value is None:
        return 0.1
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise ConfigurationError(
            f"{where}: jitter={value!r} is not a fraction; write a number from 0 to below 1 (0.1)."
        )
    return float(value)


def _negative(value: NegativeTtl | None, where: str) -> Mapping[Any, float]:
    if value is None:
        return {}
    table = value if isinstance(value, Mapping) else {None: value}
    for kind in table:
        if kind is not None and not (isinstance(kind, type) and issubclass(kind, Exception)):
            raise ConfigurationError(f"{where}: negative_ttl has {kind!r}; keys are None and exception classes.")
    return {kind: _life(duration, f"{where}: negative_ttl[{kind!r}]") for kind, duration in table.items()}


def as_seconds(value: Duration, name: str) -> float:
    """A duration that the caller gave for one call, as seconds; FOREVER is infinite."""
    return _life(FOREVER if value is FOREVER else value, name)
