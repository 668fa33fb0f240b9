"""The picklers: C's without our code, C's with rules, dill's with rules. Buffers of 64 KiB and more stay outside.

Runs in: the forked child that saves.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

from pyshell.worker.pickles.reached import Reached

PROTOCOL = 5
LARGE_BUFFER = 64 << 10

Override = Callable[[Any], Any]
"""A `reducer_override`."""
MakePickler = Callable[[io.BytesIO, "list[memoryview]"], Any]
"""Makes a pickler that writes there and puts large buffers into the list."""


class _Pickler(pickle.Pickler):
    """C's own class takes no attributes."""


def plain(output: io.BytesIO, buffers: list[memoryview]) -> Any:
    return _Pickler(output, PROTOCOL, buffer_callback=_keep_large(buffers))


def ruled(override: Override) -> MakePickler:
    def make(output: io.BytesIO, buffers: list[memoryview]) -> Any:
        pickler = plain(output, buffers)
        pickler.reducer_override = override
        return pickler

    return make


def dilled(dill: Any, override: Override) -> MakePickler:
    class Pickler(dill.Pickler):  # type: ignore[misc]
        # dill compares every dict with the namespace, by value: that runs any `__eq__` and finds equal strangers.
        dispatch = dill.Pickler.dispatch.copy()
        dispatch[dict] = pickle._Pickler.save_dict  # type: ignore[attr-defined]

    def make(output: io.BytesIO, buffers: list[memoryview]) -> Any:
        settings = {"byref": False, "recurse": False, "buffer_callback": _keep_large(buffers)}
        pickler = Pickler(output, PROTOCOL, **settings)
        pickler.reducer_override = override
        return pickler

    return make


def _keep_large(kept: list[memoryview]) -> Callable[[pickle.PickleBuffer], bool]:
    def decide(buffer: pickle.PickleBuffer) -> bool:
        view = buffer.raw()
        if view.nbytes < LARGE_BUFFER:
            return True  # in the stream
        kept.append(view)
        return False

    return decide


def persistent_id(namespace: dict[str, Any], reached: Reached) -> Callable[[Any], Any]:
    """Refers to the namespace itself by name, and notes everything else as reached."""
    keep = reached.add

    def decide(value: Any) -> Any:
        keep(value)
        return "namespace" if value is namespace else None

    return decide
