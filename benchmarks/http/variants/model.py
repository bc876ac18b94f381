"""The listing as Pydantic models: what a route returns. (Module level: some peers pickle what they cache.)"""

from __future__ import annotations

from pydantic import BaseModel

from benchmarks.http import payload

__all__ = ["LISTING", "Listing"]


class Item(BaseModel):
    id: int
    title: str
    done: bool
    owner: str
    tags: list[str]
    score: float
    description: str


class Listing(BaseModel):
    items: list[Item]
    total: int
    note: str


LISTING = Listing.model_validate(payload.LISTING)
