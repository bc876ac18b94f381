"""Create the project's virtual environment: ``make_venv.py FOLDER GROUP...``.

Runs with whatever Python the machine has, so it keeps to old syntax and the standard library, and says
in one sentence what is missing.
"""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

OLDEST = (3, 11)


def main(folder: str, *groups: str) -> None:
    """Make *folder* a virtual environment that holds the package, all its extras and *groups*."""
    python = Path(folder) / "bin" / "python"
    _require_modern_python()
    if not python.exists():
        _require_ensurepip()
        _run(sys.executable, "-m", "venv", "--clear", folder)
    # Dependency groups came with pip 25.1; the pip that Python 3.11 brings is older.
    _run(python, "-m", "pip", "install", "--quiet", "--upgrade", "pip>=25.1")
    _run(python, "-m", "pip", "install", "--quiet", "--editable", ".[all]", *(f"--group={group}" for group in groups))


def _require_modern_python() -> None:
    if sys.version_info < OLDEST:
        found = ".".join(map(str, sys.version_info[:3]))
        sys.exit(
            f"evercache needs Python 3.11 or newer; {sys.executable} is {found}. Name another: make PYTHON=python3.13"
        )


def _require_ensurepip() -> None:
    # Debian ships Python without it, and venv then fails late and unclearly.
    if find_spec("ensurepip") is None:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        sys.exit(
            f"{sys.executable} has no ensurepip, so it cannot make a virtual environment. "
            f"On Debian and Ubuntu: apt-get install python3-venv (or python{version}-venv)."
        )


def _run(*command: object) -> None:
    words = [str(word) for word in command]
    print("+", " ".join(words), flush=True)
    code = subprocess.run(words, check=False).returncode
    if code:
        sys.exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
