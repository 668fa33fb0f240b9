"""Read which names a `dill.dump_module` file would bind, without running any of its code.

Runs in: clients (Python 3.11 and newer).

The pickle is followed operation by operation, but whatever it would import, call or build is a thing that does nothing.
So this tells what the file says, to a person who decides whether to trust it; it does not tell what its code would do.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyshell.errors import UsageError

PIECE = 64 << 10
"""Bytes that are read at once of what is passed over. Pickle's frames end before anything larger."""


def names_in(file: Path) -> tuple[str, ...]:
    """The names of `__main__` in the file, in their order; UsageError if it is no such file."""
    try:
        with file.open("rb") as stream:
            made = _Following(stream).load()
    except OSError as exc:
        raise UsageError(f"{file} cannot be read: {exc.strerror}") from None
    except Exception as exc:  # the file may be anything, and its operations fail in as many ways
        raise UsageError(f"{file} is no file of dill.dump_module: {type(exc).__name__}: {exc}") from None
    if not isinstance(made, _Inert) or made.name != "dill._dill._import_module" or type(made.state) is not dict:
        raise UsageError(f"{file} is a pickle, but not one of dill.dump_module: load it in a cell")
    if made.arguments[:1] != ("__main__",):
        raise UsageError(f"{file} holds another module than __main__: load it in a cell, with dill.load_module")
    return tuple(str(name) for name in made.state)


class _Inert:
    """Stands for anything that the pickle names or makes. Its own `__new__` is what NEWOBJ calls."""

    def __new__(cls, *arguments: Any, **keywords: Any) -> _Inert:
        return object.__new__(_Inert)

    def __init__(self, name: str = "", arguments: tuple[Any, ...] = ()) -> None:
        self.name = name
        self.arguments = arguments
        self.state: Any = None

    def __call__(self, *arguments: Any, **keywords: Any) -> _Inert:
        return _Inert(self.name, arguments)

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        """A dict's or a sequence's item."""

    def append(self, value: Any) -> None:
        """As a list has it; `extend` and `add` the same."""

    extend = add = append


def _pass_over(length_bytes: int) -> Callable[[Any], None]:
    def load(unpickler: Any) -> None:
        left = int.from_bytes(unpickler.read(length_bytes), "little")
        while left:
            piece = unpickler.read(min(left, PIECE))
            if not piece:
                raise EOFError("the file ends too early")
            left -= len(piece)
        unpickler.append(b"")

    return load


class _Following(pickle._Unpickler):
    """The one in Python, whose steps can be changed."""

    dispatch = {
        **pickle._Unpickler.dispatch,
        pickle.BINBYTES[0]: _pass_over(4),
        pickle.BINBYTES8[0]: _pass_over(8),
        pickle.BYTEARRAY8[0]: _pass_over(8),
    }

    def find_class(self, module: str, name: str) -> _Inert:
        return _Inert(f"{module}.{name}")

    def get_extension(self, code: int) -> None:
        self.append(_Inert())  # type: ignore[attr-defined]

    def persistent_load(self, key: Any) -> _Inert:
        return _Inert()
