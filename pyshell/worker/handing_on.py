"""Write what the namespace defines as a module that another process can run.

Runs in: worker, on the thread that starts a process.

Not as source: what a cell did besides (load, train, ask) must not be done again, and neither must its decorators. So
functions and classes are written as they are, pickled by value as for a checkpoint, with what their code names; and so
also those that came back from a checkpoint.
"""

from __future__ import annotations

import contextlib
import hashlib
import linecache
import os
import pickle
import tempfile
from pathlib import Path
from typing import Any

from pyshell.frozen import dataclass
from pyshell.worker.looking import preview, type_name
from pyshell.worker.namespace import CONSOLE_NAMES
from pyshell.worker.pickles.leaves import Unsavable
from pyshell.worker.pickles.pickling import Dump, Dumper, Lent, Snapshot, standard_streams
from pyshell.worker.touched import uses_of

KEPT = 4
"""Files of earlier states that stay: a process that was just started may not have read its own yet."""
ATTEMPTS = 3
HIDDEN = CONSOLE_NAMES | {"__builtins__", "__name__", "__doc__", "__package__", "__loader__", "__spec__", "__file__"}


@dataclass(frozen=True)
class Parcel:
    """What goes along."""

    dumps: list[Dump]
    """What is tried in turn: the definitions with all that they use, and alone, should a value not come back there."""
    lost: list[tuple[str, str]]
    """Names that cannot go, and why."""


MAIN = '''\
# What a session of pyshell has defined, for the processes that its cells start. Written when they are started.
def _take_over():
    import sys
    from importlib.machinery import PathFinder

    class Lent:
        """Finds pyshell where the session has it, and nothing else there."""

        @staticmethod
        def find_spec(name, path=None, target=None):
            return PathFinder.find_spec(name, [{place!r}]) if name == "pyshell" else None

    sys.meta_path.insert(0, Lent)
    from pyshell.worker.spawned import fill

    fill(globals(), {data!r})


_take_over()
del _take_over
'''


def write_definitions(namespace: dict[str, Any], directory: Path) -> Path:
    """The module's file. The same definitions have the same file, and others have another."""
    parcel = _parcel(namespace)
    values = {name: namespace.get(name) for name, _ in parcel.lost}
    lost = [(name, type_name(values[name]), preview(values[name]), why, None) for name, why in parcel.lost]
    data = pickle.dumps(([_as_plain(dump) for dump in parcel.dumps], lost, _sources()), 5)
    directory.mkdir(mode=0o700, exist_ok=True)
    stem = directory / hashlib.sha256(data).hexdigest()[:16]
    content, module = stem.with_suffix(".data"), stem.with_suffix(".py")
    if not module.exists():
        _write(content, data)
        place = str(Path(__file__).parents[2])
        _write(module, MAIN.format(place=place, data=str(content)).encode())
        _remove_old(directory)
    return module


def _as_plain(dump: Dump) -> tuple[bytes, list[bytes | bytearray]]:
    return bytes(dump.stream), [bytes(each) if each.readonly else bytearray(each) for each in dump.buffers]


def _parcel(namespace: dict[str, Any]) -> Parcel:
    for _ in range(ATTEMPTS - 1):
        # Another thread may change the namespace meanwhile, or save it.
        with contextlib.suppress(RuntimeError, Unsavable):
            return _pack(namespace)
    return _pack(namespace)


def _pack(namespace: dict[str, Any]) -> Parcel:
    snapshot = Snapshot(namespace, HIDDEN, standard_streams())
    dumper, lost = Dumper(snapshot, Lent({})), dict[str, str]()
    names = [name for name, value in snapshot.values.items() if id(value) in snapshot.definitions]
    alone = _dump(dumper, names, lost)
    used = {use for name in names for use in uses_of(snapshot.values[name])}
    while True:
        more = used & snapshot.values.keys() - set(names)
        # In the order of binding, so that the same state is the same file.
        names = [name for name in snapshot.values if name in more or name in names]
        dump = _dump(dumper, names, lost)
        used = {*dump.uses, *dump.references}
        if not (used & snapshot.values.keys()) - set(names):
            return Parcel([dump, alone], sorted(lost.items()))


def _dump(dumper: Dumper, names: list[str], lost: dict[str, str]) -> Dump:
    """These names in one pickle, without those that `lost` gets, with the reason."""
    while True:
        wanted = [name for name in names if name not in lost]
        try:
            return dumper.dump(wanted)
        except Unsavable:
            found = {name: reason for name in wanted if (reason := _reason_against(dumper, name))}
            if not found:
                raise
            lost.update(found)


def _reason_against(dumper: Dumper, name: str) -> str:
    try:
        dumper.dump([name])
    except Unsavable as exc:
        return str(exc) or "it cannot be pickled"
    return ""


def _sources() -> dict[str, list[str]]:
    """The cells, for tracebacks and `inspect.getsource`."""
    known = list(linecache.cache.items())
    return {name: entry[2] for name, entry in known if name.startswith("<In[") and len(entry) > 1}


def _write(path: Path, data: bytes) -> None:
    number, name = tempfile.mkstemp(dir=path.parent)
    with open(number, "wb") as file:
        file.write(data)
    os.replace(name, path)


def _remove_old(directory: Path) -> None:
    modules = sorted(directory.glob("*.py"), key=lambda path: path.stat().st_mtime, reverse=True)
    for module in modules[KEPT:]:
        for path in (module, module.with_suffix(".data")):
            path.unlink(missing_ok=True)
