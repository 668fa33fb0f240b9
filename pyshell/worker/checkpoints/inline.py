"""Save in the worker itself what is small and has no code of its own: no fork, and the next cell need not wait.

Runs in: worker, on its main thread.

Nothing here may run code of the user's, wait for a lock, or take long. So only types are let in of which that is known;
whatever else is met, or anything large, and the forked child does it.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import fractions
import io
import pathlib
import sys
import types
import uuid
from collections.abc import Sequence
from typing import Any

from pyshell.worker.checkpoints.groups import Saved, pickle_namespace
from pyshell.worker.kinds import SESSION, home_of, mro_of, static_dict
from pyshell.worker.pickles import picklers
from pyshell.worker.pickles.leaves import NotInline
from pyshell.worker.pickles.limits import Limits
from pyshell.worker.pickles.pickling import Dump, Dumper, Lent, Snapshot, has_hooks

MAX_BYTES = 256 << 10
"""Of one pickle: a tenth of a millisecond."""

_SAFE = {
    id(kind)
    for kind in (
        collections.Counter, collections.OrderedDict, collections.defaultdict, collections.deque, complex,
        datetime.date, datetime.datetime, datetime.time, datetime.timedelta, datetime.timezone, decimal.Decimal,
        fractions.Fraction, pathlib.PosixPath, pathlib.PurePosixPath, range, slice, types.BuiltinFunctionType,
        types.FunctionType, types.SimpleNamespace, uuid.UUID, type, bytearray,
    )
}  # fmt: skip
_ASKED = ("__getattr__", "__getattribute__", "__slots__")


def pickle_inline(snapshot: Snapshot, limits: Limits) -> Saved:
    """The touched names of the snapshot, or NotInline."""
    if snapshot.touched is None or any(id(value) in snapshot.definitions for value in snapshot.wanted().values()):
        raise NotInline("a definition")
    return pickle_namespace(snapshot, _Inline(snapshot), limits, lambda _: None)


class _Bounded(io.BytesIO):
    def write(self, data: Any, /) -> int:
        if self.tell() + len(data) > MAX_BYTES:
            raise NotInline("large")
        return super().write(data)


def _guard(value: Any) -> Any:
    if not _is_safe(type(value)):
        raise NotInline(type(value).__name__)
    return NotImplemented


class _Inline(Dumper):
    make_plain = staticmethod(picklers.ruled(_guard))

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__(snapshot, Lent({}))

    def make_file(self) -> io.BytesIO:
        return _Bounded()

    def dump(self, names: Sequence[str]) -> Dump:
        try:
            dump = self._plain(names)
        except Exception as exc:  # the child finds out what it is, and says it
            raise NotInline(str(exc)) from None
        if dump.is_doubtful or dump.buffers:
            raise NotInline("large or doubtful")
        return dump


def _is_safe(kind: type) -> bool:
    if id(kind) in _SAFE:
        return True
    numpy = sys.modules.get("numpy")
    if numpy is not None and _is_of_numpy(kind, numpy):
        return True
    return _is_plain_class(kind)


def _is_of_numpy(kind: type, numpy: types.ModuleType) -> bool:
    if kind is numpy.ndarray:
        return True  # an array of objects hands them to the pickler one by one
    return home_of(kind) in ("numpy", "numpy.dtypes") and any(cls is numpy.generic for cls in mro_of(kind))


def _is_plain_class(kind: type) -> bool:
    """A class of the session that leaves pickling, and the attributes of its instances, to `object`."""
    if type(kind) is not type or has_hooks(kind):
        return False
    for cls in mro_of(kind)[:-1]:
        if home_of(cls) != SESSION or any(name in static_dict(cls) for name in _ASKED):
            return False
    return True
