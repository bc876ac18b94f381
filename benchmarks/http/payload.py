"""What every application of this benchmark answers: 2,025 bytes of JSON, ten items of a listing."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["BODY", "HEADERS", "LISTING"]

SIZE = 2_025


def _listing(padding: int) -> dict[str, Any]:
    items = [
        {
            "id": number,
            "title": f"Item number {number}",
            "done": number % 3 == 0,
            "owner": f"user-{number:03d}",
            "tags": ["alpha", "beta", "gamma"],
            "score": number * 1.5,
            "description": "what a listing says about one of its items, at the length they use to have here",
        }
        for number in range(1, 10)
    ]
    return {"items": items, "total": len(items), "note": "." * padding}


def _json(listing: dict[str, Any]) -> bytes:
    return json.dumps(listing, separators=(",", ":")).encode()


LISTING = _listing(SIZE - len(_json(_listing(0))))
BODY = _json(LISTING)
HEADERS = [(b"content-length", str(len(BODY)).encode()), (b"content-type", b"application/json")]
