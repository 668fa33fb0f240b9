"""Have matplotlib draw into the session, if nobody has chosen another backend.

Runs in: worker. Nothing of matplotlib is imported before the user's code does that.
"""

from __future__ import annotations

import io
import sys
from typing import Any

BACKEND = "module://pyshell.worker.figures"


class _Chooser:
    """Waits on `sys.meta_path` for the import of pyplot, which settles the backend, and is gone then.

    Not the environment variable MPLBACKEND: programs that a cell starts would inherit it, and have no such module.
    """

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "matplotlib.pyplot":
            sys.meta_path.remove(self)
            _choose()


def install() -> None:
    """Choose when pyplot is imported."""
    sys.meta_path.insert(0, _Chooser())


def _choose() -> None:
    settings: Any = getattr(sys.modules.get("matplotlib"), "rcParams", None)
    # Not `settings["backend"]`: asking for it would settle it. Anything but a name says that nobody has chosen.
    if settings is not None and type(dict.get(settings, "backend")) is not str:
        settings["backend"] = BACKEND


def is_figure(value: object) -> bool:
    """Whether it is one of matplotlib's figures, which have no method of their own for showing themselves."""
    module: Any = sys.modules.get("matplotlib.figure")
    return module is not None and isinstance(value, getattr(module, "Figure", ()))


seen: set[int] = set()
"""Figures that this cell has shown already."""


def drawn(figure: Any) -> bytes:
    """The figure as PNG, without a broad margin; it is not shown again at the end of the cell."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight", facecolor=figure.get_facecolor())
    seen.add(id(figure))
    return buffer.getvalue()


def show_figures() -> None:
    """At the end of a cell: what is still open. Raises what drawing raises."""
    figures: Any = sys.modules.get("pyshell.worker.figures")
    if figures is not None and sys.modules["matplotlib"].rcParams["backend"] == BACKEND:
        figures.show()
