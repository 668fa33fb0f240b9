"""Everything that a cell has shown, from the session's journal: as lines, to be read elsewhere, copied or saved.

Runs in: console, in the threads of remote.py.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from pyshell import protocol
from pyshell.console import ansi, displays
from pyshell.console.tail import MAX_ROWS, Tail, feed

if TYPE_CHECKING:
    from pyshell.client import Session


def lines(events: Iterable[protocol.Event]) -> Iterator[str]:
    """What the events show, a line each, colours kept; progress bars as they were at last."""
    held: list[str] = []
    tail = Tail()
    for text in _texts(events):
        fed = feed(tail, text, held)
        if fed.taken:
            del held[-fed.taken :]
        held += fed.lines
        tail = fed.tail
        if len(held) > 2 * MAX_ROWS:
            yield from held[:-MAX_ROWS]
            del held[:-MAX_ROWS]
    yield from held
    if not tail.is_empty:
        yield from tail.rows


def _texts(events: Iterable[protocol.Event]) -> Iterator[str]:
    is_drawn, ends_line = False, True
    for event in events:
        body = event.body
        if isinstance(body, protocol.TerminalUsed):
            is_drawn = body.use == "screen"
        text = _text(body)
        if isinstance(body, protocol.Output):
            text = "" if is_drawn else text
        elif text and not ends_line:
            text = "\n" + text
        if text:
            ends_line = text.endswith("\n")
            yield text


def _text(body: protocol.EventBody) -> str:
    if isinstance(body, protocol.Output):
        return body.text
    if isinstance(body, protocol.Result):
        return body.text + "\n"
    if isinstance(body, protocol.Display):
        return "".join([line + "\n" for line in displays.lines_of(body)])
    if isinstance(body, protocol.Error) and not body.printed:
        return body.error.traceback
    return ""


def text(session: Session, cell: int) -> str:
    """All of it, without colours."""
    return "\n".join([ansi.plain(line) for line in lines(session.so_far(cell))])


def save(session: Session, cell: int, path: Path) -> str:
    """Write it to a new file, without colours; the sentence that says so, or why not."""
    try:
        with open(path, "x", encoding="utf-8", errors="replace") as file:
            count = _write(session, cell, file, has_colours=False)
    except FileExistsError:
        return f"{path} is there already; give another name."
    except OSError as error:
        return f"{path} could not be written: {error.strerror}."
    return f"{count:,} lines are in {path}."


def spool(session: Session, cell: int) -> Path | OSError:
    """Write it to a file for a pager, which is to be removed after that."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f"pyshell-{cell}-", suffix=".txt")
        with open(descriptor, "w", encoding="utf-8", errors="replace") as file:
            _write(session, cell, file, has_colours=True)
    except OSError as error:
        return error
    return Path(name)


def _write(session: Session, cell: int, file: TextIO, *, has_colours: bool) -> int:
    count = 0
    for line in lines(session.so_far(cell)):
        file.write((_coloured(line) if has_colours else ansi.plain(line)) + "\n")
        count += 1
    return count


def _coloured(line: str) -> str:
    if "\x1b" not in line:
        return ansi.visible(line)
    # Without hyperlinks: old pagers would show them as they are.
    runs = [(pen.partition(" ")[0], part) for pen, part in ansi.runs(line)]
    return "".join([ansi.start(pen) + part + ansi.change(pen, "") for pen, part in runs])
