"""An exception of one's own: what many callers raise would carry the context and the notes of all of them.

A caller that raises an exception changes it: its traceback grows, `__context__` is what the caller was handling, and
notes are added on the way up. So each caller of a shared or cached answer gets a copy. What can't be copied is raised
itself, as a failed load always was.
"""

from __future__ import annotations

import copy
from typing import Any

__all__ = ["own"]


def own(error: BaseException) -> BaseException:
    """A copy of *error* with its arguments, attributes and notes, its cause and context; without its traceback.

    *error* itself, if a copy wouldn't be the same.
    """
    try:
        made = _copied(error)
    except Exception:  # noqa: BLE001  # a class that wants other arguments than it keeps, or forbids copies
        return error
    if type(made) is not type(error) or made is error or made.args != error.args or str(made) != str(error):
        return error
    notes = getattr(made, "__notes__", None)
    if isinstance(notes, list):
        vars(made)["__notes__"] = list(notes)
    made.__cause__, made.__context__ = error.__cause__, error.__context__
    made.__suppress_context__ = error.__suppress_context__
    return made


def _copied(error: BaseException) -> BaseException:
    kind: Any = type(error)
    if not _made_in_python(kind):
        return copy.copy(error)
    if any(vars(base).get("__slots__") for base in kind.__mro__):
        raise TypeError("state beside the attributes")
    # Not through __init__, which may want other arguments than it passed on, and may do more than remember them.
    made: BaseException = kind.__new__(kind, *error.args)
    made.args = error.args
    vars(made).update(vars(error))
    return made


def _made_in_python(kind: Any) -> bool:
    return any("__init__" in vars(base) for base in kind.__mro__ if base.__module__ != "builtins")
