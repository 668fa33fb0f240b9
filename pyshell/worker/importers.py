"""Do something to a module of the user's when it has been imported.

Runs in: worker, on the thread that imports it. Nothing is imported before the user's code does that.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib.machinery import ModuleSpec
from typing import Any

Act = Callable[[Any], None]


def on_import(acts: Mapping[str, Act]) -> None:
    """Call each with the module of that name once it is loaded; that may be never."""
    sys.meta_path.insert(0, _Finder(dict(acts)))


class _Finder:
    """On `sys.meta_path` until each of its modules has come."""

    def __init__(self, acts: dict[str, Act]) -> None:
        self._acts = acts

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        act = self._acts.pop(name, None)
        if act is None:
            return None
        from importlib.util import find_spec  # most sessions never need it

        spec = find_spec(name)  # we are asked as well, and do not know it any more
        loader: Any = spec.loader if spec is not None else None
        if loader is None:
            self._acts[name] = act  # it is not installed, yet
            return None
        loader.exec_module = _then(act, loader.exec_module)
        if not self._acts:
            sys.meta_path.remove(self)
        return spec


def _then(act: Act, load: Callable[[Any], None]) -> Callable[[Any], None]:
    def load_and_act(module: Any) -> None:
        load(module)
        act(module)

    return load_and_act
