"""What notebooks import from IPython to show things shows them in the session.

Runs in: worker, on the thread that imports IPython. Nothing of IPython is imported before the user's code does that.
"""

from __future__ import annotations

from typing import Any

from pyshell.worker import displaying
from pyshell.worker.importers import on_import

MODULE = "IPython.core.display_functions"


def install() -> None:
    """Take over when it is imported."""
    on_import({MODULE: _take_over})


def _take_over(module: Any) -> None:
    for function in (display, update_display, displaying.clear_output):
        # Saved by reference, as IPython's own would be, which print the text where no shell of theirs runs.
        function.__module__ = MODULE
        setattr(module, function.__name__, function)


def display(*values: Any, display_id: Any = None, raw: bool = False, clear: bool = False, **_: Any) -> Any:
    """Show values with all that they say about themselves, as `display` of the session does."""
    if clear:
        displaying.clear_output(wait=True)
    return displaying.display(*values, display_id=display_id, raw=raw)


def update_display(value: Any, *, display_id: str, raw: bool = False, **_: Any) -> None:
    """Replace what was shown with that display_id."""
    displaying.update_display(value, display_id=display_id, raw=raw)
