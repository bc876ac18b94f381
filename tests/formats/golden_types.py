"""The classes inside the golden envelopes. Their module, names and fields are part of the stored schemas: don't touch."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from pydantic import BaseModel


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Line:
    name: str
    price: Decimal
    at: datetime
    colour: Colour = Colour.RED


class User(BaseModel):
    id: int
    name: str
