"""Write a restored checkpoint as a file that `dill.load_module` reads, without the names that dill cannot manage.

Runs in: a scratch worker, and children that it forks.

`dill.dump_module` takes all names or none, and writes files that it cannot load again. So a child writes the file and
loads it. If that fails, each name is tried by itself, and what is left is written. (Names bind when all of the file is
loaded, so no name could help another: what needs one to come back cannot be in such a file.)
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import IO, Any

from pyshell.errors import WorkerError
from pyshell.worker.checkpoints.scratch import TRIAL_SECONDS, ChildDied, Scratch, in_child
from pyshell.worker.pickles.pickling import describe, standard_streams
from pyshell.worker.pickles.refusals import type_name

NAME_SECONDS = 100
"""What a single name may take."""


def export(scratch: Scratch) -> dict[str, Any]:
    """Write the file; what of the restored names is not in it, and why."""
    target = Path(scratch.settings["file"])
    # Beside its place, so that a whole file is there at once or none.
    fd, path = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    os.close(fd)
    try:
        lost = _Exporting(scratch).write(path)
        os.replace(path, target)  # the commit point
    except BaseException:  # whatever it is, it goes on when this is tidied up
        os.unlink(path)
        raise
    return {"lost": [(name, type_name(type(scratch.variables[name])), reason) for name, reason in lost.items()]}


class _Exporting:
    """One export."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._values = scratch.variables
        self._streams = standard_streams()

    def write(self, path: str) -> dict[str, str]:
        """The names that are not in the file, and why; WorkerError if none can be."""
        names = self._scratch.names
        if self._try(names, path):
            lost = {name: reason for name in names if (reason := self._try([name], seconds=NAME_SECONDS))}
            if reason := self._try([name for name in names if name not in lost], path):
                raise WorkerError(f"dill can write each name, and not all of them together: {reason}")
            return lost
        return {}

    def _try(self, names: Collection[str], path: str | None = None, seconds: int = TRIAL_SECONDS) -> str:
        """Write these names in a child, there or nowhere, and load them again; what went wrong."""

        def work() -> str:
            with open(path, "w+b") if path else io.BytesIO() as file:
                return self._write_and_load(names, file)

        try:
            return str(in_child(work, seconds))
        except ChildDied as exc:
            return f"dill could not save and load it: {exc}"

    def _write_and_load(self, names: Collection[str], file: IO[bytes]) -> str:
        """In a child, whose `__main__` nobody needs any more."""
        kinds = {name: type(self._values[name]) for name in names if id(self._values[name]) not in self._streams}
        with self._scratch.lent.visible():
            dill = self._scratch.lent.dill
            try:
                self._drop(set(self._scratch.names).difference(names))
                dill.dump_module(file, module=sys.modules["__main__"])
                self._drop(names)
                if not isinstance(file, io.BytesIO):
                    file.flush()
                    os.fsync(file.fileno())
                file.seek(0)
                dill.load_module(file)
            except BaseException as exc:  # the values' own code may raise anything, SystemExit included
                return describe(exc)
        for name, kind in kinds.items():
            now = type_name(type(self._values.get(name)))
            if now != type_name(kind):
                return f"dill would bring {name} back as {now}"
        return ""

    def _drop(self, names: Collection[str]) -> None:
        for name in names:
            del self._values[name]
