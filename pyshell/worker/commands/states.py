"""pyshell's own commands: saved states, and the session as a whole.

Runs in: worker, on its main thread. What changes the session is asked of the host, and done when the cell has ended.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pyshell.drawing import MAX_CHANGED, draw
from pyshell.errors import StoreError, UsageError
from pyshell.interpreters import checked, environment_of, version_of
from pyshell.protocol import Asked, Checkpoint, TakeCheckpoint
from pyshell.store import Store
from pyshell.store.likeness import differing
from pyshell.worker.commands.call import Call
from pyshell.worker.tasks import StoreNames


def checkpoint(call: Call) -> None:
    """%checkpoint [LABEL]

    Saves the state that this cell leaves. One with a label is kept for ever, and `%restore LABEL` finds it.
    """
    label = call.filled().strip().strip("\"'") or None
    call.shell.around.submit(TakeCheckpoint(label))
    print(f'The state after this cell is kept as "{label}".' if label else "The state after this cell is saved.")


def store(call: Call) -> None:
    """%store NAME …

    Saves these names, where `[saving] mode = "manual"` keeps everything else from being saved by itself. Names that are
    in the newest saved state are saved with them, as they are now. `%checkpoint` saves all names.
    """
    names = tuple(call.filled().replace(",", " ").split())
    wrong = [name for name in names if name not in call.variables]
    if wrong or not names:
        raise UsageError(f"there is no name {wrong[0]} to be saved" if wrong else "which names? %store NAME …")
    call.shell.around.submit(StoreNames(names))
    print(f"Saved after this cell: {', '.join(names)}.")


def undo(call: Call) -> None:
    """%undo

    Goes back to before the last cell that changed something, when this cell has ended. `%redo` goes on again.
    """
    _nothing_else(call)
    call.shell.around.report(Asked("undo", None))


def redo(call: Call) -> None:
    """%redo

    Goes on to the state from which `%undo` or `%restore` came, when this cell has ended.
    """
    _nothing_else(call)
    call.shell.around.report(Asked("redo", None))


def restore(call: Call) -> None:
    """%restore NUMBER | LABEL

    Goes to a saved state of `%timeline`, when this cell has ended. The present state is saved first: `%restore`
    with its number comes back.
    """
    word = call.filled().strip().strip("\"'")
    if not word:
        raise UsageError("to which state? %restore NUMBER or LABEL; %timeline lists them")
    with _store(call) as store:
        manifests = store.manifests()
        labelled = [manifest.sequence for manifest in manifests if manifest.label == word]
        numbered = [manifest.sequence for manifest in manifests if str(manifest.sequence) == word]
    if not labelled and not numbered:
        raise UsageError(f"there is no saved state {word}; %timeline lists them")
    call.shell.around.report(Asked("checkpoint", [*numbered, *labelled][-1]))


def timeline(call: Call) -> None:
    """%timeline [COUNT]

    Draws the saved states, the newest on top: number, cell, time, names, what it changed, and the cell's first line.
    `@` is where you are. The cell that runs is not saved yet.
    """
    if call.text and not call.text.isdecimal():
        raise UsageError("%timeline, or with the number of lines that you want: %timeline 20")
    inputs = call.shell.namespace.inputs
    with _store(call) as store:
        head = store.head.sequence if store.head is not None else 0
        found = []
        for manifest in store.manifests():
            members, parent = store.members(manifest), store.parent(manifest.sequence)
            names = sum([len(store.group(key).bindings) for key in members])
            changed = differing(store, store.members(store.manifest(parent)) if parent else {}, members)
            found.append(
                Checkpoint(
                    manifest.sequence, parent or None, manifest.cell, manifest.time, manifest.label, names,
                    len(manifest.missing), manifest.written, manifest.sequence == head,
                    tuple(sorted(changed)[: MAX_CHANGED + 1]), manifest.line,
                )
            )  # fmt: skip
    lines = draw(found, dict(enumerate(inputs)), time.time())
    print("\n".join(lines[: int(call.text)] if call.text else lines) or "Nothing is saved yet.")


@contextmanager
def _store(call: Call) -> Iterator[Store]:
    try:
        with Store.open(call.shell.around.store, key=None, writer=False) as store:
            yield store
    except StoreError as exc:
        raise UsageError(f"the saved states cannot be read: {exc}") from None


def kill(call: Call) -> None:
    """%kill [-f]

    Ends the session when this cell has ended. What is saved stays: `pyshell attach -t NAME` goes on with it. While
    other cells wait or others are attached it says so, and does nothing: `-f` ends it all the same.
    """
    options, rest = call.options("f")
    if rest:
        raise UsageError("%kill ends this session, and takes no name; see %kill?")
    call.shell.around.report(Asked("kill", None, force="f" in options))


def python(call: Call) -> None:
    """%python [EXE]

    Says which interpreter runs the code. With a path, the directory of an environment or a command (`%python .venv`,
    `%python python3.12`) the session goes on in that one when this cell has ended: in another process, with what is
    saved. Under another minor version functions and classes are made anew from their source.
    """
    wanted = call.filled().strip().strip("\"'")
    if not wanted:
        environment = environment_of(sys.executable)
        within = f", environment {environment}" if environment else ""
        print(f"Python {sys.version.split()[0]} at {sys.executable}{within}")
        return
    executable = checked(wanted)
    print(f"Goes on in Python {version_of(executable)} at {executable}.")
    call.shell.around.report(Asked("python", None, python=executable))


def _nothing_else(call: Call) -> None:
    if call.text:
        raise UsageError(f"%{call.name} takes nothing; see %{call.name}?")
