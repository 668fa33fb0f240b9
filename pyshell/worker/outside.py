"""What a cell does to the world outside of its process, as far as Python's audit events tell.

Runs in: worker, on whichever thread does it; ours are not the cell's.

Files that C code writes by itself (HDF5, a database's own files) raise no event, and neither does what a forked process
does. An audit hook stays for good, and is called for much that is of no interest here: with one, `id` takes 0.5 µs
instead of 0.03, and `copy.deepcopy` twice as long. So there is none until the text of a cell gives reason to watch.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

MAX_EFFECTS = 20
"""Of one cell."""
MAX_TEXT = 200
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_UNNAMED = getattr(os, "O_TMPFILE", 0)
"""Linux: a file without a name, which nobody else can see."""

_WORD = re.compile(r"[^\W\d]\w*|(?m:^)[ \t]*[%!]|=[ \t]*!")
"""A name, or the beginning of a command. A pattern of all the words below would take 3 ms of every start to compile."""
_WORDS = frozenset({
    "open", "touch", "truncate", "remove", "unlink", "rename", "move", "rmdir", "rmtree", "subprocess", "system",
    "popen", "Popen", "exec", "eval", "import_module", "__import__", "webbrowser", "tempfile", "shelve", "logging",
    "aiohttp", "paramiko", "redis", "post",
})  # fmt: skip
_BEGINNINGS = (
    "write", "save", "to_", "dump", "copyfile", "copytree", "mkd", "maked", "spawn", "connect", "socket", "request",
    "http", "url", "ftp", "smtp", "imap", "ssh", "sql", "psycopg", "pymongo", "boto", "send", "download", "upload",
)  # fmt: skip
"""Of code that does something outside. One too many costs time, one too few leaves an effect untold."""


def may_go_outside(code: str) -> bool:
    """Whether the text of a cell gives reason to watch it: a word of these, or a command."""
    words = set(_WORD.findall(code))
    return not words.isdisjoint(_WORDS) or any(w.startswith(_BEGINNINGS) or w[-1] in "%!" for w in words)


class Outside:
    """What the cell that runs has done. Owner: the main thread; the hook may be called on any."""

    def __init__(self) -> None:
        self._is_on = self._is_installed = False
        self._found: dict[str, None] = {}
        self._ours: frozenset[int] = frozenset()

    def begin(self) -> None:
        """The threads that there are now are ours."""
        self._ours = frozenset(sys._current_frames()) - {threading.get_ident()}

    def expect(self, codes: Iterable[str]) -> None:
        """Watch from here on, if one of these cells gives reason to: it runs, or what it has defined may be called."""
        if not self._is_installed and any(map(may_go_outside, codes)):
            self._is_installed = True
            sys.addaudithook(lambda event, arguments: self._hear(event, arguments) if event in _EVENTS else None)

    def __enter__(self) -> None:
        self._found = {}
        self._is_on = True

    def __exit__(self, *_: object) -> None:
        self._is_on = False

    @property
    def effects(self) -> tuple[str, ...]:
        """In the order in which they came, each once."""
        return tuple(self._found)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._is_on and threading.get_ident() not in self._ours:
            with suppress(Exception):  # arguments are the user's objects; what cannot be told must not stop the cell
                text = _EVENTS[event](*arguments)
                if text and "__pycache__" not in text and len(self._found) < MAX_EFFECTS:
                    self._found[text[:MAX_TEXT]] = None


def _opened(path: Any, _mode: Any, flags: int) -> str:
    if type(path) is int or not flags & _WRITING or (_UNNAMED and flags & _UNNAMED == _UNNAMED):
        return ""
    name = _name(path)
    # A file without a name is opened by way of its directory.
    return "" if name.startswith(("/dev/", "/proc/")) or os.path.isdir(name) else f"wrote {name}"


def _ran(program: Any, arguments: Any, *_: Any) -> str:
    if isinstance(arguments, (str, bytes)):
        return f"ran {_name(arguments)}"
    words = [_name(word) for word in arguments or [program]]
    # `sh -c TEXT` is how Python runs a line of the shell's
    import shlex  # few cells run programs

    return f"ran {words[2]}" if words[1:2] == ["-c"] and len(words) == 3 else f"ran {shlex.join(words)}"


def _connected(_socket: Any, address: Any) -> str:
    if isinstance(address, tuple) and len(address) >= 2:
        return f"connected to {address[0]}:{address[1]}"
    return f"connected to {_name(address)}"


def _database(name: Any, *_: Any) -> str:
    shown = _name(name)
    return "" if shown in (":memory:", "") or "mode=memory" in shown else f"opened the database {shown}"


def _one(verb: str) -> Callable[..., str]:
    return lambda path, *_: f"{verb} {_name(path)}"


def _two(verb: str) -> Callable[..., str]:
    return lambda source, target, *_: f"{verb} {_name(source)} to {_name(target)}"


def _name(value: Any) -> str:
    shown = os.fsdecode(value) if isinstance(value, (str, bytes, os.PathLike)) else repr(value)
    return "".join(character if character.isprintable() else " " for character in shown)


_EVENTS: dict[str, Callable[..., str]] = {
    "open": _opened,
    "os.remove": _one("removed"),
    "os.rmdir": _one("removed"),
    "os.mkdir": _one("made the directory"),
    "os.truncate": _one("cut"),
    "os.chmod": _one("changed the mode of"),
    "os.rename": _two("renamed"),
    "os.link": _two("linked"),
    "os.symlink": _two("linked"),
    "shutil.rmtree": _one("removed"),
    "subprocess.Popen": _ran,
    "os.posix_spawn": _ran,
    "os.exec": _ran,
    "os.system": _one("ran"),
    "socket.connect": _connected,
    "socket.sendto": _connected,
    "socket.bind": lambda _socket, address: f"listened on {_name(address)}",
    "sqlite3.connect": _database,
    "webbrowser.open": _one("opened"),
}
