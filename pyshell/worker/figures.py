"""Matplotlib's backend in a cell: a figure is shown by `plt.show()` or at the end of the cell, and then closed.

Runs in: worker, on its main thread. Matplotlib imports it by name when pyplot asks for a backend.
"""

from __future__ import annotations

from matplotlib._pylab_helpers import Gcf
from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg

from pyshell.worker.displaying import display
from pyshell.worker.plotting import seen


def show(*_: object, **__: object) -> None:
    """Show and close all open figures, in the order in which they were made."""
    try:
        for manager in Gcf.get_all_fig_managers():
            figure = manager.canvas.figure
            if figure.get_axes() and id(figure) not in seen:
                display(figure)
    finally:
        seen.clear()
        Gcf.destroy_all()


class FigureManager(FigureManagerBase):  # type: ignore[misc, unused-ignore]  # its base is the user's
    """What pyplot holds of a figure: nothing to look at until `show`."""

    @classmethod
    def pyplot_show(cls, *, block: bool | None = None) -> None:
        """`plt.show()`; there is nothing to wait for."""
        show()


class FigureCanvas(FigureCanvasAgg):  # type: ignore[misc, unused-ignore]  # its base is the user's
    """Draws into memory."""

    manager_class = FigureManager
