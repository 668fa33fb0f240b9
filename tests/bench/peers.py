"""Who is measured: pyshell and the consoles that people use today, each with how to start it.

Runs in: benchmarks.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.terminal import Terminal

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Peer:
    """A console: its command line, and what its prompt looks like."""

    name: str
    command: tuple[str, ...]
    prompt: str
    version: str
    restored: str = ""
    """What it shows when it has recovered from a crash; empty for one that does not claim to."""
    env: dict[str, str] = field(default_factory=dict)
    edits_while_busy: bool = False
    """Whether one can type the next cell while one runs; where one cannot, the terminal echoes, not the console."""

    @contextmanager
    def start(self, emulate: bool = False) -> Iterator[Terminal]:
        """Run it with an empty home and directories of its own."""
        with tempfile.TemporaryDirectory(prefix="bench-") as home:
            xdg = {f"XDG_{kind}_HOME": f"{home}/{kind.lower()}" for kind in ("STATE", "CONFIG", "DATA", "CACHE")}
            env = {"HOME": home, "XDG_RUNTIME_DIR": home, "IPYTHONDIR": f"{home}/ipython", **xdg, **self.env}
            with Terminal(self.command, env=env, cwd=Path(home), emulate=emulate) as terminal:
                try:
                    yield terminal
                finally:
                    self._end(env)

    def _end(self, env: dict[str, str]) -> None:
        if self.name == "pyshell":
            command = [sys.executable, "-m", "pyshell", "kill", "-f", "-t", "bench"]
            subprocess.run(command, env={**os.environ, **env}, capture_output=True)


def pyshell() -> Peer:
    """This tree's, in the interpreter that runs the benchmark."""
    command = (sys.executable, "-m", "pyshell", "new", "-s", "bench")
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    version = _output([sys.executable, "-c", "import pyshell; print(pyshell.__version__)"], {"PYTHONPATH": path})
    # An installation is compiled; so is this tree, after its first start.
    env = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": ""}
    return Peer("pyshell", command, r"In \[1\]:", version, r"Restored in", env, True)


def python() -> Peer:
    return Peer("python -i", (sys.executable, "-q", "-i"), r">>> ", sys.version.split()[0], env={"PYTHONPATH": ""})


def new_python() -> list[Peer]:
    """The REPL that Python has had since 3.13, where such an interpreter is on the PATH."""
    program = "import platform, sys; print(sys.executable, platform.python_version())"
    try:
        executable, version = _output(["python3.13", "-c", program], {}).rsplit(" ", 1)
    except (OSError, subprocess.CalledProcessError):
        print("no python3.13 on the PATH", file=sys.stderr)
        return []
    return [Peer("python3.13", (executable, "-q"), r">>> ", version, env={"PYTHONPATH": "", "PYTHON_BASIC_REPL": ""})]


class Package(NamedTuple):
    """A console that is installed."""

    package: str
    name: str
    command: tuple[str, ...]
    prompt: str = r">>>"  # the cursor may go where a space would stand
    more: tuple[str, ...] = ()
    """What must be installed beside it."""
    edits_while_busy: bool = False


# jupyter console and euporie start their kernel by the name of a kernel specification, which ipykernel installs.
PACKAGES = (
    Package("ipython", "IPython", ("-m", "IPython", "--no-banner", "--no-confirm-exit"), r"In ?\[1\]"),
    Package("jupyter_console", "jupyter console", ("-m", "jupyter_console"), r"In ?\[1\]", ("ipykernel",)),
    Package("ptpython", "ptpython", ("-m", "ptpython")),
    Package("bpython", "bpython", ("-m", "bpython", "-q")),
    Package("xonsh", "xonsh", ("-m", "xonsh", "--no-rc", "-DPROMPT=>>> ", "-DSUGGEST_COMMANDS=0")),
    Package("euporie", "euporie", ("-m", "euporie.core", "console"), r"In ?\[1\]|1\. ?❯", ("ipykernel",), True),
)


def others(directory: Path, names: Sequence[str] = ()) -> list[Peer]:
    """Other people's consoles, or those of these names, in a virtual environment in `directory`; what cannot be had
    is left out."""
    executable = directory / "bin" / "python"
    if not executable.exists():
        venv.create(directory, with_pip=True)
    peers = []
    for found in PACKAGES:
        if (not names or found.name in names) and _install(executable, found):
            program = f"import importlib.metadata as m; print(m.version({found.package!r}))"
            version = _output([str(executable), "-c", program], {})
            command = (str(executable), *found.command)
            peers.append(
                Peer(found.name, command, found.prompt, version, env={"PYTHONPATH": ""},
                     edits_while_busy=found.edits_while_busy)
            )  # fmt: skip
    return peers


def _install(executable: Path, wanted: Package) -> bool:
    packages = [wanted.package, *wanted.more]
    program = f"import importlib.metadata as m; [m.version(package) for package in {packages!r}]"
    if subprocess.run([executable, "-c", program], capture_output=True).returncode == 0:
        return True
    print(f"installing {wanted.package} into {executable.parent.parent}", file=sys.stderr)
    return subprocess.run([executable, "-m", "pip", "install", "-q", *packages], stdout=sys.stderr).returncode == 0


def _output(command: list[str], env: dict[str, str]) -> str:
    return subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, check=True).stdout.strip()
