"""The user's namespace: `__main__`, and the names that belong to the console in it.

Runs in: worker.
"""

from __future__ import annotations

import io
import linecache
from typing import Any

from pyshell.escapes import uncovered
from pyshell.protocol import KEPT_OUT, RunCell
from pyshell.worker.bindings import Bindings

CONSOLE_NAMES = frozenset({"In", "Out"})
"""Rebuilt from the journal and from the `_n` names, so no checkpoint needs them."""

_LAST = ("_", "__", "___")


def filename(cell: int) -> str:
    """What tracebacks call a cell. In brackets, or pdb would take it for a path."""
    return f"<In[{cell}]>"


def source_lines(code: str) -> list[str]:
    """The lines as the compiler counts them: not as str.splitlines, which also ends one at a form feed."""
    return io.StringIO(code, newline=None).readlines()


class Namespace:
    """`variables` is the `__dict__` of `__main__`. Owner: the main thread; others only look."""

    def __init__(self, variables: dict[str, Any]) -> None:
        self.variables = variables
        self.inputs: list[str] = [""]
        self.outputs: dict[int, Any] = {}
        variables.update(__name__="__main__", __doc__=None, In=self.inputs, Out=self.outputs)
        # What is here before the first cell belongs to the interpreter, not to the user.
        self.hidden = frozenset(variables) | CONSOLE_NAMES
        self.bindings = Bindings(variables, self.hidden)
        self._last: list[Any] = []
        self.effects: dict[int, tuple[str, ...]] = {}
        """What cells have done outside of the process."""
        self.never: set[int] = set()
        """Cells that are never to be run again by themselves."""

    @property
    def newest(self) -> int:
        """The number of the newest cell."""
        return len(self.inputs) - 1

    def remember_source(self, cell: RunCell) -> None:
        """Make the source known to `In`, to tracebacks and to `inspect.getsource`."""
        if len(self.inputs) <= cell.cell:
            self.inputs.extend([""] * (cell.cell + 1 - len(self.inputs)))
        code = uncovered(cell.code)
        self.inputs[cell.cell] = code if code == cell.code else KEPT_OUT
        if cell.effects:
            self.effects[cell.cell] = cell.effects
        if cell.never:
            self.never.add(cell.cell)
        lines = source_lines(code)
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"  # traceback counts on it, and else puts its marks a column too far to the right
        # No modification time: linecache then never looks for a file of that name.
        linecache.cache[filename(cell.cell)] = (len(code), None, lines, filename(cell.cell))

    def remember_output(self, cell: int, value: object) -> None:
        """Bind `_n`, `Out[n]`, and shift `_ __ ___` unless the user has taken these names."""
        self.outputs[cell] = value
        self.variables[f"_{cell}"] = value
        if not self._owns_last():
            return
        self._last = [value, *self._last][: len(_LAST)]
        self.variables.update(zip(_LAST, self._last))

    def forget_outputs(self) -> None:
        """Unbind what cells have shown."""
        for name in [*(f"_{cell}" for cell in self.outputs), *(_LAST if self._owns_last() else ())]:
            self.variables.pop(name, None)
        self.outputs.clear()
        self._last = []

    def adopt(self) -> None:
        """After a restore: rebuild `Out` from the `_n` names, and take over what was shown last."""
        self.adopt_outputs()
        newest = self.outputs[max(self.outputs)] if self.outputs else None
        # By the type: a value and its second name may have become two objects on their way through the checkpoint.
        # Any other is the user's own, gettext's `_` for example.
        is_ours = type(self.variables.get(_LAST[0])) is type(newest)
        self._last = [self.variables.get(name) for name in _LAST if name in self.variables] if is_ours else []

    def adopt_outputs(self) -> None:
        """Rebuild `Out` from the `_n` names."""
        self.outputs.clear()
        for name, value in list(self.variables.items()):
            if name.startswith("_") and name[1:].isdecimal():
                self.outputs[int(name[1:])] = value

    def _owns_last(self) -> bool:
        """Whether no other value is bound to `_ __ ___`; a name that the user has deleted is ours again."""
        ours = dict(zip(_LAST, self._last))
        bound = [name for name in _LAST if name in self.variables]
        return all(name in ours and self.variables[name] is ours[name] for name in bound)
