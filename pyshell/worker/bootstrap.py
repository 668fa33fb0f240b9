"""The first code of a worker: make the interpreter ready, lend it what it lacks, and start.

Runs in: worker (Python 3.10 and newer), as a script by path, in an interpreter that need not have
pyshell, rpyc or dill. It is given one argument, the settings as JSON (see host/processes/birth.py
and host/saved/scratch.py); `entry` is the module of ours that goes on.
"""

import gc
import importlib
import json
import sys
import types
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any, Callable, Dict, List, Optional


class LentFinder:
    """Finds the lent packages in pyshell's own installation, and nothing else there."""

    def __init__(self, places: Dict[str, str]) -> None:
        self.places = places

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Optional[ModuleSpec]:
        place = self.places.get(name)
        return PathFinder.find_spec(name, [place]) if place else None


def take_back(packages: List[str]) -> Dict[str, types.ModuleType]:
    """Remove lent packages from sys.modules, so that the user's own versions can be imported."""
    lent = {}
    for name in list(sys.modules):
        if name.partition(".")[0] in packages:
            lent[name] = sys.modules.pop(name)
    return lent


def borrow(package: str, place: str, prepare: Callable[[Any], object]) -> Dict[str, types.ModuleType]:
    """Import and prepare a lent package, and hide it again: the user may have another one of that name, or none."""
    theirs = take_back([package])
    finder = LentFinder({package: place})
    sys.meta_path.insert(0, finder)
    try:
        prepare(importlib.import_module(package))
    finally:
        sys.meta_path.remove(finder)
        lent = take_back([package])
        sys.modules.update(theirs)
    return lent


def fresh_main() -> types.ModuleType:
    """Put an empty `__main__` in place; dill and pickle look it up when they are imported."""
    main = types.ModuleType("__main__", None)
    main.__dict__["__builtins__"] = sys.modules["builtins"]
    sys.modules["__main__"] = main
    return main


def boot(settings: Dict[str, Any]) -> None:
    if sys.version_info < (3, 10):  # noqa: UP036  the one place that an old interpreter reaches
        sys.exit("pyshell runs code in Python 3.10 and newer; %s is %s" % (sys.executable, sys.version.split()[0]))
    main = fresh_main()
    was_collecting = gc.isenabled()
    gc.disable()  # until all is imported: to look through that, again and again, takes a twentieth of the start
    is_safe_path = getattr(sys.flags, "safe_path", False)
    if not is_safe_path:
        del sys.path[0]  # this file's directory
    sys.argv[:] = settings["argv"]
    lend = settings["lend"]
    # An interpreter may have imported the user's own RPyC while it came up (a .pth file can do that).
    theirs = take_back(["rpyc"])
    finder = LentFinder(lend)
    sys.meta_path.insert(0, finder)
    with_ssl = "ssl" in sys.modules
    # RPyC imports it where it can, for connections that we do not make.
    sys.modules.setdefault("ssl", None)  # type: ignore[arg-type]
    entry = importlib.import_module("pyshell.worker." + settings["entry"])
    if not with_ssl:
        del sys.modules["ssl"]
    # What the user has installed under these names is the user's business from here on.
    entry.keep(take_back(["rpyc"]))
    sys.modules.update(theirs)
    finder.places = {"pyshell": lend["pyshell"]}

    def borrow_dill(prepare: Callable[[Any], object]) -> Dict[str, types.ModuleType]:
        modules = borrow("dill", lend["dill"], prepare)
        if not is_safe_path:
            # As in an interactive interpreter, but only when all of ours is imported: a `queue.py` in the
            # user's directory is meant for the user's code.
            sys.path.insert(0, "")
        if was_collecting:
            gc.enable()
        return modules

    entry.run(settings, main.__dict__, borrow_dill)


if __name__ == "__main__":
    boot(json.loads(sys.argv[1]))
