"""The commands about what sessions have left: search their cells, write these into a file, delete a session.

Runs in: clients (Python 3.11 and newer).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pyshell import choosing, drawing, protocol, starting
from pyshell.errors import SessionExists, UsageError
from pyshell.paths import check_name
from pyshell.protocol import Error, Recorded
from pyshell.subcommands import documents

COUNT = 100


def _history(arguments: list[str]) -> int:
    parser = choosing.parser("history", "Search the cells of all sessions, running or saved; the newest come last.")
    parser.add_argument("-t", metavar="NAME", dest="name", help="of this session only")
    parser.add_argument("-p", "--project", action="store_true", help="of sessions in this directory and below only")
    parser.add_argument("-o", "--output", action="store_true", help="show what they have shown, too")
    parser.add_argument("-n", metavar="COUNT", dest="count", type=int, default=COUNT, help=f"by default {COUNT}")
    parser.add_argument(
        "pattern", metavar="PATTERN", nargs="?", default="", help="in code or output; as for files, * and ?"
    )
    options = parser.parse_args(arguments)
    if options.count < 1:
        raise UsageError("-n takes a number from 1 on")
    names = [check_name(options.name)] if options.name else starting.names()
    if options.name and not starting.exists(options.name):
        raise starting.not_found(options.name)
    below = os.path.realpath(os.curdir) if options.project else None
    found = _read(names, pattern=options.pattern, limit=options.count, below=below, with_shown=options.output)
    choosing.print_lines(line for cell in found for line in _told(cell, time.time()))
    return 0 if found or not options.pattern else 1


def _read(names: list[str], **wanted: object) -> tuple[Recorded, ...]:
    found = protocol.from_json(starting.ask("journals.record", names=names, **wanted), protocol.Records)
    for sentence in found.unread:
        print(f"pyshell: {sentence}", file=sys.stderr)
    return found.records


def _told(cell: Recorded, now: float) -> Iterator[str]:
    took = [drawing.elapsed(cell.seconds)] if cell.seconds is not None and cell.seconds >= 1 else []
    head = [f"In[{cell.cell}]", drawing.when(cell.time, now), cell.status or "not finished", *took]
    yield "  ".join([f"{cell.session}", *head, choosing.short(cell.directory)])
    yield from (f"    {line}" for line in cell.code.rstrip("\n").split("\n"))
    for shown in cell.shown:
        text = shown.error.traceback if isinstance(shown, Error) else shown.text
        yield from (f"    | {line}" for line in documents.plain(text).rstrip("\n").split("\n"))


def export(name: str, file: str) -> None:
    """Write all cells of a session into a file, which is of the kind that its name says."""
    path = Path(file)
    text = documents.writer(path.suffix)(found := _read([name]))
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(text, "utf-8")
        os.replace(part, path)  # the commit point: never half of a file
    except OSError as exc:
        part.unlink(missing_ok=True)
        raise UsageError(f"{file} cannot be written: {exc.strerror}") from None
    print(f'{file} has {drawing.count(len(found), "cell")} of session "{name}"')


def _delete(arguments: list[str]) -> int:
    parser = choosing.parser("delete", "Delete a saved session: its cells, its saved states, its output. For good.")
    parser.add_argument("-t", metavar="NAME", dest="name", required=True)
    parser.add_argument("-f", dest="force", action="store_true", help="do not ask")
    options = parser.parse_args(arguments)
    name = check_name(options.name)
    if not starting.exists(name):
        raise starting.not_found(name)
    if choosing.is_running(name):
        raise SessionExists(f'session "{name}" is running; "pyshell kill -t {name}" ends it, then it can be deleted')
    if not options.force and not choosing.confirmed(f'Delete all that session "{name}" has saved?'):
        return 1
    starting.ask("removal", name=name)
    print(f'session "{name}" is deleted')
    return 0


def _move(arguments: list[str]) -> int:
    parser = choosing.parser("move", "Move the files of a saved session; without DIR back into the state directory.")
    parser.add_argument("-t", metavar="NAME", dest="name", required=True)
    parser.add_argument("directory", metavar="DIR", nargs="?", help="they lie in DIR/NAME.pyshell then")
    options = parser.parse_args(arguments)
    where = _moving("move", check_name(options.name), options.directory)
    print(f'session "{options.name}" lies in {where}')
    return 0


def _copy(arguments: list[str]) -> int:
    parser = choosing.parser("copy", "Copy the files of a saved session, to be opened elsewhere.")
    parser.add_argument("-t", metavar="NAME", dest="name", required=True)
    parser.add_argument("directory", metavar="DIR", help="the copy is DIR/NAME.pyshell")
    options = parser.parse_args(arguments)
    where = _moving("copy", check_name(options.name), options.directory)
    print(f'{where} is a copy of session "{options.name}"; "pyshell open" takes it up, also on another computer')
    return 0


def _open(arguments: list[str]) -> int:
    parser = choosing.parser("open", "Take up a session from its files, which stay where they are.")
    parser.add_argument("-s", metavar="NAME", dest="name", help="its name here; by default that of the directory")
    parser.add_argument("--yes", action="store_true", help="do not ask whether the files are to be trusted")
    parser.add_argument("directory", metavar="DIR", help="NAME.pyshell, from --here or pyshell copy")
    options = parser.parse_args(arguments)
    directory = os.path.abspath(options.directory)
    name = check_name(options.name or Path(directory).name.removesuffix(".pyshell"))
    whose, cells = _moving("look", name, directory).split()
    if whose != "ours" and not options.yes:
        print(f"{directory} has {drawing.count(int(cells), 'cell')}, and was not written here.")
        if not choosing.confirmed(
            "To open it runs code that it holds, as you. Do you trust where it comes from?", "--yes"
        ):
            return 1
    _moving("take_up", name, directory, cwd=os.getcwd(), python=sys.executable)
    print(f'session "{name}" is there; "pyshell attach -t {name}" opens the console on it')
    return 0


def _moving(action: str, name: str, directory: str | None, **more: str) -> str:
    where = os.path.abspath(directory) if directory else None
    return starting.ask("moving", action=action, name=name, directory=where, **more).strip()


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "history": _history, "delete": _delete, "move": _move, "copy": _copy, "open": _open,
}  # fmt: skip
