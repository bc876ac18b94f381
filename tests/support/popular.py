"""Requests as an application gets them: a few things are asked for all the time, most things hardly ever."""

from __future__ import annotations

from bisect import bisect
from itertools import accumulate
from random import Random

__all__ = ["zipf"]


def zipf(count: int, *, things: int, exponent: float = 1.0, seed: int = 1) -> list[int]:
    """*count* numbers below *things*, number k drawn with weight 1 / (k + 1) ** exponent; the same for the same seed."""
    draw = Random(seed).random
    heights = list(accumulate(1 / (rank + 1) ** exponent for rank in range(things)))
    return [bisect(heights, draw() * heights[-1]) for _ in range(count)]
