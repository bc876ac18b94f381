"""A child process that doesn't outlive its parent.

`PR_SET_PDEATHSIG` looks made for this and isn't: it fires when the *thread* that started the child ends, it needs code
between fork and exec in a program with threads, and only Linux has it. Instead a shell of one line waits at a pipe whose
other end only the parent holds: however the parent dies, the pipe ends, and the shell kills the child and removes its
folder. A forked (not spawned) worker of the parent holds the pipe too: then the last of them counts.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from evercache.testing.servers.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ChildProcess"]

_WATCH = 'read -r _; kill -KILL "$1"; rm -rf -- "$2"'


class ChildProcess:
    """*command*, running in *folder* with its output in *log*, until it ends or the parent does.

    It is started in its own session, so that Ctrl-C reaches the test runner alone and fixtures end in their order; as
    another *user* and *group*, if they are given.
    """

    def __init__(
        self, command: list[str], folder: Path, log: Path, *, user: str | None = None, group: str | None = None
    ) -> None:
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=user,
                group=group,
            )
        self._watch = subprocess.Popen(
            ["/bin/sh", "-c", _WATCH, "watch", str(self._child.pid), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._child.pid

    @property
    def is_alive(self) -> bool:
        """False as soon as it ended by itself or by a signal; a stopped process is alive."""
        if self._child.poll() is None:
            return True
        self._dismiss_watch()  # the number may soon be another process's
        return False

    def pause(self) -> None:
        """SIGSTOP; returns when the process really stands."""
        self._child.send_signal(signal.SIGSTOP)
        if sys.platform == "linux":
            wait_until(self._has_stopped, "the process stands still", seconds=30)

    def resume(self) -> None:
        """SIGCONT."""
        self._child.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL; returns when the process is gone. It hears this also while it is paused."""
        self._child.kill()
        self._child.wait()
        self._dismiss_watch()

    def stop(self, *, patience: float = 10.0) -> None:
        """SIGTERM, and SIGKILL after *patience* seconds; returns when the process is gone."""
        self._child.send_signal(signal.SIGCONT)
        self._child.terminate()
        try:
            self._child.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._dismiss_watch()

    def _has_stopped(self) -> bool:
        # Only asks for the stop: a wait for the exit would take the exit status away from Popen.
        return os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None

    def _dismiss_watch(self) -> None:
        """Let the shell go; may be called twice."""
        self._watch.kill()
        self._watch.wait()
        if self._watch.stdin is not None:
            self._watch.stdin.close()
