"""What pickled session objects call to come back: functions, classes, enums, views.

Runs in: worker, and the forked child that tries what it saved.

Streams name these functions as `__pyshell__.NAME`: the names and parameters in REBUILDERS are part of the disk
format, the place of this file is not. Objects are made empty first and filled afterwards, so that whatever refers
back to them (a closure to its function, a class to its instances) finds them.
"""

from __future__ import annotations

import abc
import builtins
import contextvars
import functools
import importlib
import marshal
import math
import os
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

from pyshell.worker.pickles.placeholders import make_placeholder

MODULE = "__pyshell__"

_ABC = sys.modules["_abc"]


code_made: list[Callable[[types.CodeType], object]] = []
"""Who wants to know of code that came back."""


class DefinitionMissing(Exception):
    """A function or class that the stream refers to was not brought back."""


# --- references -------------------------------------------------------------------------------------------


def session() -> dict[str, Any]:
    """The live namespace; functions of the session have it as their globals."""
    return sys.modules["__main__"].__dict__


def named(name: str) -> Any:
    """Another definition of the session."""
    try:
        return session()[name]
    except KeyError:
        raise DefinitionMissing(f"{name} is not there") from None


def attribute(owner: Any, path: str) -> Any:
    """What lies at a dotted path in classes or modules, without running properties or `__getattr__`."""
    found = owner
    for part in path.split("."):
        if part not in vars(found):
            raise DefinitionMissing(f"{path} is not in {owner!r:.80} any more")
        found = vars(found)[part]
    return found.__func__ if isinstance(found, (staticmethod, classmethod)) else found


def standard_stream(name: str) -> Any:
    """`stdin`, `stdout` or `stderr` of this process."""
    return getattr(sys, name)


# --- functions --------------------------------------------------------------------------------------------


def make_code(data: bytes) -> types.CodeType:
    return told(marshal.loads(data))


def told(code: types.CodeType) -> types.CodeType:
    """The same, and whoever wants to know of it does."""
    for tell in code_made:
        tell(code)
    return code


def interned(name: Any) -> Any:
    """A name as the compiler makes it: one object wherever it stands, so that it is pickled as it was before."""
    return sys.intern(name) if type(name) is str else name


def make_cell() -> types.CellType:
    return types.CellType()


def set_cell(cell: types.CellType, contents: tuple[Any]) -> None:
    cell.cell_contents = contents[0]


def module_globals(name: str) -> dict[str, Any]:
    return importlib.import_module(name).__dict__


def make_globals() -> dict[str, Any]:
    """The globals of a function that was made by `exec` with a dict of its own."""
    return {"__builtins__": builtins}


def fill_globals(target: dict[str, Any], content: dict[str, Any]) -> None:
    target.update(content)


def make_function(
    code: types.CodeType, name: str, closure: tuple[types.CellType, ...] | None, namespace: dict[str, Any] | None
) -> types.FunctionType:
    """`namespace` None: the session's."""
    return types.FunctionType(code, session() if namespace is None else namespace, interned(name), None, closure)


def fill_function(function: types.FunctionType, state: tuple[dict[str, Any], dict[str, Any]]) -> None:
    attributes, slots = state
    function.__dict__.update(attributes)
    for name, value in slots.items():
        setattr(function, name, interned(value) if name == "__qualname__" else value)


def make_cached(function: Any, maxsize: int | None, typed: bool) -> Any:
    """What `functools.lru_cache` made of a function; its cache starts empty."""
    return functools.lru_cache(maxsize, typed)(function)


def fill_attributes(target: Any, attributes: dict[str, Any]) -> None:
    target.__dict__.update(attributes)


# --- classes ----------------------------------------------------------------------------------------------


def make_class(meta: type, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> type:
    """An empty class of the right layout; neither the metaclass's nor the bases' hooks run."""
    content = {key: interned(value) if key == "__qualname__" else value for key, value in namespace.items()}
    with _quiet_subclassing(bases):
        cls: type = _in_c(meta, "__new__")(meta, interned(name), bases, content)
        _in_c(meta, "__init__")(cls, interned(name), bases, content)
    if issubclass(meta, abc.ABCMeta):
        _ABC._abc_init(cls)
    return cls


def _in_c(meta: type, name: str) -> Any:
    """A method of a metaclass that is C code: where that is not `type`'s own, it lets nobody go past it."""
    found = (vars(cls)[name] for cls in type.__dict__["__mro__"].__get__(meta) if name in vars(cls))
    return next(method for method in found if type(method) not in (types.FunctionType, staticmethod))


def fill_class(cls: type, state: tuple[dict[str, Any], Sequence[type]]) -> None:
    attributes, registered = state
    assign = _in_c(type(cls), "__setattr__")
    for name, value in attributes.items():
        assign(cls, name, value)
    for other in registered:
        abc.ABCMeta.register(cls, other)  # type: ignore[arg-type]


@contextmanager
def _quiet_subclassing(bases: tuple[type, ...]) -> Iterator[None]:
    # They ran when the class was defined, and what they did is in the state that comes later.
    hooked: dict[type, Any] = {}
    for base in bases:
        for cls in base.__mro__:
            if "__init_subclass__" in vars(cls) and vars(cls).get("__module__") == "__main__":
                hooked[cls] = vars(cls)["__init_subclass__"]
    for cls in hooked:
        type.__setattr__(cls, "__init_subclass__", classmethod(lambda cls, **keywords: None))
    try:
        yield
    finally:
        for cls, hook in hooked.items():
            type.__setattr__(cls, "__init_subclass__", hook)


def make_member(cls: type, kind: Any, arguments: tuple[Any, ...]) -> Any:
    """A member of an enum that is being rebuilt; `kind` is `object`, or what the enum is mixed with."""
    return kind.__new__(cls, *arguments)


def make_type_variable(kind: Any, module: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """TypeVar, NewType, TypeAliasType and their like, which take their module from the globals of who makes them."""
    scope = {"__name__": module, "kind": kind}
    return eval("lambda *arguments, **keywords: kind(*arguments, **keywords)", scope)(*arguments, **keywords)


# --- other values -----------------------------------------------------------------------------------------


def make_exception(maker: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    return maker(*arguments)


def fill_exception(exception: BaseException, state: tuple[Any, ...]) -> None:
    attributes, cause, context, suppress = state
    if attributes:
        exception.__setstate__(attributes)
    exception.__cause__, exception.__context__ = cause, context
    exception.__suppress_context__ = suppress


def make_view(base: Any, place: tuple[int, Any, Any, Any], writeable: bool) -> Any:
    """A numpy array that shares the memory of `base`; place is offset, shape, strides and dtype."""
    offset, shape, strides, dtype = place
    buffer = base if base.flags.c_contiguous else base.T
    view = type(base)(shape, dtype, buffer, offset, strides)
    if not writeable:
        view.flags.writeable = False
    return view


def make_map(path: str, dtype: Any, offset: int, shape: tuple[int, ...], order: str) -> Any:
    """A numpy.memmap that writes to its file."""
    needed = offset + dtype.itemsize * math.prod(shape)
    if os.path.getsize(path) < needed:  # numpy would make it longer, by zeros
        raise OSError(f"{path} is shorter than it was")
    return importlib.import_module("numpy").memmap(path, dtype, "r+", offset, shape, order)


def make_part_of_map(root: Any, place: tuple[int, Any, Any, Any]) -> Any:
    """A slice of it; place is offset, shape, strides and dtype."""
    numpy = importlib.import_module("numpy")
    offset, shape, strides, dtype = place
    buffer = root if root.flags.c_contiguous else root.T
    part = numpy.ndarray.__new__(numpy.memmap, shape, dtype, buffer, offset, strides)
    part.__array_finalize__(root)
    return part


def reopen(kind: str, path: str, position: int, options: dict[str, Any]) -> Any:
    """A file that was open for reading, at the place where it was."""
    file: IO[Any] = open(path, "r" if kind == "text" else "rb", **options)  # noqa: SIM115  # the user closes it
    file.seek(position)
    return file


def make_database(parts: list[tuple[str, bytes]]) -> Any:
    """An sqlite3 database in memory; `main` is its first part."""
    connection = importlib.import_module("sqlite3").connect(":memory:")
    for name, content in parts:
        if name != "main":
            connection.execute("attach ':memory:' as " + '"' + name.replace('"', '""') + '"')
        if content:
            connection.deserialize(content, name=name)
    return connection


def fill_database(connection: Any, options: dict[str, Any]) -> None:
    for name, value in options.items():
        setattr(connection, name, value)


def make_simple_queue() -> Any:
    return importlib.import_module("queue").SimpleQueue()


def fill_simple_queue(queue: Any, items: list[Any]) -> None:
    for item in items:
        queue.put(item)


def make_match(pattern: Any, how: str, text: Any, pos: int, endpos: int) -> Any:
    """`how` is `search`, `match` or `fullmatch`."""
    return getattr(pattern, how)(text, pos, endpos)


def make_scanner(options: dict[str, Any]) -> Any:
    """What a JSONDecoder works with."""
    return importlib.import_module("_json").make_scanner(types.SimpleNamespace(**options))


def make_memory(owner: Any, readonly: bool) -> memoryview:
    view = memoryview(owner)
    return view.toreadonly() if readonly else view


def make_context_variable(name: str, default: tuple[Any] | None) -> contextvars.ContextVar[Any]:
    return contextvars.ContextVar(name) if default is None else contextvars.ContextVar(name, default=default[0])


def set_variable(variable: contextvars.ContextVar[Any], value: tuple[Any] | None) -> None:
    if value is not None:
        variable.set(value[0])


def make_storage(content: Any) -> Any:
    """The memory of torch's tensors, over a writable buffer."""
    torch = importlib.import_module("torch")
    memory = torch.frombuffer(content, dtype=torch.uint8) if len(content) else torch.empty(0, dtype=torch.uint8)
    return memory.untyped_storage()


def make_tensor(cls: Any, storage: Any, dtype: Any, place: tuple[int, Any, Any]) -> Any:
    """`place` is offset, shape and strides, in items."""
    torch = importlib.import_module("torch")
    made = torch.empty(0, dtype=dtype).set_(storage, *place)
    return made if cls is torch.Tensor else cls(made, requires_grad=False)


def fill_tensor(tensor: Any, state: tuple[bool, Any, dict[str, Any]]) -> None:
    requires_gradient, gradient, attributes = state
    tensor.requires_grad_(requires_gradient)
    if gradient is not None:
        tensor.grad = gradient
    tensor.__dict__.update(attributes)


REBUILDERS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        session, named, attribute, standard_stream, make_code, make_cell, set_cell, module_globals, make_globals,
        fill_globals, make_function, fill_function, make_cached, fill_attributes, make_class, fill_class,
        make_member, make_type_variable, make_exception, fill_exception, make_view, reopen,
        make_placeholder, make_database, fill_database, make_simple_queue, fill_simple_queue, make_match, make_memory,
        make_context_variable, set_variable, make_scanner, make_storage, make_tensor, fill_tensor, make_map,
        make_part_of_map,
    )
}  # fmt: skip

NAMES = types.ModuleType(MODULE)
"""What must be in `sys.modules` while something is pickled: pickle looks every function up by its module."""

for _function in REBUILDERS.values():
    _function.__module__ = MODULE
    setattr(NAMES, _function.__name__, _function)
