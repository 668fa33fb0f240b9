"""Describe what the session runs in, for the checkpoints: interpreter, paths, versions of packages; compare; go back.

Runs in: worker, on its main thread.
"""

from __future__ import annotations

import os
import platform
import re
import sys
import sysconfig
import time
import types
from collections.abc import Callable, Container, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pickle import dumps

from pyshell.store import Environment, Manifest
from pyshell.worker.checkpoints.settings import Settings

MAX_TOLD = 10
"""Packages that one notice names."""
_OF_PYTHON = re.compile(r"(site|dist)-packages(/|$)|/python\d[\d.]*(\.zip|/lib-dynload)?$")
"""The standard library, and where installers put packages."""


class EnvironmentRecorder:
    """Remembers versions that were looked up. Importing them is the parent's work: a forked child imports nothing."""

    def __init__(self, without: Container[str] = (), settings: Settings | None = None) -> None:
        self._without = without
        self.settings = settings or Settings(lambda value: (dumps({"": [value]}), False))
        self._versions: dict[str, str] = {}
        self._find: Callable[[str], str] | None = None
        self._seen: tuple[int, str] = (0, "")
        """How many modules there were, and the newest: while that is the same, none was imported."""
        self._packages: tuple[tuple[str, str], ...] = ()
        # platform.platform() runs a program the first time it is asked.
        self._platform = f"{sys.platform}-{platform.machine()}"
        self._computer = computer()

    def record(self, is_midway: bool = False) -> Environment:
        """What is imported and set now, or if that is in the middle of a cell, for longer than a while."""
        seen = len(sys.modules), next(reversed(sys.modules), "")
        if seen != self._seen:
            self._packages, self._seen = tuple(sorted(self._imported())), seen
        path = tuple([entry for entry in sys.path if type(entry) is str])
        return Environment(
            python=".".join(map(str, sys.version_info[:3])),
            abi=str(sysconfig.get_config_var("SOABI") or sys.implementation.cache_tag),
            platform=self._platform,
            executable=sys.executable,
            path=path,
            packages=self._packages,
            directory=_directory(),
            computer=self._computer,
            settings=self.settings.record(is_midway),
        )

    def _imported(self) -> list[tuple[str, str]]:
        found = []
        for name, module in list(sys.modules.items()):
            if type(name) is str and self._is_package(name, module):
                if name not in self._versions:
                    self._versions[name] = self._version(name, module)
                found.append((name, self._versions[name]))
        return found

    def _is_package(self, name: str, module: object) -> bool:
        if "." in name or name.startswith("_") or name in sys.stdlib_module_names or name in self._without:
            return False
        # Without a spec it was not imported: extensions make modules up, as Cython's do.
        return issubclass(type(module), types.ModuleType) and vars(module).get("__spec__") is not None

    def _version(self, name: str, module: types.ModuleType) -> str:
        # Not getattr: a module's own __getattr__ would run.
        version = vars(module).get("__version__")
        if type(version) is str:
            return version
        if self._find is None:
            from importlib import metadata  # not before it is needed: it is 20 ms of imports

            self._find = metadata.version
        try:
            return self._find(name)
        except Exception:  # no distribution of that name, or one whose metadata is broken: then the version is unknown
            return ""


def go_back(then: Environment) -> None:
    """Be in the directory in which a checkpoint was saved, and look for modules where the session did.

    Without that a restore finds no module that lies where a cell has told Python to look, and loses what needs it.
    """
    if then.directory is not None:
        with suppress(OSError):  # it is gone, or not ours any more: `what_differs` tells
            os.chdir(then.directory)
    now = [entry for entry in sys.path if entry not in then.path]
    if (then.executable, _minor(then.python)) == (sys.executable, [*map(str, sys.version_info[:2])]):
        sys.path[:] = [*then.path, *now]
    else:  # its own packages are not for this one
        sys.path += [entry for entry in then.path if entry not in sys.path and not _is_of_python(entry)]


def _is_of_python(entry: str) -> bool:
    """Whether an interpreter has this on its path by itself."""
    return bool(_OF_PYTHON.search(entry))


def computer() -> str:
    """The name of the one that this is running on."""
    return os.uname().nodename


def _directory() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # somebody has removed it
        return None


def where_in_cell(manifest: Manifest) -> str:
    """A sentence if the checkpoint was saved while its cell was running; or nothing."""
    if manifest.line is None:
        return ""
    cell, then = f"In[{manifest.cell}]", time.strftime("%H:%M:%S", time.localtime(manifest.time))
    return f"the state is that of {then}, inside {cell}, line {manifest.line}; what {cell} did after that is lost"


def what_differs(then: Environment, now: Environment) -> str:
    """A sentence on what is not as it was when a checkpoint was saved, and may matter to what came back; or nothing."""
    found = list(_differences(then, now))
    if not found:
        return ""
    more = f", and {len(found) - MAX_TOLD} more" if len(found) > MAX_TOLD else ""
    return f"this state was saved with {', '.join(found[:MAX_TOLD])}{more}: what came back may behave differently"


def _differences(then: Environment, now: Environment) -> Iterator[str]:
    if _minor(then.python) != _minor(now.python):
        remade = "functions and classes are made anew, as their cells define them"
        yield f"Python {then.python} (now {now.python}: {remade})"
    if then.directory is not None and then.directory != now.directory:
        yield f"{then.directory} as its directory (now {now.directory})"
    present = dict(now.packages)
    for name, version in then.packages:
        if name not in present:
            if not _is_installed(name):
                yield f"{name} {version}".rstrip() + " (now not to be found)"
        elif version and present[name] and version != present[name]:
            yield f"{name} {version} (now {present[name]})"


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except Exception:  # import hooks are anybody's code; who cannot be asked is not missed
        return True
