"""How far each loop and step of a cell is, in the namespace: what the next worker goes on from.

Runs in: worker, on its main thread.

The variable `_resume` is a dict of plain values: path -> {"at": items done, "over": whether it has ended, "kept": the
local variables of the function that it is in, as they were when it was saved}. A path is the loop's key, behind the
paths and items of the loops around it: `epochs[3]/batches`.

A cell that is run again binds its variables anew before it comes to the loop: `results = []`. So when the loop goes on,
what the cell found when it began is put back, and in a function its own variables are. Functions, classes and modules
are not: they may have been mended meanwhile.
"""

from __future__ import annotations

import ctypes
import opcode
import sys
import types
import weakref
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from pyshell.worker.autosaving import Autosaving, outwards
from pyshell.worker.pickles import placeholders

NAME = "_resume"
MAX_TOLD = 10
"""Names that are told to be as they were saved."""
_DEFINITIONS = (types.FunctionType, types.BuiltinFunctionType, types.ModuleType, type)
_POP_TOP = opcode.opmap["POP_TOP"]

Entry = dict[str, Any]


class Progress:
    """Of one worker."""

    def __init__(self, saving: Autosaving) -> None:
        self._saving = saving
        self._variables = saving.variables
        self._active: list[Callable[[], Place | None]] = []
        """Loops and steps under way, outermost first. Loops are held weakly: they end when nobody goes on with them."""
        self._used: set[str] = set()

    # --- what loops and steps ask for -------------------------------------------------------------------

    def enter(self, key: str, frame: FrameType) -> Place:
        """A loop begins, or goes on."""
        self._end_steps(frame, also_here=False)
        place = self._place(key, frame, "[{}]/")
        if place.done or place.is_over:
            self._put_back(place)
        self._begin(weakref.ref(place))
        return place

    def begin_step(self, key: str, frame: FrameType) -> bool:
        """A step begins, which ends the one before it. False: it is done."""
        self._end_steps(frame, also_here=True)
        place = self._place(f"step {key}", frame, "/")
        if place.is_over:
            self._put_back(place)
            return False
        self.save_if_due(frame)
        self._begin(lambda: place)
        return True

    def _begin(self, found: Callable[[], Place | None]) -> None:
        self._active.append(found)
        self._saving.loops = len(self._places())

    def _end_steps(self, frame: FrameType, also_here: bool) -> None:
        """Steps are over that began in a function which has returned, or right here."""
        around = {id(outer) for outer in outwards(frame.f_back if also_here else frame)}
        for place in reversed(self._places()):
            if place.is_loop or id(place.frame) in around:
                return
            place.finish()

    def leave(self, place: Place) -> None:
        """A loop or a step has ended, one way or the other."""
        self._active = [found for found in self._active if found() not in (None, place)]
        self._saving.loops = len(self._active)

    def forget_inside(self, place: Place) -> None:
        """An item is done, with all the loops and steps that it went through."""
        entries, inside = self._entries, place.prefix
        if len(entries) > 1:
            for path in [path for path in entries if path.startswith(inside)]:
                del entries[path]
            self._active = [found for found in self._active if not getattr(found(), "path", "").startswith(inside)]

    def save_if_due(self, frame: FrameType) -> None:
        """Between two items: the one moment at which the cell may be saved."""
        if self._saving.is_due:
            for place in self._places():
                place.keep()
            self._rebind()
            self._saving.save_at(frame)

    # --- in the namespace ----------------------------------------------------------------------------------

    def _place(self, key: str, frame: FrameType, inside: str) -> Place:
        around = self._places()
        path = (around[-1].prefix if around else "") + key
        self._used.add(path)
        entry = self._entries.setdefault(path, {"at": 0, "over": False, "kept": None})
        place = Place(self, path, entry, inside)
        place.frame, place.is_outermost = frame, not around
        return place

    def _places(self) -> list[Place]:
        return [place for place in [found() for found in self._active] if place is not None]

    @property
    def _entries(self) -> dict[str, Entry]:
        found = self._variables.get(NAME)
        if type(found) is not dict:  # there is none, or the user has taken the name
            found = self._variables[NAME] = {}
        return found

    def _rebind(self) -> None:
        """Another object, so that it counts as changed."""
        self._variables[NAME] = dict(self._entries)

    def _put_back(self, place: Place) -> None:
        """The variables as they were when the loop or the step was there."""
        begun = self._saving.at_begin or {}
        names = [name for name in begun if name != NAME and self._is_other(name, begun)]
        self._variables.update({name: begun[name] for name in names})
        names += place.put_back_locals()
        where = "is done" if place.is_over else f"goes on behind the first {place.done}"
        more = ", …" if len(names) > MAX_TOLD else ""
        told = f"; as saved: {', '.join(sorted(names)[:MAX_TOLD])}{more}" if names else ""
        sys.stderr.write(f"{place.path} {where}{told}\n")

    def _is_other(self, name: str, begun: Mapping[str, Any]) -> bool:
        return self._variables.get(name) is not begun[name] and _is_data(begun[name])

    def end_cell(self, ok: bool) -> None:
        """A cell that ran to its end begins anew when it is run again; another goes on."""
        if ok:
            for path in self._used:
                self._entries.pop(path, None)
        if self._entries:
            self._rebind()
        else:
            self._variables.pop(NAME, None)
        self._used.clear()
        self._active.clear()


class Place:
    """Where one loop or step is. Owned by the loop."""

    def __init__(self, progress: Progress, path: str, entry: Entry, inside: str) -> None:
        self._progress = progress
        self._entry = entry
        self._inside = inside
        self.path = path
        self.is_loop = inside != "/"
        self.is_outermost = True
        self.frame: FrameType | None = None
        """Where it stands."""

    @property
    def prefix(self) -> str:
        """What paths inside of it begin with."""
        return self.path + self._inside.format(self.done)

    @property
    def done(self) -> int:
        """Items that are done."""
        return int(self._entry["at"])

    @property
    def is_over(self) -> bool:
        return bool(self._entry["over"])

    def next_item(self, frame: FrameType) -> None:
        """Another item is done."""
        self._progress.forget_inside(self)
        self._entry["at"] += 1
        self.frame = frame
        self._progress.save_if_due(frame)

    def keep(self) -> None:
        """Keep the local variables around it."""
        self._entry["kept"] = _locals(self.frame)

    def put_back_locals(self) -> list[str]:
        """In the function that runs now; their names."""
        kept = {name: value for name, value in (self._entry["kept"] or {}).items() if _is_data(value)}
        self._entry["kept"] = None
        if kept and self.frame is not None:
            _set_locals(self.frame, kept)
        return list(kept)

    def finish(self) -> None:
        """There are no more items."""
        self._entry["over"] = True
        self._leave()

    def abandon(self) -> None:
        """Nobody asks for the next item: the loop was left, or an exception has come."""
        frame = self.frame
        self._entry["over"] = frame is not None and frame.f_code.co_code[frame.f_lasti] == _POP_TOP
        self._leave()

    def _leave(self) -> None:
        self.keep()
        self.frame = None
        self._progress.leave(self)


def _is_data(value: object) -> bool:
    return not issubclass(type(value), _DEFINITIONS) and type(value).__module__ != placeholders.__name__


def _locals(frame: FrameType | None) -> dict[str, Any] | None:
    """The local variables of a function; None at the top level, where they are the namespace."""
    if frame is None or frame.f_locals is frame.f_globals:
        return None
    return {name: value for name, value in frame.f_locals.items() if type(value).__name__ != "_Loop"}


def _set_locals(frame: FrameType, values: dict[str, Any]) -> None:
    known = {*frame.f_code.co_varnames, *frame.f_code.co_cellvars, *frame.f_code.co_freevars}
    frame.f_locals.update({name: value for name, value in values.items() if name in known})
    if sys.version_info < (3, 13):  # from there on `f_locals` writes through; before, debuggers do it so
        ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))
