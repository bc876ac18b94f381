"""The key that signs sign-in tokens: random, made once per data directory, never in the repository."""

import os
import secrets
from pathlib import Path

FILE_NAME = "signing-secret"


def prepare(data_dir: Path) -> None:
    """*data_dir*, private to this user and invisible to git."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    ignore = data_dir / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")


def signing_secret(data_dir: Path) -> str:
    """The secret of *data_dir*, made at the first call; every worker process gets the same one."""
    path = data_dir / FILE_NAME
    if not path.exists():
        _create(path, secrets.token_urlsafe(48))
    return path.read_text()


def _create(path: Path, content: str) -> None:
    # Written whole under another name and then linked: of several workers that start together one
    # wins, and none reads half a secret.
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    draft.touch(mode=0o600)
    draft.write_text(content)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
