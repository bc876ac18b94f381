"""The load: wrk, one thread, as many connections as told, each asking again as soon as it is answered."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

__all__ = ["Seen", "load"]

_RUNS = itertools.count()
SCRIPT = Path(__file__).with_name("wrk.lua")


class Seen(NamedTuple):
    """What the load saw of the server."""

    requests: int
    seconds: float
    received: int
    """Bytes, headers included."""
    p50: float
    p99: float
    """Milliseconds from a request to its answer."""

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def load(
    port: int, path: str, seconds: float, *, connections: int = 32, headers: tuple[str, ...] = (), unique: bool = False
) -> Seen:
    """Ask for *path* for some seconds; *unique*: each time with a query that was never asked. Errors end the benchmark."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("this case needs wrk on the PATH. On Debian and Ubuntu: apt-get install wrk")
    words = [wrk, "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--latency", "-s", str(SCRIPT)]
    words += [word for header in headers for word in ("-H", header)]
    words += [f"http://127.0.0.1:{port}{path}", "--", *([f"q{next(_RUNS)}"] if unique else [])]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    seen = json.loads(done.stdout.splitlines()[-1])
    if seen.pop("errors"):
        raise RuntimeError(f"the server on port {port} failed requests for {path}: {done.stdout}")
    return Seen(**seen)
