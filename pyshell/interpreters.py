"""Which Python runs the code: as the person names it, or as the directory and the environment have it.

Runs in: clients, and the worker for `%python` (Python 3.10 and newer).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from pyshell.errors import WorkerStartFailed

OLDEST = (3, 10)
START_SECONDS = 30.0
BASES = ("base", "root")
"""conda's own environment, which is active wherever its shell integration is: nobody has chosen it."""


def interpreter(python: str | None) -> str | None:
    """The path of an interpreter given as a path, an environment's directory or a command; None for none."""
    if python is None:
        return None
    if os.sep not in python and not Path(python, "bin", "python").exists():
        return _behind_shim(Path(_on_path(python)))
    path = Path(python).expanduser()
    if path.is_dir():
        path = path / "bin" / "python"
    if not os.access(path, os.X_OK):
        raise WorkerStartFailed(f"{path} is no program that can be run; give the path of a Python interpreter")
    return _behind_shim(path)


def _behind_shim(path: Path) -> str:
    """pyenv and its like choose anew at each start, by a variable or a file; a session keeps its first choice."""
    # Not resolved: a virtual environment is recognised by the path of its symbolic link.
    found = str(path.absolute())
    if path.parent.name != "shims":
        return found
    import subprocess  # some ms that most sessions never need

    code = "import sys; print(sys.executable)"
    try:
        asked = subprocess.run([found, "-c", code], capture_output=True, text=True, timeout=START_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return found  # why it does not run is told when it is started
    return asked.stdout.strip() or found


def _on_path(python: str) -> str:
    import shutil  # some ms that a client which is content with what it finds never needs

    found = shutil.which(python)
    if found is None:
        raise WorkerStartFailed(f"no {python!r} on the PATH; give the path of a Python interpreter")
    return found


def discover(environ: Mapping[str, str], directory: Path) -> str | None:
    """The interpreter of the environment that is active, or else that of the nearest `.venv`; None: there is none.

    In the order in which `uv` looks. None also for the environment in which pyshell itself is installed.
    WorkerStartFailed for one that has lost the Python that it was made with.
    """
    active = [environ.get("VIRTUAL_ENV", "")]
    if environ.get("CONDA_DEFAULT_ENV") not in BASES:
        active.append(environ.get("CONDA_PREFIX", ""))
    nearest = [place / ".venv" for place in (directory, *directory.parents)]
    for place in [*map(Path, filter(None, active)), *nearest]:
        python = place / "bin" / "python"
        if python.is_symlink() and not python.exists():
            gone = f"{python} leads to {os.readlink(python)}, which is gone"
            raise WorkerStartFailed(f"{gone}: make the environment anew, or choose an interpreter with --python")
        if os.access(python, os.X_OK):
            is_own = os.path.realpath(place) == os.path.realpath(sys.prefix)
            return None if is_own else str(python.absolute())
    return None


def checked(python: str) -> str:
    """The path of an interpreter that somebody names; WorkerStartFailed if it cannot run a worker."""
    found = interpreter(python) or ""
    version_of(found)
    return found


def version_of(python: str) -> str:
    """Of an interpreter; WorkerStartFailed if it cannot run a worker."""
    import subprocess  # the same

    code = "import sys; print(*sys.version_info[:3], sep='.')"
    try:
        asked = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=START_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise WorkerStartFailed(f"{python} does not run: {exc}; give the path of a Python interpreter") from None
    version = asked.stdout.strip()
    if asked.returncode or not version.replace(".", "").isdecimal():
        last = asked.stderr.strip().splitlines()[-1:] or [f"it ended with {asked.returncode}"]
        raise WorkerStartFailed(f"{python} does not run: {last[0]}; give the path of a Python interpreter")
    if tuple([int(part) for part in version.split(".")]) < OLDEST:
        raise WorkerStartFailed(f"{python} is Python {version}; the code is run by Python 3.10 or newer")
    return version


def environment_of(python: str) -> str:
    """A short name of the environment that an interpreter belongs to: `fit/.venv`; empty if it is none."""
    place = Path(python).parent.parent
    if not (place / "pyvenv.cfg").exists() and not (place / "conda-meta").exists():
        return ""
    # `.venv` is what all of them are called.
    return f"{place.parent.name}/{place.name}" if place.name in (".venv", "venv", "env") else place.name
