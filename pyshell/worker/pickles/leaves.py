"""How single values are taken apart that pickle cannot take apart: cells, methods, locks, files, views, exceptions.

Runs in: the forked child that saves.

Each rule returns what `__reduce_ex__` may return, or NotImplemented for "as pickle does".
"""

from __future__ import annotations

import _thread
import importlib
import io
import sys
import threading
import types
from collections.abc import Callable
from typing import Any

from pyshell.frozen import dataclass, field
from pyshell.worker.kinds import home_of, is_class, mro_of, static_dict
from pyshell.worker.pickles import rebuilding
from pyshell.worker.pickles.placeholders import NotSaved, leaf_of
from pyshell.worker.pickles.refusals import refusal

Reduced = Any
"""What `__reduce_ex__` may return, or NotImplemented."""


class Unsavable(Exception):
    """A value that must not be saved; the message says why."""


class NotNow(BaseException):
    """This pickling is given up. No Exception, and guards against values' errors let it through."""


class NotInline(NotNow):
    """The forked child must do it (see inline.py)."""


class Stopped(NotNow):
    """The main thread is wanted by a cell, or a value's code does not get any further (see slicing.py)."""


@dataclass
class Notes:
    """What the rules of one pickle know and find out."""

    streams: dict[int, str]
    """Ids of the standard streams that the session had -> `stdin`, `stdout`, `stderr`."""
    homes: dict[str, dict[int, str]] = field(default_factory=dict)
    """What modules bind, by id; filled as needed."""
    by_name: set[int] = field(default_factory=set)
    """Ids of values that were pickled by reference."""
    released: set[int] = field(default_factory=set)
    """Ids of locks that come back unlocked although they are held."""


class Globals:
    """Stands for the globals of functions that `exec` made with a dict of its own."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content


class Call:
    """A value that is saved as a call: `function(*arguments)`."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.reduction = function, arguments


def reduce_module(notes: Notes, module: types.ModuleType) -> Reduced:
    name = vars(module).get("__name__")
    if type(name) is str and sys.modules.get(name) is module:
        notes.by_name.add(id(module))
        return importlib.import_module, (name,)
    raise Unsavable("module: it was not imported, so it cannot be imported again")


def reduce_exception(notes: Notes, exception: BaseException) -> Reduced:
    links = exception.__cause__, exception.__context__, exception.__suppress_context__
    if links == (None, None, False):
        return NotImplemented
    reduced = exception.__reduce_ex__(5)
    if type(reduced) is not tuple or len(reduced) not in (2, 3):
        return NotImplemented
    state = reduced[2] if len(reduced) == 3 else None
    arguments = (reduced[0], reduced[1])
    return rebuilding.make_exception, arguments, (state, *links), None, None, rebuilding.fill_exception


def reduce_cell(notes: Notes, cell: types.CellType) -> Reduced:
    try:
        contents = (cell.cell_contents,)
    except ValueError:  # a variable that has no value yet
        return rebuilding.make_cell, ()
    return rebuilding.make_cell, (), contents, None, None, rebuilding.set_cell


def reduce_globals(notes: Notes, stand_in: Globals) -> Reduced:
    content = {name: value for name, value in stand_in.content.items() if name != "__builtins__"}
    return rebuilding.make_globals, (), content, None, None, rebuilding.fill_globals


def reduce_method(notes: Notes, method: types.MethodType) -> Reduced:
    name = getattr(method.__func__, "__name__", None)
    homes = [static_dict(cls) for cls in mro_of(type(method.__self__))]
    found: Any = next((home[name] for home in homes if name in home), None)
    # As pickle does where looking the name up again finds the same function: then it follows a redefinition.
    if found is method.__func__ or is_class(method.__self__):
        return getattr, (method.__self__, name)
    return types.MethodType, (method.__func__, method.__self__)


def reduce_descriptor(notes: Notes, descriptor: Any) -> Reduced:
    return rebuilding.attribute, (descriptor.__objclass__, descriptor.__name__)


def reduce_lock(notes: Notes, lock: Any) -> Reduced:
    if lock.locked() and id(lock) not in notes.released:
        raise Unsavable("lock: it is held, and who holds it cannot be saved; release it first")
    return _thread.allocate_lock, ()


def reduce_rlock(notes: Notes, lock: Any) -> Reduced:
    if not repr(lock).startswith("<unlocked") and id(lock) not in notes.released:
        raise Unsavable("RLock: it is held, and who holds it cannot be saved; release it first")
    return threading.RLock, ()


def reduce_file(notes: Notes, file: Any) -> Reduced:
    stream = notes.streams.get(id(file))
    if stream is not None:
        return rebuilding.standard_stream, (stream,)
    binary = file.buffer if type(file) is io.TextIOWrapper else file
    if type(binary) is not io.BufferedReader or file.closed or type(file.name) is not str or not file.seekable():
        raise Unsavable(str(refusal(type(file))))
    if binary is file:
        return rebuilding.reopen, ("binary", file.name, file.tell(), {})
    options = {"encoding": file.encoding, "errors": file.errors}
    return rebuilding.reopen, ("text", file.name, file.tell(), options)


def reduce_view(notes: Notes, array: Any) -> Reduced:
    """A numpy view so that it goes on sharing memory with its base."""
    base = array.base
    while type(base) is type(array) and type(base.base) is type(array):
        base = base.base
    if type(base) is not type(array) or array.dtype.hasobject or base.dtype.hasobject:
        return NotImplemented
    contiguous = base.flags.c_contiguous or base.flags.f_contiguous
    # 3: `base`, the argument of getrefcount, and the view itself. Nobody else can see the rest of that memory.
    if not contiguous or (base.nbytes > 4 * array.nbytes + 4096 and sys.getrefcount(base) <= 3):
        return NotImplemented
    offset = array.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    place = (offset, array.shape, array.strides, array.dtype)
    return rebuilding.make_view, (base, place, array.flags.writeable)


def reduce_placeholder(notes: Notes, placeholder: NotSaved) -> Reduced:
    # Saving it again must say again what is missing.
    leaf = leaf_of(placeholder)
    raise Unsavable(f"it stands for {leaf.path}, which could not be saved: {leaf.reason}")


def reduce_singleton(notes: Notes, value: Any) -> Reduced:
    """Sentinels such as `dataclasses.MISSING` by name: code compares them by identity."""
    kind = type(value)
    home = home_of(kind)
    if type(home) is not str or home in ("__main__", "builtins"):
        return NotImplemented
    # Elsewhere only what has no state: a value that the user changed must keep its change.
    if home.partition(".")[0] not in sys.stdlib_module_names and (getattr(value, "__dict__", True) or _slots(kind)):
        return NotImplemented
    if home not in notes.homes:
        content = getattr(sys.modules.get(home), "__dict__", {})
        notes.homes[home] = {id(candidate): name for name, candidate in list(content.items())}
    name = notes.homes[home].get(id(value))
    if name is None:
        return NotImplemented
    notes.by_name.add(id(value))
    return rebuilding.attribute, (sys.modules[home], name)


def _slots(kind: type) -> bool:
    return any(static_dict(cls).get("__slots__") for cls in mro_of(kind))


def rules() -> dict[int, Callable[[Notes, Any], Reduced]]:
    """The rules by id of the exact type; numpy's if the user has imported it."""
    numpy = sys.modules.get("numpy")
    array = getattr(numpy, "ndarray", None)
    return _RULES if array is None else {**_RULES, id(array): reduce_view}


_RULES: dict[int, Callable[[Notes, Any], Reduced]] = {
    id(kind): rule
    for kind, rule in (
        (types.ModuleType, reduce_module),
        (types.CellType, reduce_cell),
        (types.MethodType, reduce_method),
        (types.MemberDescriptorType, reduce_descriptor),
        (types.GetSetDescriptorType, reduce_descriptor),
        (Globals, reduce_globals),
        (Call, lambda notes, call: call.reduction),
        (staticmethod, lambda notes, method: (staticmethod, (method.__func__,))),
        (classmethod, lambda notes, method: (classmethod, (method.__func__,))),
        (property, lambda notes, value: (property, (value.fget, value.fset, value.fdel, value.__doc__))),
        (_thread.LockType, reduce_lock),
        (_thread.RLock, reduce_rlock),
        (io.TextIOWrapper, reduce_file),
        (io.BufferedReader, reduce_file),
        (NotSaved, reduce_placeholder),
    )
}
