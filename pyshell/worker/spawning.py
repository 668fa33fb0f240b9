"""Let processes that multiprocessing starts anew (spawn, forkserver) have the session's definitions.

Runs in: worker, on the thread that starts a process.

Such a process is told a file that it runs as its main module: a script's. Our `__main__` has none, and must not, for
libraries tell by that whether they are used interactively. So the file is named only where multiprocessing asks for it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

MODULE = "multiprocessing.spawn"
MAIN = ("init_main_from_name", "init_main_from_path")
"""What multiprocessing tells a child of the main module, if there is one to tell of."""


class _Waiting:
    """Waits on `sys.meta_path` for the import of multiprocessing.spawn, and is gone then. Also its loader."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._loader: Any = None

    def find_spec(self, name: str, path: Any = None, target: object = None) -> ModuleSpec | None:
        if name != MODULE:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path)
        if spec is not None:
            self._loader, spec.loader = spec.loader, self  # type: ignore[assignment]
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        _extend(module, self._directory)


def install(directory: Path) -> None:
    """From here on a child that is started anew finds what the namespace defines; files for that go there."""
    if MODULE in sys.modules:  # an interpreter may import it while it comes up
        _extend(sys.modules[MODULE], directory)
    else:
        sys.meta_path.insert(0, _Waiting(directory))


def _extend(spawn: Any, directory: Path) -> None:
    ask: Callable[[str], dict[str, Any]] = spawn.get_preparation_data

    def get_preparation_data(name: str) -> dict[str, Any]:
        data = ask(name)
        if not any(key in data for key in MAIN):
            from pyshell.worker.handing_on import write_definitions  # only when a process is started

            data["init_main_from_path"] = str(write_definitions(sys.modules["__main__"].__dict__, directory))
        return data

    spawn.get_preparation_data = get_preparation_data
