"""Import parts of a package without all that its `__init__` imports. Pure.

Runs in: every process (Python 3.10 and newer).

Half of what urwid and RPyC import by their `__init__` is never used here: widgets, an emulator, asyncio with TLS, every
event loop that is installed (tornado and zmq alone take longer than urwid itself), servers and a command line. A
package that is bare has its modules; what else is asked of it runs its `__init__` then, so whoever imports it for
purposes of his own misses nothing. Of one that is late anything that is asked runs it.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any


def bare(name: str, homes: Mapping[str, str] | None = None) -> None:
    """Make a package importable whose `__init__` has not run, unless it has been imported already.

    `homes` says for names that its own modules import from it in which of them they are defined.
    """

    def find(attribute: str) -> tuple[Any, ...]:
        if homes and attribute in homes:
            return (getattr(import_module(f"{name}.{homes[attribute]}"), attribute),)
        if importlib.util.find_spec(f"{name}.{attribute}") is not None:
            return (import_module(f"{name}.{attribute}"),)
        return ()

    _prepare(name, find)


def late(name: str) -> None:
    """Make a package importable whose `__init__` runs when anything is first asked of it."""
    _prepare(name, lambda _: ())


def _prepare(name: str, find: Callable[[str], tuple[Any, ...]]) -> None:
    """Put the package there. What `find` gives without its `__init__` is taken from there, if it gives anything."""
    spec = importlib.util.find_spec(name)
    if name in sys.modules or spec is None or spec.loader is None:
        return  # where there is none its import is to say so
    loader = spec.loader
    package = importlib.util.module_from_spec(spec)
    running, has_run = threading.RLock(), False

    def look(attribute: str) -> Any:
        nonlocal has_run
        for found in find(attribute):
            return found
        with running:  # another thread may be at it
            if not has_run:
                has_run = True
                loader.exec_module(package)
                if package.__dict__.get("__getattr__") is look:
                    del package.__dict__["__getattr__"]
        if package.__dict__.get("__getattr__") is look:  # it is its `__init__` that asks
            raise AttributeError(f"module {name!r} has no attribute {attribute!r}")
        return getattr(package, attribute)

    package.__dict__["__getattr__"] = look
    _put(name, package)


def _put(name: str, package: ModuleType) -> None:
    """As the import system does it."""
    sys.modules[name] = package
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, package)
