"""Take the names of a `dill.dump_module` file into the namespace, as a cell of the user's does it.

Runs in: worker, on its main thread, called by a cell.

Loading runs what the file says. What that binds, breaks or kills is what the cell has done: it is saved after it, and
undone with it.
"""

from __future__ import annotations

import importlib
import os
import types
from collections.abc import Mapping
from typing import Any

from pyshell.errors import UsageError
from pyshell.store.likeness import is_output
from pyshell.worker.namespace import Namespace
from pyshell.worker.pickles.pickling import Lent

_here: list[tuple[Lent, Namespace]] = []


def offer(lent: Mapping[str, types.ModuleType], namespace: Namespace) -> None:
    """Say what `load_dill` works with in this process: dill's modules, and where the names go."""
    _here[:] = [(Lent(lent), namespace)]


def load_dill(file: str | os.PathLike[str]) -> None:
    """Bind the names that `dill.dump_module` wrote to this file, in a cell of a session; dill need not be installed.

    What the console or Python bind themselves (`In`, `Out`, `_`, `_7`, `__name__`) stays as it is. Code in the file
    runs: trust it or leave it.
    """
    if not _here:
        raise UsageError("load_dill works in a cell of a session only")
    ((lent, namespace),) = _here
    before = dict(namespace.variables)
    with lent.visible():
        lent.dill.load_module(os.fspath(file))
    for name in [name for name in namespace.variables if _stays(name, namespace)]:
        if name in before:
            namespace.variables[name] = before[name]
        else:
            del namespace.variables[name]
    lost = _replace_lent(lent, namespace.variables)
    _tell(before, namespace.variables, lost)


def _stays(name: str, namespace: Namespace) -> bool:
    # A program's `__file__` and its like would lie about this one.
    return name in namespace.hidden or is_output(name) or (name.startswith("__") and name.endswith("__"))


def _replace_lent(lent: Lent, variables: dict[str, Any]) -> list[str]:
    """Who has written a file with dill has often bound `dill` in it: that means the user's, if there is one."""
    ours = {id(module) for module in lent.modules.values()}
    lost = []
    for name in [name for name, value in variables.items() if id(value) in ours]:
        module = variables.pop(name)
        try:
            variables[name] = importlib.import_module(module.__name__)
        except ImportError:
            lost.append(name)
    return lost


def _tell(before: dict[str, Any], after: dict[str, Any], lost: list[str]) -> None:
    for what, names in (
        ("new", [name for name in after if name not in before]),
        ("replaced", [name for name in after if name in before and after[name] is not before[name]]),
        ("left out, since it is not installed here", lost),
    ):
        if names:
            print(f"{what}: {', '.join(names)}")
