"""A board's page as Pydantic models: what the listing's route returns."""

from __future__ import annotations

from pydantic import BaseModel

__all__ = ["Board", "Count", "Task"]


class Task(BaseModel):
    id: int
    title: str
    state: str
    due: int
    estimate: float


class Count(BaseModel):
    state: str
    tasks: int
    estimate: float


class Board(BaseModel):
    tasks: list[Task]
    counts: list[Count]
