"""Commands for figures.

Runs in: worker, on its main thread.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from pyshell.errors import UsageError
from pyshell.worker.commands.call import Call
from pyshell.worker.plotting import BACKEND

BACKENDS = {"inline": BACKEND, "tk": "tkagg", "qt": "qtagg", "gtk": "gtk4agg", "osx": "macosx"}


def matplotlib(call: Call) -> None:
    """%matplotlib [inline | tk | qt | gtk | osx | BACKEND]

    Chooses where matplotlib draws; alone it says where it does. `inline`, into the session, is what is chosen
    from the start. For windows the program has to run their event loop itself: `plt.show()` does while they are open.
    """
    try:
        package: Any = import_module("matplotlib")
    except ImportError:
        raise UsageError("matplotlib is not installed for this interpreter: %pip install matplotlib") from None
    name = call.text.strip()
    if not name:
        chosen = package.get_backend()
        print(next((known for known, backend in BACKENDS.items() if backend == chosen.lower()), chosen))
        return
    try:
        package.use(BACKENDS.get(name, name))
    except (ImportError, ValueError) as exc:
        raise UsageError(f"matplotlib cannot draw with {name}: {exc}") from None
