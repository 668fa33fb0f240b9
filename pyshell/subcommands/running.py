"""Run a script as a session of its own: one statement after the other, and on from the last one that is saved.

Runs in: clients (Python 3.11 and newer).

Every statement is a cell, so what it did is saved when it has ended, and the session can be attached while it runs.
Where the script stands, its session says: in the first line of each cell (scripts.py). So it does not matter who died.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pyshell import choosing, starting
from pyshell.answering import Answers
from pyshell.client import Session
from pyshell.errors import PyshellError, SessionNotFound, UsageError
from pyshell.following import Following, Streams, say
from pyshell.frozen import dataclass
from pyshell.paths import check_name, name_for_directory
from pyshell.protocol import Checkpoint, Held, HistoryEntry
from pyshell.subcommands import scripts
from pyshell.subcommands.scripts import Head, Statement

SAVED_SECONDS = 30.0
"""How long a state that is being saved is waited for before the run goes on from an older one."""
WAIT_SECONDS, WAIT_SHARE = 5.0, 0.1
"""How long it waits in all for statements to be saved, and which part of its time besides."""
MAX_CELLS = 10_000
DEATH = 128 + signal.SIGKILL
"""The exit status if the worker has died between two statements."""
DIED = "the worker died between two statements; start the script again to go on"
PROGRESS = "_resume"
"""The variable of a loop that goes on by itself (worker/progress.py)."""


@dataclass(frozen=True)
class Order:
    """What the person asked for."""

    script: Path
    arguments: tuple[str, ...] = ()
    name: str | None = None
    python: str | None = None
    restart: int | None = None
    """Go back to before the statement at that line."""
    is_fresh: bool = False
    is_mended: bool = False
    """Go on with the namespace as it is, behind the last statement that ended well."""


def main(arguments: Sequence[str], client: str, python: str | None = None) -> int:
    """`pyshell run`; the exit status. `python` runs a new session if the person names no other."""
    parser = choosing.parser("run", "Run a script as a session; started again, it goes on where it was saved.")
    parser.add_argument("-s", metavar="NAME", dest="name", type=check_name, help="the session's name")
    parser.add_argument("--python", metavar="EXE", help="the interpreter that runs it, or its environment")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--restart", metavar="N", type=int, help="go back to before line N; in a notebook, code cell N")
    how.add_argument("--fresh", action="store_true", help="begin with nothing")
    how.add_argument("--resume", action="store_true", help="go on with the variables as somebody has mended them")
    parser.add_argument("script", metavar="SCRIPT", help="a .py file, with or without `# %%%%` cells, or an .ipynb")
    parser.add_argument("arguments", metavar="ARGS", nargs=argparse.REMAINDER, help="its sys.argv")
    given = parser.parse_args(arguments)
    order = Order(
        Path(given.script), tuple(given.arguments), given.name, given.python, given.restart, given.fresh, given.resume
    )
    return run(order, client, python)


def session_name(script: Path) -> str:
    """One session for each script, wherever it is run from."""
    digest = hashlib.sha256(os.fsencode(script)).hexdigest()[:6]
    return f"run-{name_for_directory(script.stem)[:50]}-{digest}"


def run(order: Order, client: str, python: str | None = None) -> int:
    """Run it to its end; the exit status that the script would have. `python` is as in `main`."""
    script = order.script.absolute()
    statements = scripts.read_script(script, order.arguments)
    starting.save_anyway()
    limit_of(order, statements)  # before anything is started for it
    name = order.name or session_name(script)
    # A session of an earlier run keeps the interpreter that it has, whatever the directory has by now.
    with _reached(name, order.python or (None if starting.exists(name) else python), client) as session:
        session.wait_up()
        return _Run(session, order, statements, script).go()


def limit_of(order: Order, statements: Sequence[Statement]) -> int:
    """How many statements may be taken as done; UsageError if the one to begin with is none."""
    line = order.restart
    if line is None:
        return len(statements)
    before = [number for number, statement in enumerate(statements) if statement.line <= line]
    if not before:
        raise UsageError(f"{order.script} has no statement at line {line}")
    last = statements[-1]
    if line > last.line + last.source.count("\n"):
        raise UsageError(f"{order.script} ends before line {line}")
    return before[-1]


def _reached(name: str, python: str | None, client: str) -> Session:
    try:
        return starting.connect(name, client=client)
    except SessionNotFound:
        return starting.start_or_connect(name, python=python, cwd=os.getcwd(), client=client)


@dataclass(frozen=True)
class _Start:
    """Where the run can go on: a checkpoint, and how many statements are behind it."""

    number: int
    is_whole: bool
    """Else the next statement is partly done, and has a loop that knows how far it is."""
    checkpoint: Checkpoint


class _Run:
    """One start of `pyshell run`."""

    def __init__(self, session: Session, order: Order, statements: Sequence[Statement], script: Path) -> None:
        self._session = session
        self._order = order
        self._statements = statements
        self._script = script
        self._limit = limit_of(order, statements)
        self._seen = 0
        self._streams = Streams()
        self._answers = Answers(session)
        self._run = ""
        self._is_midway = False
        self._epoch = 0
        self._begun, self._waited = time.monotonic(), 0.0

    def go(self) -> int:
        """The exit status."""
        self._finish_what_runs()
        first = self._place()
        self._epoch = self._session.epoch
        if first == len(self._statements) and first:
            say(f"nothing has changed since {self._script.name} ended; --fresh runs it again")
            self._session.kill()
            return 0
        status = 0
        for statement in [None, *self._statements[first:]]:
            status, is_last = self._run_cell(self._code_of(statement, first))
            if is_last:
                break
        self._streams.pause()
        if status == 0:
            self._session.kill()
        return status

    # --- where to begin -----------------------------------------------------------------------------------

    def _finish_what_runs(self) -> None:
        """A statement that an earlier `pyshell run` has begun is part of this run, if it is still in the script."""
        status = self._session.status()
        self._seen = status.last_event
        if status.cell is None:
            return
        running = next((entry for entry in self._history() if entry.cell == status.cell), None)
        head = scripts.head_of(running.code) if running is not None else None
        if head is None:
            raise UsageError(
                f'In[{status.cell}] runs in session "{self._session.name}", and is not of the script: wait for its end'
            )
        if self._order.is_fresh or not any(statement.key == head.key for statement in self._statements):
            self._session.interrupt()
        self._follow(status.cell)

    def _place(self) -> int:
        """Take the session to the newest state that this script leads to; how many statements are behind it."""
        history = {entry.cell: entry for entry in self._history()}
        heads = {cell: head for cell, entry in history.items() if (head := scripts.head_of(entry.code)) is not None}
        self._run = heads[max(heads)].run if heads else ""
        if self._order.is_fresh or not heads:
            return self._begin_anew(bool(history))
        done = {statement.key: number for number, statement in enumerate(self._statements, 1)}
        if self._order.is_mended:
            return self._after_the_last(history, heads, done)
        limit = self._limit
        self._wait_saved(history)
        found: list[_Start] = []
        for checkpoint in reversed(self._session.checkpoints()):
            cell = checkpoint.cell or 0
            head = heads.get(cell)
            if head is None or head.run != self._run or head.key not in done:
                continue
            is_whole = checkpoint.line is None and history[cell].status == "ok"
            number = done[head.key] - (not is_whole)
            if number <= limit and (is_whole or (number < limit and self._has_progress(checkpoint))):
                found.append(_Start(number, is_whole, checkpoint))
        if not found:
            return self._begin_anew(True)
        # The one with most behind it; among those the newest.
        return self._go_to(max(found, key=lambda start: (start.number, not start.is_whole)), history)

    def _begin_anew(self, has_state: bool) -> int:
        self._run = os.urandom(3).hex()
        if has_state:
            self._session.restart(fresh=True)
            self._session.wait_up()
            self._seen = self._session.status().last_event
        return 0

    def _after_the_last(
        self, history: Mapping[int, HistoryEntry], heads: Mapping[int, Head], done: Mapping[str, int]
    ) -> int:
        ended = [cell for cell, head in heads.items() if history[cell].status == "ok" and head.key in done]
        if not ended:
            raise UsageError(f"no statement of {self._script} has ended well: run it without --resume")
        number = done[heads[max(ended)].key]
        self._tell(number, "with the variables as they are")
        return number

    def _wait_saved(self, history: Mapping[int, HistoryEntry]) -> None:
        ended = [entry.cell for entry in history.values() if entry.status == "ok"]
        if ended and (self._session.status().saved_cell or 0) < max(ended):
            with suppress(PyshellError):  # then from an older one
                self._session.wait_saved(max(ended), SAVED_SECONDS)

    def _has_progress(self, checkpoint: Checkpoint) -> bool:
        return any(name.name == PROGRESS for name in self._session.peek(checkpoint.checkpoint).names)

    def _go_to(self, start: _Start, history: Mapping[int, HistoryEntry]) -> int:
        checkpoint = start.checkpoint
        self._is_midway = not start.is_whole
        if not checkpoint.head or max(history) != checkpoint.cell or checkpoint.line is not None:
            self._session.restore(checkpoint.checkpoint)
            self._seen = self._session.status().last_event
        at = time.strftime("%H:%M:%S", time.localtime(checkpoint.time))
        self._tell(start.number, f"from the state of {at}")
        return start.number

    def _tell(self, number: int, how: str) -> None:
        if number < len(self._statements):
            say(f"goes on {how}, at {self._statements[number].place}")

    def _history(self) -> tuple[HistoryEntry, ...]:
        return self._session.history(MAX_CELLS)

    # --- one cell -----------------------------------------------------------------------------------------

    def _code_of(self, statement: Statement | None, first: int) -> str:
        if statement is not None:
            return str(Head(statement.place, self._run, statement.key)) + statement.source
        # What no checkpoint holds. It changes no variable of the script's, so the state is the one after the last.
        key = self._statements[first - 1].key if first and not self._is_midway else "-"
        argv = [str(self._order.script), *self._order.arguments]
        return str(Head(str(self._script), self._run, key)) + (
            "import sys as _pyshell_sys\n"
            f"_pyshell_sys.argv[:] = {argv!r}; _pyshell_sys.path[0] = {str(self._script.parent)!r}\n"
            f"__file__ = {str(self._script)!r}; del _pyshell_sys\n"
        )

    def _run_cell(self, code: str) -> tuple[int, bool]:
        """The exit status so far, and whether the script is over."""
        if self._session.epoch != self._epoch:  # what the statement before did may be lost with that worker
            say(DIED)
            return DEATH, True
        cell = self._session.execute(code)
        status, is_over = self._follow(cell)
        if not is_over:
            self._let_save(cell)
        return status, is_over

    def _let_save(self, cell: int) -> None:
        """A state for each statement, if that takes a tenth of the time at most; else quick ones share one."""
        begun = time.monotonic()
        patience = WAIT_SECONDS + WAIT_SHARE * (begun - self._begun) - self._waited
        if patience > 0:
            with suppress(PyshellError):  # then the next one is saved with it
                self._session.wait_saved(cell, patience)
        self._waited += time.monotonic() - begun

    def _follow(self, cell: int) -> tuple[int, bool]:
        following = Following(self._session, self._streams, self._answers)
        try:
            while True:
                try:
                    return self._to_the_end(cell, following)
                except KeyboardInterrupt:
                    self._session.interrupt()
        finally:
            self._answers.drop()

    def _to_the_end(self, cell: int, following: Following) -> tuple[int, bool]:
        for event in self._session.events(self._seen):
            self._seen = event.seq
            if event.cell == cell and following.is_last(event):
                return following.status, following.is_over
            if isinstance(event.body, Held) and cell in event.body.cells:
                self._session.cancel(cell)
                say(DIED)
                return DEATH, True
        raise PyshellError(f'session "{self._session.name}" has ended; run the script again to go on')
