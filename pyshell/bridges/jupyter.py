"""`pyshell jupyter`: put a kernel where Jupyter finds it, and be that kernel.

Runs in: clients (Python 3.11 and newer). The kernel is a process that Jupyter starts, one for each notebook.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pyshell import starting
from pyshell.client import Session
from pyshell.errors import SessionNotFound, UsageError
from pyshell.interpreters import checked, discover
from pyshell.paths import check_name, name_for_directory

if TYPE_CHECKING:
    from pyshell.bridges.jupyter_kernel import Kernel

CLIENT = "jupyter"
LOOK_SECONDS = 1.0
"""How often a kernel looks whether the one who has started it is still there."""


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """`install` and `kernel`."""
    options = _parser().parse_args(arguments)
    if find_spec("jupyter_client") is None:
        raise UsageError('a Jupyter kernel needs jupyter_client here: pip install "pyshell[jupyter]"')
    if options.command == "install":
        print(f"kernel {options.name!r} is in {install(options)}")
    else:
        serve(options, environ)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pyshell jupyter", description="Use sessions in Jupyter.")
    commands = parser.add_subparsers(dest="command", required=True)
    installs = commands.add_parser("install", description="Put a kernel where Jupyter finds it.")
    where = installs.add_mutually_exclusive_group()
    where.add_argument("--user", action="store_true", help="for you, whatever environment Jupyter is in")
    where.add_argument("--prefix", help="for the Jupyter of that environment; by default of the one pyshell is in")
    installs.add_argument("--name", default="pyshell", help="what Jupyter calls it (pyshell)")
    installs.add_argument("--display-name", metavar="TEXT", help="what Jupyter shows")
    runs = commands.add_parser("kernel", description="Be a kernel. Jupyter says this.")
    runs.add_argument("-f", metavar="FILE", dest="connection", type=Path, required=True)
    for each in (installs, runs):
        each.add_argument("--python", metavar="EXE", help="the interpreter that runs the code, or its environment")
        each.add_argument("-s", metavar="NAME", dest="session", type=check_name, help="always that session")
    return parser


def install(options: argparse.Namespace) -> str:
    """Write the kernel's description; the directory it is in."""
    from jupyter_client.kernelspec import KernelSpecManager  # an optional extra

    if options.python:
        checked(options.python)  # or say now that there is none
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "kernel.json").write_text(json.dumps(spec(options), indent=1))
        prefix = options.prefix or (None if options.user or sys.prefix == sys.base_prefix else sys.prefix)
        try:
            made = KernelSpecManager().install_kernel_spec(directory, options.name, user=not prefix, prefix=prefix)
        except (OSError, ValueError) as exc:
            raise UsageError(f"the kernel cannot be put there: {exc}; --user and --prefix choose the place") from None
        return str(made)


def spec(options: argparse.Namespace) -> dict[str, object]:
    """The kernel's description. Without -P modules of the notebook's directory would hide ours."""
    argv = [sys.executable, "-P", "-m", "pyshell", "jupyter", "kernel", "-f", "{connection_file}"]
    argv += ["--python", options.python] if options.python else []
    argv += ["-s", options.session] if options.session else []
    shown = options.display_name or "pyshell" + (f" ({options.session or options.python})" if len(argv) > 8 else "")
    return {"argv": argv, "display_name": shown, "language": "python", "interrupt_mode": "message", "metadata": {}}


def serve(options: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Be a kernel until Jupyter ends it, or is gone."""
    from pyshell.bridges.jupyter_kernel import Home, Kernel  # an optional extra

    name, is_own = session_of(options.session, environ.get("JPY_SESSION_NAME"), options.connection)
    # A notebook that a cell runs has a session of its own, and matplotlib's way of drawing in ipykernel is not ours.
    hidden = {"JPY_SESSION_NAME"} | ({"MPLBACKEND"} if environ.get("MPLBACKEND", "").startswith("module:") else set())
    given = {key: value for key, value in environ.items() if key not in hidden}
    home = Home(
        name, is_own != "named", lambda: reach(name, options.python, given),
        lambda: _forget(name) if is_own == "kernel" else None,
    )  # fmt: skip
    kernel = Kernel(json.loads(options.connection.read_text()), home)
    signal.signal(signal.SIGINT, lambda *_: kernel.post(kernel.interrupt))
    signal.signal(signal.SIGTERM, lambda *_: kernel.post(kernel.leave))
    threading.Thread(target=_leave_with_parent, args=(kernel, os.getppid()), daemon=True).start()
    kernel.run()


def _leave_with_parent(kernel: Kernel, parent: int) -> None:
    """If Jupyter is killed nobody will say that the kernel has to end. The session goes on."""
    pause = threading.Event()
    while os.getppid() == parent:
        pause.wait(LOOK_SECONDS)
    kernel.post(kernel.leave)


def session_of(chosen: str | None, notebook: str | None, connection: Path) -> tuple[str, str]:
    """A kernel's session, and whose that is: `named` by a person, the `notebook`'s, or the `kernel`'s alone.

    The kernel that Jupyter starts in the place of one that ended has the same notebook, or the same connection file.
    """
    if chosen:
        return chosen, "named"
    if notebook:
        digest = hashlib.sha256(notebook.encode()).hexdigest()[:6]
        return f"{name_for_directory(Path(notebook).stem)[:57]}-{digest}", "notebook"
    return f"jupyter-{name_for_directory(connection.stem.removeprefix('kernel-'))[:56]}", "kernel"


def reach(name: str, python: str | None, environ: Mapping[str, str]) -> Session:
    """Connect to the session; bring it back if it is saved, start it if there is none."""
    try:
        return starting.connect(name, client=CLIENT)
    except SessionNotFound:
        pass
    if python is None and not starting.exists(name):  # a saved one keeps its own
        python = discover(environ, Path.cwd())
    session = starting.start_or_connect(name, python=python, env=environ, client=CLIENT)
    session.wait_up()
    return session


def _forget(name: str) -> None:
    """Nobody could find it again: its name was the kernel's."""
    shutil.rmtree(starting.roots().session(name).directory, ignore_errors=True)
