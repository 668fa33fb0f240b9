"""What notebooks import from IPython to show things shows them in the session.

Runs in: worker, on the thread that imports IPython. Nothing of IPython is imported before the user's code does that.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from pyshell.worker import displaying

MODULE = "IPython.core.display_functions"


class _Waiter:
    """Waits on `sys.meta_path` for the module that has `display`, and is gone then."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> Any:
        if name != MODULE:
            return None
        from importlib.util import find_spec  # most sessions never need it

        sys.meta_path.remove(self)
        spec: Any = find_spec(name)
        if spec is not None:
            spec.loader.exec_module = _then_take_over(spec.loader.exec_module)
        return spec


def install() -> None:
    """Take over when it is imported."""
    sys.meta_path.insert(0, _Waiter())


def _then_take_over(load: Callable[[Any], None]) -> Callable[[Any], None]:
    def load_both(module: Any) -> None:
        load(module)
        for function in (display, update_display, displaying.clear_output):
            # Saved by reference, as IPython's own would be, which print the text where no shell of theirs runs.
            function.__module__ = MODULE
            setattr(module, function.__name__, function)

    return load_both


def display(*values: Any, display_id: Any = None, raw: bool = False, clear: bool = False, **_: Any) -> Any:
    """Show values with all that they say about themselves, as `display` of the session does."""
    if clear:
        displaying.clear_output(wait=True)
    return displaying.display(*values, display_id=display_id, raw=raw)


def update_display(value: Any, *, display_id: str, raw: bool = False, **_: Any) -> None:
    """Replace what was shown with that display_id."""
    displaying.update_display(value, display_id=display_id, raw=raw)
