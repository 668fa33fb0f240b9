"""How values of particular classes are taken apart, as the rules of `leaves.py` do; only of what is imported already.

Runs in: the forked child that saves.

Each class has one rule, of exact instances only: what a subclass adds is not known here.
"""

from __future__ import annotations

import contextvars
import copyreg
import operator
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from typing import Any

from pyshell.worker.forking import on_main_thread
from pyshell.worker.kinds import is_class, static_dict
from pyshell.worker.pickles import rebuilding
from pyshell.worker.pickles.leaves import Notes, Reduced, Unsavable

_SCANNER = ("strict", "object_hook", "object_pairs_hook", "parse_float", "parse_int", "parse_constant")
_DATABASE = ("isolation_level", "row_factory", "text_factory", "autocommit")


def reduce_condition(notes: Notes, condition: Any) -> Reduced:
    """Without those who wait or hold it: they are threads, and gone when it comes back."""
    lock = condition._lock
    notes.released.add(id(lock))
    return type(condition), (lock,)


def reduce_database(notes: Notes, connection: Any) -> Reduced:
    """An sqlite3 database that lies in memory; one in a file is not the session's to save."""
    # A connection may only be used by the thread that made it; from 3.12 on its attributes, too.
    parts, options = on_main_thread(lambda: (_parts_of(connection), _options_of(connection)))
    return rebuilding.make_database, (parts,), options, None, None, rebuilding.fill_database


def _options_of(connection: Any) -> dict[str, Any]:
    return {name: getattr(connection, name) for name in _DATABASE if hasattr(connection, name)}


def _parts_of(connection: Any) -> list[tuple[str, bytes]]:
    if _functions_of(connection) != _functions_of(sys.modules["sqlite3"].connect(":memory:")):
        raise Unsavable("Connection: functions were added to it, which cannot be read back; connect again")
    databases = _ask(connection, "pragma database_list")
    # One that came back from bytes calls its file `x`; a real file has a whole path.
    if any(os.path.isabs(file) for _, _, file in databases):
        raise Unsavable("Connection: its data is in a file; connect again")
    if any(name == "temp" for _, name, _ in databases):
        raise Unsavable("Connection: it has temporary tables; connect again")
    if not hasattr(connection, "serialize"):
        raise Unsavable("Connection: saving a database in memory needs Python 3.11; connect again")
    return [(name, _content(connection, name)) for _, name, _ in databases]


def _content(connection: Any, name: str) -> bytes:
    # An empty one cannot be serialized.
    quoted = '"' + name.replace('"', '""') + '"'
    is_empty = _ask(connection, f"pragma {quoted}.page_count") == [(0,)]
    return b"" if is_empty else bytes(connection.serialize(name=name))


def _functions_of(connection: Any) -> set[Any]:
    return {*_ask(connection, "pragma function_list"), *_ask(connection, "pragma collation_list")}


def _ask(connection: Any, question: str) -> list[Any]:
    # A cursor of sqlite3's own: the connection's factories would make what they like of the rows.
    cursor = sys.modules["sqlite3"].Cursor(connection)
    cursor.row_factory = None
    rows: list[Any] = cursor.execute(question).fetchall()
    return rows


def reduce_struct(notes: Notes, value: Any) -> Reduced:
    return type(value), (value.format,)


def reduce_simple_queue(notes: Notes, queue: Any) -> Reduced:
    # It can only be read by taking everything out; this is a child's copy, and may be saved again.
    items = [queue.get_nowait() for _ in range(queue.qsize())]
    for item in items:
        queue.put(item)
    return rebuilding.make_simple_queue, (), items, None, None, rebuilding.fill_simple_queue


def refuse_simple_queue(notes: Notes, queue: Any) -> Reduced:
    raise Unsavable("SimpleQueue: it is read by taking everything out, which is done in a forked process only")


def reduce_match(notes: Notes, match: Any) -> Reduced:
    """By the search that finds the same once more."""
    for how, pos in (("search", match.pos), ("match", match.pos), ("fullmatch", match.pos), ("match", match.start())):
        again = getattr(match.re, how)(match.string, pos, match.endpos)
        if again is not None and again.regs == match.regs:
            return rebuilding.make_match, (match.re, how, match.string, pos, match.endpos)
    raise Unsavable("Match: its string has changed; search again")


def reduce_scanner(notes: Notes, scanner: Any) -> Reduced:
    return rebuilding.make_scanner, ({name: getattr(scanner, name) for name in _SCANNER},)


def reduce_weak_method(notes: Notes, reference: Any) -> Reduced:
    method = reference()
    if method is None:
        raise Unsavable("WeakMethod: its object is gone")
    return type(reference), (method,)


def reduce_weak_mapping(notes: Notes, mapping: Any) -> Reduced:
    # What nothing else holds is dropped when the pickle has been loaded, as it would have been.
    return type(mapping), (), None, None, iter(list(mapping.items()))


def reduce_logger(notes: Notes, logger: Any) -> Reduced:
    """By name, as pickle does; one that `logging` does not know by its content."""
    if sys.modules["logging"].getLogger(logger.name) is logger:
        return NotImplemented
    return copyreg.__newobj__, (type(logger),), vars(logger)  # type: ignore[attr-defined]


def reduce_memory(notes: Notes, view: memoryview) -> Reduced:
    """A view of all that its object has; where another one begins is nowhere to be read."""
    try:
        whole = memoryview(view.obj)
    except ValueError as exc:
        raise Unsavable(f"memoryview: {exc}") from exc
    if (view.format, view.shape, view.strides) != (whole.format, whole.shape, whole.strides):
        raise Unsavable("memoryview: it shows a part of its object; make it again")
    return rebuilding.make_memory, (view.obj, view.readonly)


def reduce_local(notes: Notes, local: Any) -> Reduced:
    """What the main thread sees of it: the others are gone when it comes back."""
    content = on_main_thread(lambda: dict(vars(local)))
    return type(local), (), content


def reduce_context_variable(notes: Notes, variable: contextvars.ContextVar[Any]) -> Reduced:
    """With its value on the main thread."""

    def values() -> Iterator[Any]:
        for ask in (contextvars.Context().run, lambda get: get()):
            try:
                yield (ask(variable.get),)
            except LookupError:
                yield None

    default, value = on_main_thread(lambda: list(values()))
    if value is not None and default is not None and value[0] is default[0]:
        value = None
    return rebuilding.make_context_variable, (variable.name, default), value, None, None, rebuilding.set_variable


def reduce_tensor(notes: Notes, tensor: Any) -> Reduced:
    """A tensor in the processor's memory, by its storage, which views and parameters share; with its gradient."""
    torch = sys.modules["torch"]
    if tensor.grad_fn is not None:
        raise Unsavable("Tensor: how it was computed cannot be saved; keep tensor.detach(), or compute it again")
    is_special = tensor.is_conj() or tensor.is_neg() or tensor.is_quantized or tensor._backward_hooks
    if tensor.device.type != "cpu" or tensor.layout is not torch.strided or is_special:
        return NotImplemented
    place = (tensor.storage_offset(), tuple(tensor.size()), tuple(tensor.stride()))
    arguments = (type(tensor), tensor.untyped_storage(), tensor.dtype, place)
    state = (tensor.requires_grad, tensor.grad, dict(vars(tensor)))
    return rebuilding.make_tensor, arguments, state, None, None, rebuilding.fill_tensor


def reduce_storage(notes: Notes, storage: Any) -> Reduced:
    if storage.device.type != "cpu":
        return NotImplemented
    size = storage.nbytes()
    if size == 0:
        return rebuilding.make_storage, (b"",)
    ctypes = sys.modules["ctypes"]  # torch has imported it
    memory = (ctypes.c_char * size).from_address(storage.data_ptr())
    return rebuilding.make_storage, (pickle.PickleBuffer(memory),)


def reduce_map(notes: Notes, array: Any) -> Reduced:
    """A map of a file by the file, if what is written to it belongs there; a copy would take it and say nothing."""
    if array.mode not in ("r+", "w+") or array._mmap is None or array.dtype.hasobject:
        return NotImplemented
    root = array
    while type(root.base) is type(array):
        root = root.base
    if root.base is not array._mmap or root.filename is None or not os.path.exists(root.filename):
        return NotImplemented
    if root is array:
        order = "C" if array.flags.c_contiguous else "F"
        return rebuilding.make_map, (str(array.filename), array.dtype, array.offset, array.shape, order)
    start = array.__array_interface__["data"][0] - root.__array_interface__["data"][0]
    return rebuilding.make_part_of_map, (root, (start, array.shape, array.strides, array.dtype))


def reduce_ctypes_class(cls: type) -> Reduced:
    """Classes that C code makes and nothing names: metaclasses by a class that has them, arrays by their items."""
    if issubclass(cls, type):
        known = list(vars(sys.modules["_ctypes"]).values())
        return next(((type, (value,)) for value in known if type(value) is cls), NotImplemented)
    attributes = static_dict(cls)
    if "_length_" in attributes and attributes["_type_"] * attributes["_length_"] is cls:
        return operator.mul, (attributes["_type_"], attributes["_length_"])
    return NotImplemented


ADAPTERS: tuple[tuple[str, str, Callable[[Notes, Any], Reduced]], ...] = (
    ("threading", "Condition", reduce_condition),
    ("sqlite3", "Connection", reduce_database),
    ("_struct", "Struct", reduce_struct),
    ("_queue", "SimpleQueue", reduce_simple_queue),
    ("re", "Match", reduce_match),
    ("_json", "make_scanner", reduce_scanner),
    ("weakref", "WeakMethod", reduce_weak_method),
    ("weakref", "WeakValueDictionary", reduce_weak_mapping),
    ("weakref", "WeakKeyDictionary", reduce_weak_mapping),
    ("logging", "Logger", reduce_logger),
    ("builtins", "memoryview", reduce_memory),
    ("_thread", "_local", reduce_local),
    ("_contextvars", "ContextVar", reduce_context_variable),
    ("numpy", "memmap", reduce_map),
    ("torch", "Tensor", reduce_tensor),
    ("torch.nn.parameter", "Parameter", reduce_tensor),
    ("torch.storage", "UntypedStorage", reduce_storage),
)
"""Where a class is found, and its rule."""


def where_it_lives() -> dict[int, Callable[[Notes, Any], Reduced]]:
    """The rules that are others in the session's own process: nothing may be taken apart there."""
    return {id(sys.modules["_queue"].SimpleQueue): refuse_simple_queue}


def imported() -> dict[int, Callable[[Notes, Any], Reduced]]:
    """The rules by id of the class, of the modules that are imported."""
    found = {}
    for home, name, rule in ADAPTERS:
        kind = getattr(sys.modules.get(home), "__dict__", {}).get(name)
        if is_class(kind):
            found[id(kind)] = rule
    return found
