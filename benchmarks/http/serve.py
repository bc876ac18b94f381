"""`python -m benchmarks.http.serve NAME --redis URL --folder FOLDER`: one application, one worker, on a free port.

Its first line is the port. It ends when its standard input does, so that no server outlives the benchmark.
"""

from __future__ import annotations

import argparse
import socket
import sys
import threading

from benchmarks.http.variants import Place
from benchmarks.http.variants.every import VARIANTS


def main() -> None:
    import uvicorn

    ask = argparse.ArgumentParser(prog="python -m benchmarks.http.serve", description=__doc__)
    ask.add_argument("name", choices=VARIANTS)
    ask.add_argument("--redis", default="redis://127.0.0.1:6379/0")
    ask.add_argument("--folder", default=".")
    given = ask.parse_args()
    app = VARIANTS[given.name].make(Place(given.redis, given.folder))
    config = uvicorn.Config(app, loop="uvloop", http="httptools", access_log=False, log_level="warning")
    server = uvicorn.Server(config)
    threading.Thread(target=_end_with_input, args=(server,), daemon=True).start()
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        print(listening.getsockname()[1], flush=True)
        server.run(sockets=[listening])


def _end_with_input(server) -> None:  # noqa: ANN001 - uvicorn's Server
    sys.stdin.read()
    server.should_exit = True


if __name__ == "__main__":
    main()
