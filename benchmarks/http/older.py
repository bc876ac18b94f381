"""An environment beside this one for peers that need older versions of the framework; made once, kept inside this one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

__all__ = ["python"]

FOLDER = Path(sys.prefix) / "older-starlette"
PACKAGES = ("fastapi<0.130", "starlette-caches==0.4.1", "uvicorn>=0.34", "uvloop>=0.21", "httptools>=0.6")


def python() -> Path | None:
    """Its interpreter, or None where it can't be made: without a network, those peers are left out."""
    made, inside = FOLDER / "made", FOLDER / "bin" / "python"
    if not made.exists():
        steps = (
            [sys.executable, "-m", "venv", "--clear", str(FOLDER)],
            [str(inside), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES],
        )
        for step in steps:
            if subprocess.run(step, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode:
                return None
        made.touch()
    return inside
