"""Find modules and files by listing directories, in a limited time: a network disk may hang, an answer may not.

Runs in: worker, on its RPC thread; listing happens on threads of its own.

Nothing is imported, and no finder of the user's is asked.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import types
import zipimport
from collections.abc import Callable, Iterable
from functools import partial
from importlib.machinery import all_suffixes
from typing import Any, TypeVar

from pyshell.worker.looking import attributes, own_attributes

T = TypeVar("T")
_NONE: set[str] = set()
MAX_ENTRIES = 20_000
MAX_SOURCE = 500_000
MAX_HANGING = 4
"""Threads that may hang in the file system before nothing is looked for there any more."""
_SUFFIXES = tuple(sorted(all_suffixes(), key=len, reverse=True))
_DEFINED = re.compile(r"^(?:(?:async )?def |class )?([^\W\d]\w*)[ \t]*(?=[=:(]|$)", re.MULTILINE)

_listed: dict[str, tuple[int, tuple[str, ...]]] = {}
"""Directory → when it was changed last, and the modules in it."""
_hanging: list[threading.Thread] = []


def within(seconds: float, function: Callable[[], T], otherwise: T) -> T:
    """What the function returns, if it does in time; it may raise OSError. It goes on by itself if it does not."""
    found: list[T] = []

    def run() -> None:
        try:
            found.append(function())
        except (OSError, ValueError):  # not there, not readable, not a path
            return

    _hanging[:] = [thread for thread in _hanging if thread.is_alive()]
    if len(_hanging) >= MAX_HANGING:
        return otherwise
    thread = threading.Thread(target=run, name="pyshell-listing", daemon=True)
    thread.start()
    thread.join(max(0.0, seconds))
    if thread.is_alive():
        _hanging.append(thread)
    return found[0] if found else otherwise


# --- modules ------------------------------------------------------------------------------------------------------


def modules(package: str, seconds: float) -> set[str]:
    """What can be written after `import package.`, or after `import ` if there is no package."""
    known = _loaded(package)
    if not package:
        known |= set(sys.stdlib_module_names) | set(sys.builtin_module_names)
    return known | within(seconds, partial(_in_all, _places(package), package), _NONE)


def members(module: str, seconds: float) -> tuple[set[str], dict[str, Any]]:
    """What can be written after `from module import `: its modules; its names, with None where it is not loaded."""
    inside = modules(module, seconds) if module else set()
    loaded = sys.modules.get(module)
    if type(loaded) is types.ModuleType:
        return inside, attributes(loaded)
    return inside, dict.fromkeys(within(seconds, partial(_defined, _places(""), module), _NONE))


def _loaded(package: str) -> set[str]:
    stem = package + "." if package else ""
    names = [name[len(stem) :] for name in list(sys.modules) if type(name) is str and name.startswith(stem)]
    return {name.partition(".")[0] for name in names if name}


def _places(package: str) -> list[str]:
    """The directories of a loaded package, else those of `sys.path`."""
    loaded = sys.modules.get(package) if package else None
    paths: Any = own_attributes(loaded).get("__path__") if type(loaded) is types.ModuleType else sys.path
    if type(paths) is not list:
        paths = own_attributes(paths).get("_path") if paths is not None else []  # of a namespace package
    return [path for path in list(paths) if type(path) is str] if type(paths) is list else []


def _in_all(places: list[str], package: str) -> set[str]:
    if package and type(sys.modules.get(package)) is not types.ModuleType:
        places = [os.path.join(place, *package.split(".")) for place in places]
    found: set[str] = set()
    for place in places:
        found.update(_in_directory(place or "."))
    return found


def _in_directory(place: str) -> Iterable[str]:
    importer = sys.path_importer_cache.get(place)
    if type(importer) is zipimport.zipimporter:
        files = own_attributes(importer).get("_files")
        prefix = own_attributes(importer).get("prefix")
        return _in_archive(files, prefix) if type(files) is dict and type(prefix) is str else ()
    try:
        changed = os.stat(place).st_mtime_ns
        known = _listed.get(place)
        if known is None or known[0] != changed:
            known = _listed[place] = (changed, tuple(_list(place)))
        return known[1]
    except OSError:
        return ()


def _list(place: str) -> list[str]:
    found = []
    is_site = place.rstrip("/").endswith(("site-packages", "dist-packages"))
    with os.scandir(place) as entries:
        for _, entry in zip(range(MAX_ENTRIES), entries):
            name = _module_name(entry.name)
            if name:
                found.append(name)
            elif entry.name.isidentifier() and entry.is_dir() and _is_package(entry.path, is_site):
                found.append(entry.name)
    return found


def _is_package(path: str, is_site: bool) -> bool:
    """Where packages are installed, one without an __init__ is a namespace; elsewhere it is just a directory."""
    return (is_site and not path.endswith("__pycache__")) or os.path.exists(os.path.join(path, "__init__.py"))


def _in_archive(files: dict[str, Any], prefix: str) -> set[str]:
    paths = [path[len(prefix) :] for path in list(files) if type(path) is str and path.startswith(prefix)]
    firsts = [path.partition("/") for path in paths]
    return {_module_name(first) if not rest else first for first, _, rest in firsts if first.isidentifier() or not rest}


def _module_name(file: str) -> str:
    """`json` for `json.py` and `json.cpython-311-x86_64-linux-gnu.so`; empty for what is no module."""
    for suffix in _SUFFIXES:
        if file.endswith(suffix):
            name = file[: -len(suffix)]
            return name if name.isidentifier() and name != "__init__" else ""
    return ""


def _defined(places: list[str], module: str) -> set[str]:
    """Names at the margin of a module's source: functions, classes, assignments."""
    for place in places:
        path = os.path.join(place or ".", *module.split("."))
        for file in (path + ".py", os.path.join(path, "__init__.py")):
            if os.path.isfile(file):
                with open(file, encoding="utf-8", errors="replace") as source:
                    return set(_DEFINED.findall(source.read(MAX_SOURCE)))
    return set()


# --- files --------------------------------------------------------------------------------------------------------


def files(directory: str, seconds: float) -> dict[str, str]:
    """Name → `directory` or `file`; a directory's name ends in `/`."""
    if "\0" in directory:
        return {}
    return within(seconds, partial(_files, os.path.expanduser(directory) or "."), {})


def _files(directory: str) -> dict[str, str]:
    found = {}
    with os.scandir(directory) as entries:
        for _, entry in zip(range(MAX_ENTRIES), entries):
            is_directory = entry.is_dir()
            found[entry.name + "/" * is_directory] = "directory" if is_directory else "file"
    return found
