"""The main thread's loop: run cells, restore and save the namespace, one task after the other.

Runs in: worker, on its main thread; other threads only `submit`.
"""

from __future__ import annotations

import builtins
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyshell.protocol import (
    COMM_CELL,
    CellStatus,
    CommDone,
    Error,
    ErrorInfo,
    Fetch,
    Finished,
    GoTo,
    Interrupted,
    Leave,
    Notice,
    Prepare,
    Ready,
    ReportBody,
    RestoreNamespace,
    Result,
    RunCell,
    SendComm,
    Settled,
    TakeCheckpoint,
)
from pyshell.worker import cell as cells
from pyshell.worker import comms, displaying, notebooks, plotting
from pyshell.worker.autosaving import Autosaving, Midway
from pyshell.worker.changes import ChangeWatch
from pyshell.worker.checkpoints.by_hand import SavingByHand
from pyshell.worker.checkpoints.late import Late
from pyshell.worker.checkpoints.saving import Saving
from pyshell.worker.checkpoints.telling import Reaped
from pyshell.worker.ending import end_child, exit_code, flush
from pyshell.worker.expressions import evaluated
from pyshell.worker.interrupts import Interrupts
from pyshell.worker.introspection.summing import Summing
from pyshell.worker.namespace import Namespace
from pyshell.worker.outside import Outside
from pyshell.worker.places import Place, place_of
from pyshell.worker.sender import Sender
from pyshell.worker.streams import TerminalOutput
from pyshell.worker.tasks import Stop, StoreNames, Task, Tasks, Touched

if TYPE_CHECKING:
    from pyshell.worker.commands.shell import Shell

MAX_REPR = 1 << 20
"""Characters of a result that are sent; the value itself stays in `_`."""
SEND_SECONDS = 0.005
"""How long saving waits at most for the cell's last words to be on their way."""
BREATH_SECONDS = 0.001
"""Between two groups that are saved without another process: the session's threads want to run, too."""
SETTLE_SECONDS = 0.25
"""How long a cell waits at most so that what the cells before it did can be saved: it may end the worker."""
LABEL_SECONDS = 60.0
"""The same where that has been given a label: it would be the label of another state."""


class Executor:
    """Owner: the main thread. `submit` may be called from any thread."""

    def __init__(self, namespace: Namespace, sender: Sender, output: TerminalOutput, interrupts: Interrupts) -> None:
        self._namespace = namespace
        self._sender = sender
        self._summing = Summing(namespace, sender)
        self._output = output
        self._interrupts = interrupts
        self._tasks = Tasks()
        self._runner = cells.CellRunner(namespace.variables)
        self.changes = ChangeWatch(namespace.bindings)
        self._outside = Outside()
        self._cell: int | None = None
        self._place = Place("", "")
        self._pid, self._main = os.getpid(), threading.get_ident()
        sys.displayhook = sys.__displayhook__ = self._display
        self._own_hook = sys.excepthook = sys.__excepthook__ = self._except
        builtins.display = displaying.display  # type: ignore[attr-defined]  # as in IPython: notebooks rely on it
        displaying.offer(self._tell, self._notice)
        notebooks.install()
        self._voice = comms.Voice(self._tell, namespace, self._describe, self._show_figures)
        comms.offer(self._voice)
        self._saving: Saving | None = None
        self._offers = False
        self.autosaving = Autosaving(interrupts, namespace.variables, self._save_midway)
        self._shell: Shell | None = None
        # What escapes.CALL names: importing that costs every start 2 ms of regular expressions.
        builtins.__command__ = self._command  # type: ignore[attr-defined]

    @property
    def late(self) -> Late | None:
        """What is still to be loaded. Other threads only look."""
        return self._saving.late if self._saving is not None else None

    @property
    def cell(self) -> int | None:
        """The running cell."""
        return self._cell

    def submit(self, task: Task) -> None:
        """Queue a task for the main thread."""
        self._tasks.put(task)
        if isinstance(task, (Settled, Reaped)) and self._cell is not None and self._saving and self._saving.waiting:
            self.autosaving.hurry()  # or it would be saved with the end of the cell, which may last for hours

    def has_tasks(self) -> bool:
        """Whether a task waits. Any thread."""
        return bool(self._tasks)

    def make_hear(self, sent: Interrupted) -> None:
        """Wake the main thread if it sleeps over a signal. Any thread."""
        self._interrupts.make_hear(sent.at)

    def run(self, saving: Saving) -> None:
        """Serve tasks until told to stop."""
        self._saving = saving
        self._sender.report(Ready(self._pid, ".".join(map(str, sys.version_info[:3])), sys.executable))
        saving.load_dill()
        saving.resuming.begin()
        self._outside.begin()
        while not isinstance(task := self._next_task(saving), Stop):
            self._serve(task, saving)
        if self._shell is not None and self._shell.background.finish():
            saving.save_after(self._namespace.newest, None)
        saving.finish()

    def _next_task(self, saving: Saving) -> Task:
        if saving.load_rest():
            self._summing.wake()
            if self._offers and saving.late.has_lost:
                self._offer(saving.journeys.path)
        seconds = saving.seconds_to_audit
        if seconds is not None:
            with suppress(queue.Empty):
                return self._tasks.take(seconds)
            saving.audit()
        while saving.is_slicing:
            with suppress(queue.Empty):
                task = self._tasks.take(BREATH_SECONDS)
                saving.pause()
                return task
            saving.slice()
        return self._tasks.take()

    def _serve(self, task: Task, saving: Saving) -> None:
        if isinstance(task, RunCell):
            with suppress(queue.Empty):
                while seconds := _seconds_behind(saving):
                    self._serve(self._tasks.take_first((Settled, Reaped), seconds), saving)
            self.execute(task)
            if not self._tasks:  # somebody looks at the screen, and the fork would keep the GIL from the sender
                self._sender.wait_sent(SEND_SECONDS)
            saving.save_after(task.cell, self._runner.named)
            self._summing.wake(self._runner.named)
        elif isinstance(task, SendComm):
            saving.late.complete()
            self._hear(task)
            saving.note_between()
            self._summing.wake(None)
        elif isinstance(task, RestoreNamespace):
            self._outside.expect([past.code for past in task.history])
            saving.restore(task)
            self._offers = task.offers
            if task.offers and self._namespace.bindings.lost:
                self._offer(saving.journeys.path)
            self._summing.wake()
        elif isinstance(task, Prepare):
            saving.resuming.prepare(task)
        elif isinstance(task, TakeCheckpoint):
            saving.save(task.label)
        elif isinstance(task, (GoTo, Fetch)):
            saving.travel(task)
            self._summing.wake(None)
        elif isinstance(task, StoreNames) and isinstance(saving, SavingByHand):
            saving.store_names(task.names)
        elif isinstance(task, Touched):
            task.is_served = True
            saving.save_after(self._namespace.newest, None)
        elif isinstance(task, Settled):
            saving.settle(task)
        elif isinstance(task, Reaped):
            saving.reaped(task.ended)

    def _offer(self, store: Path) -> None:
        from pyshell.worker.checkpoints.offering import offer  # mostly all comes back

        if (found := offer(self._namespace, self._runner, store)) is not None:
            self._sender.report(found)

    def _give_up_deleted(self) -> None:
        from pyshell.worker.checkpoints.offering import give_up_deleted  # as above

        give_up_deleted(self._namespace, self._runner, self._place.code)

    def execute(self, task: RunCell) -> None:
        """Run a cell and report how it ended; never raises."""
        self._cell = self._interrupts.cell = task.cell
        self._namespace.remember_source(task)
        self._place = place_of(task)
        started = time.perf_counter()
        status = self._load_for(task)
        self.changes.begin()
        self.autosaving.begin(task.cell, self._place.filename)
        status = status or self._run_guarded(lambda: self._run(task))
        seconds = time.perf_counter() - started
        self._runner.note_ran()
        self.autosaving.end(status == "ok")
        self._output.put_back_modes()
        changes = self.changes.end(task.cell, self._runner.named)
        if self._namespace.bindings.lost and "del" in self._place.code:
            self._give_up_deleted()
        effects = self._outside.effects
        if effects:
            self._namespace.effects[task.cell] = effects
        saves = not isinstance(self._saving, SavingByHand)
        self._sender.report(Finished(status, seconds, changes, effects, saves), task.cell, self._fence())
        self._cell = None
        if self._shell is not None:
            self._shell.background.go()

    def _hear(self, task: SendComm) -> None:
        """Let a comm hear what came for it, between two cells; never raises."""
        self._interrupts.cell = COMM_CELL
        self.changes.begin()
        status = self._run_guarded(lambda: self._voice.hear(task))
        self._output.put_back_modes()
        self.changes.end(self._namespace.newest, None)
        self._tell(CommDone(task.message, status))

    def _load_for(self, task: RunCell) -> CellStatus | None:
        """Wait for what it can reach; how it ends if it does not begin."""
        try:
            if self._saving is not None:
                self._saving.late.prepare(self._place, task)
        except KeyboardInterrupt as exc:
            return self._report_error(exc)
        return None

    def _save_midway(self, midway: Midway) -> float | None:
        """Save while the cell runs; see autosaving.Save."""
        saving = self._saving
        if saving is None:
            return None
        self._runner.note_ran()
        self.changes.midway(midway.cell)
        saving.note_midway(midway, self._runner.named)
        with suppress(queue.Empty):
            while True:
                self._serve(self._tasks.take_first((Settled, Reaped), 0.0), saving)  # of the save before
        return saving.save_midway()

    def _run_guarded(self, run: Callable[[], None]) -> CellStatus:
        try:
            self._interrupts.call(run)
        except BaseException as exc:  # user code raises what it likes; SystemExit does not end the session
            if os.getpid() != self._pid:
                end_child(exc)
            return self._report_error(exc)
        if os.getpid() != self._pid:
            end_child(None)
        return "ok"

    def _run(self, task: RunCell) -> None:
        if self._shell is not None:
            self._shell.before_cell()
        try:
            self._outside.expect([task.code])
            with self._outside:
                self._runner.run(self._place)
                for found in evaluated(task.expressions, self._runner, self._pid, self._notice):
                    self._sender.report(found, self._cell, self._fence())
        finally:
            if os.getpid() == self._pid:
                if self._shell is not None:
                    self._shell.after_cell()
                self._show_figures()

    def _show_figures(self) -> None:
        try:
            plotting.show_figures()
        except Exception as exc:  # drawing runs what the user has put into the figure
            self._notice(f"a figure could not be drawn: {cells.name_of(type(exc))}: {cells.message_of(exc)}")

    def _command(self, *words: str) -> Any:
        """What a line that is a command calls."""
        if self._shell is None:
            from pyshell.worker.commands.shell import Shell, Surroundings  # most sessions never need them

            assert self._saving is not None
            around = Surroundings(
                self._namespace, self._runner, self._saving.journeys.path, self.submit,
                self._tell, self._saving.journeys.borrow,
                self._interrupts, self._sender.report,
            )  # fmt: skip
            self._shell = Shell(around)
        return self._shell.run(sys._getframe(1), *words)

    def _report_error(self, exc: BaseException) -> CellStatus:
        # type() throughout: isinstance() and == could run code of the exception's own.
        if issubclass(type(exc), SystemExit) and exit_code(exc) == 0 and not self._place.is_script:
            self._sender.report(Leave(), self._cell)
            return "ok"
        printed = self._shown_by_users_hook(exc)
        self._sender.report(Error(self._describe(exc), printed), self._cell, self._fence())
        self._remember(exc)
        return "interrupted" if issubclass(type(exc), KeyboardInterrupt) else "error"

    def _remember(self, exc: BaseException) -> None:
        """For `%debug` and `pdb.pm()`, as Python's own prompt does."""
        where = cells.user_traceback(exc.__traceback__)
        sys.last_type, sys.last_value, sys.last_traceback = type(exc), exc, where
        setattr(sys, "last_exc", exc)  # noqa: B010  # which only 3.12 and newer know
        if self._shell is not None and self._shell.opens_debugger:
            from pyshell.worker.commands.debugging import open_at  # with pdb

            with suppress(KeyboardInterrupt):
                self._interrupts.call(lambda: open_at(where))

    def _describe(self, exc: BaseException) -> ErrorInfo:
        try:
            return self._interrupts.call(lambda: cells.describe(exc))
        except KeyboardInterrupt:  # the exception's own __str__ took too long for somebody
            kind = cells.name_of(type(exc))
            return ErrorInfo(kind, "", f"{kind} (interrupted while its traceback was made)\n")

    def _shown_by_users_hook(self, exc: BaseException) -> bool:
        hook: Any = getattr(sys, "excepthook", None)
        if hook is None or hook is self._own_hook:
            return False
        try:
            self._interrupts.call(lambda: cells.show(exc, hook))
        except BaseException as error:  # the user's hook may raise anything
            self._notice(f"sys.excepthook raised {type(error).__name__}: {cells.message_of(error)}")
            return False
        return True

    def _display(self, value: object) -> None:
        """What sys.displayhook is until the user replaces it."""
        if value is None or self._cell is None:
            return
        # An exact str: a repr may return a subclass, whose methods would run as ours.
        text = str.__str__(repr(value))
        if os.getpid() != self._pid:
            sys.stdout.write(text + "\n")
            return
        if len(text) > MAX_REPR:
            text = f"{text[:MAX_REPR]}… ({len(text) - MAX_REPR} more characters)"
        self._namespace.remember_output(self._cell, value)
        self._sender.report(Result(text, cells.name_of(type(value))), self._cell, self._fence())
        shown = displaying.representations(value, self._notice)
        if shown.data:
            self._tell(shown.as_display("", "", False, True))

    def _tell(self, body: ReportBody, in_order: bool = True) -> None:
        self._sender.report(body, self._cell, self._fence() if in_order else 0)

    def _except(self, kind: type[BaseException], value: BaseException, tb: Any) -> None:
        """What sys.excepthook is until the user replaces it: for code that calls it itself."""
        sys.stderr.write(cells.describe(value.with_traceback(tb)).traceback)

    def _fence(self) -> int:
        if threading.get_ident() != self._main:
            return self._output.fence()
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name, None)
            try:
                self._interrupts.call(lambda: flush(stream))  # noqa: B023 (called at once)
            except BaseException as exc:  # the user may have put any object there
                kind = cells.name_of(type(stream))
                self._notice(f"sys.{name}, a {kind}, could not be flushed: {cells.message_of(exc)}")
        return self._output.fence()

    def _notice(self, text: str) -> None:
        self._sender.report(Notice(text), self._cell)


def _seconds_behind(saving: Saving) -> float:
    """How long the next cell waits at most for a save to be settled; 0 where none has to be."""
    if saving.waiting is not None and saving.waiting.label is not None and not saving.is_slicing:
        return LABEL_SECONDS
    return SETTLE_SECONDS if saving.is_behind else 0.0
