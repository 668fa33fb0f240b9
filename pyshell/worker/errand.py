"""Restore a checkpoint in a process that has no session, do one errand with it, and answer.

Runs in: a scratch worker: host/saved/scratch.py starts it in the session's interpreter for one answer.

What a checkpoint holds runs code when it is loaded and when it is saved again. Here that can hurt nobody: neither the
session, which may be running, nor its store, which is only read.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterable
from typing import Any

from pyshell.blackbox import LOADING, BlackBox
from pyshell.errors import PyshellError
from pyshell.store import Missing, Store
from pyshell.worker.checkpoints.exporting import export
from pyshell.worker.checkpoints.restore import Caution, restore
from pyshell.worker.checkpoints.scratch import Scratch, end
from pyshell.worker.checkpoints.verifying import verify
from pyshell.worker.namespace import CONSOLE_NAMES
from pyshell.worker.pickles.pickling import Lent
from pyshell.worker.start import keep as keep
from pyshell.worker.surroundings import Borrow

ERRANDS: dict[str, Callable[[Scratch], dict[str, Any]]] = {"export": export, "verify": verify}


def run(settings: dict[str, Any], variables: dict[str, Any], borrow_dill: Borrow) -> None:
    """Give one answer, as JSON on the descriptor `answer`, and end; host/saved/scratch.py describes `settings`."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    hidden = frozenset(variables) | CONSOLE_NAMES
    lent = Lent(borrow_dill(lambda dill: dill.extend(False)))
    try:
        with Store.open(settings["store"], key=None, writer=False) as store:
            scratch = Scratch(settings, variables, hidden, lent, BlackBox(settings["box"]), store)
            answer = {**_restore(scratch), **ERRANDS[settings["errand"]](scratch)}
    except (PyshellError, OSError) as exc:
        answer = {"error": (type(exc).__name__, str(exc))}
    with os.fdopen(settings["answer"], "w") as file:
        json.dump(answer, file)
    # Values that were restored may have something to say about an end in order; nobody has used them.
    os._exit(0)


def _restore(scratch: Scratch) -> dict[str, Any]:
    damage: list[str] = []
    set_aside = frozenset(scratch.settings["set_aside"])
    caution = Caution(set_aside, lambda group: scratch.box.drop_crumb(LOADING, group), damage.append)
    checkpoint = scratch.settings["checkpoint"]
    outcome = restore(scratch.store, checkpoint, scratch.variables, scratch.lent.modules, caution)
    for thread in threading.enumerate():
        if thread.name == "pyshell-verifier":
            thread.join()
    unsaved = scratch.store.manifest(checkpoint).missing
    lost = [missing for missing in outcome.missing if missing not in unsaved]
    return {"names": scratch.names, "unsaved": _told(unsaved), "missing": _told(lost), "damage": damage}


def _told(missing: Iterable[Missing]) -> list[tuple[str, str, str, int | None]]:
    return [(lost.name, lost.type, lost.reason, lost.cell) for lost in missing]
