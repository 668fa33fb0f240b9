"""A session that follows a script, for tests of the console without a host.

Runs in: tests.

It has the methods of pyshell.client.Session. A cell that is Python runs by `exec` in a thread of this
process; what it writes with `write` is output. `die()` and `ask()` play the worker's part.
"""

from __future__ import annotations

import base64
import contextlib
import io
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from pyshell import listing, protocol
from pyshell.errors import ConnectionLost

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.console.told import Told  # noqa: E402  (found by the line above, where this is run as a program)

PATIENCE = 30.0
EDITING = (
    "import select, sys; file = open(sys.argv[1], 'r+'); print('the editor runs', flush=True); "
    "'wait' in file.read() and select.select([0], [], []); print('# edited', file=file)"
)
EDITOR = f'{sys.executable} -c "{EDITING}"'


class ScriptedSession:
    """One session; several connections to it may be made by `connect`."""

    def __init__(self, name: str = "scripted") -> None:
        self.name = name
        self.client = "test"
        self.calls: list[tuple[object, ...]] = []
        self._events: list[protocol.Event] = []
        self._changed = threading.Condition()
        self._closed = self._lost = self._ended = False
        self._epoch, self._cell, self._running = 1, 0, 0
        self._answers: list[str | None] = []
        self._waiting: list[tuple[int, str]] = []
        self._interrupts = 0
        self.held = False
        self.told = Told()
        self._head = 4
        self.namespace: dict[str, object] = {
            "draft": self.draft, "picture": self.picture,
            "use": self.use, "write": self.write, "ask": self.ask,
            "die": self.die, "lose": self.lose, "until": self.until,
            "interrupted": lambda: self._interrupts, "session": self,
        }  # fmt: skip
        self._put(None, protocol.StateChanged("idle", None))
        threading.Thread(target=self._run_cells, daemon=True).start()

    # --- what the script does ---

    def _put(self, cell: int | None, body: protocol.EventBody) -> None:
        with self._changed:
            seq = len(self._events) + 1
            self._events.append(protocol.Event(seq, self._epoch, cell, "test", time.time(), body))
            self._changed.notify_all()

    def until(self, is_true: Callable[[], object]) -> None:
        with self._changed:
            if not self._changed.wait_for(is_true, PATIENCE):
                raise TimeoutError

    def draft(self, code: str) -> None:
        self._put(self._running, protocol.Draft(code))

    def picture(self, png: bytes) -> None:
        data = protocol.MimeData("image/png", base64.b64encode(png).decode())
        self._put(self._running, protocol.Display("a picture", (data,), "{}", "", False, False))

    def write(self, text: str) -> None:
        self._put(self._running, protocol.Output(text))

    def use(self, use: protocol.TerminalUse) -> None:
        self._put(self._running, protocol.TerminalUsed(use))

    def ask(self, prompt: str, password: bool = False) -> str:
        self._put(self._running, protocol.InputRequest(prompt, password))
        self.until(lambda: self._answers)
        self._put(self._running, protocol.InputDone())
        answer = self._answers.pop(0)
        if answer is None:
            raise EOFError
        return answer

    def die(self, *names: str) -> None:
        info = protocol.ExitInfo(
            f"The worker was killed by SIGSEGV while it ran In [{self._running}].", "SIGSEGV", None, False, 51_000_000,
            'Current thread:\n  File "In [1]", line 1', self._running,
        )  # fmt: skip
        self._put(self._running, protocol.Died(info))
        self._put(None, protocol.StateChanged("restarting", None))
        self._epoch += 1
        self._put(None, protocol.StateChanged("idle", None))
        lost = protocol.Unsaved("conn", "sqlite3.Connection", "it cannot be pickled", 1)
        self._put(None, protocol.Restored(1, names or ("x",), (lost,), 0.05))
        raise SystemExit

    def lose(self) -> None:
        with self._changed:
            self._lost = True
            self._changed.notify_all()

    def _run_cells(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: (self._waiting and not self.held) or self._ended)
                if self._ended:
                    return
                cell, code = self._waiting.pop(0)
            self._run(cell, code)

    def _run(self, cell: int, code: str) -> None:
        begin = time.time()
        self._put(cell, protocol.Started())
        self._put(cell, protocol.StateChanged("busy", None))
        self._running = cell
        status: protocol.CellStatus = "ok"
        self._interrupts = 0
        try:
            # Without a screen of its own the console writes there.
            with contextlib.nullcontext() if "--lines" in sys.argv else contextlib.redirect_stdout(io.StringIO()):
                self._execute(cell, code)
        except SystemExit:
            status = "died"
        except BaseException as error:  # a cell raises what it likes
            status = "error"
            text = "".join(traceback.format_exception(error))
            self._put(cell, protocol.Error(protocol.ErrorInfo(type(error).__name__, str(error), text), False))
        self._put(cell, protocol.Finished(status, time.time() - begin))
        if status == "died" and self._waiting:
            self.held = True
            self._put(None, protocol.Held(tuple(number for number, _ in self._waiting)))
        self._put(None, protocol.StateChanged("idle", None))
        if status != "died":
            self._put(cell, protocol.Saved(cell, (), 0.01, 100))

    def _execute(self, cell: int, code: str) -> None:
        try:
            value = eval(code, self.namespace)
        except SyntaxError:
            exec(code, self.namespace)
            return
        if value is not None:
            self._put(cell, protocol.Result(repr(value), type(value).__name__))

    # --- what the console calls ---

    def batches(self, after: int = 0) -> Iterator[tuple[protocol.Event, ...]]:
        while True:
            with self._changed:
                while not (len(self._events) > after or self._closed or self._lost or self._ended):
                    self._changed.wait()
                batch = self._events[after:]
                if not batch:
                    if self._lost:
                        raise ConnectionLost("the session's host went away.")
                    return
            yield tuple(batch)
            after = batch[-1].seq

    def so_far(self, cell: int) -> list[protocol.Event]:
        return [event for event in self._events if event.cell == cell]

    def execute(self, code: str) -> int:
        self.calls.append(("execute", code))
        self._cell += 1
        self._put(self._cell, protocol.Queued(code))
        with self._changed:
            self._waiting.append((self._cell, code))
            self._changed.notify_all()
        return self._cell

    def input(self, text: str) -> None:
        self._answer(text)

    def input_end(self) -> None:
        self._answer(None)

    def _answer(self, text: str | None) -> None:
        self.calls.append(("input", text))
        with self._changed:
            self._answers.append(text)
            self._changed.notify_all()

    def interrupt(self) -> str:
        with self._changed:
            self._interrupts += 1
            self._changed.notify_all()
        return ("signal", "stack", "kill")[min(self._interrupts, 3) - 1]

    def release(self) -> None:
        with self._changed:
            self.held = False
            self._changed.notify_all()
        self._put(None, protocol.Released())

    def cancel(self, cell: int) -> None:
        with self._changed:
            self._waiting = [item for item in self._waiting if item[0] != cell]
        self._put(cell, protocol.Finished("aborted", 0.0))

    def move(self, cell: int, position: int) -> None:
        with self._changed:
            item = next(item for item in self._waiting if item[0] == cell)
            self._waiting.remove(item)
            self._waiting.insert(position, item)
        self._put(None, protocol.Reordered(tuple([number for number, _ in self._waiting])))

    def variables(self) -> tuple[protocol.Variable, ...]:
        return self.told.variables(self.namespace)

    def children(self, path: str, start: int = 0, count: int = 100) -> protocol.Children:
        return self.told.children(eval(path, self.namespace), path, start, count)

    def table(self, path: str, rows: range = range(50), columns: range = range(20)) -> protocol.Table:
        return self.told.table(eval(path, self.namespace), rows, columns)

    def checkpoints(self) -> tuple[protocol.Checkpoint, ...]:
        return self.told.checkpoints(self._head)

    def diff(self, before: int, after: int) -> protocol.Difference:
        return self.told.diff(before, after)

    def restore(self, checkpoint: int) -> protocol.CheckedOut:
        left, self._head = self._head, checkpoint
        body = protocol.CheckedOut(checkpoint, left, checkpoint, ("x",), (), (), 0.01)
        self._put(None, body)
        return body

    def undo(self) -> protocol.CheckedOut:
        return self.restore(max(1, self._head - 1))

    def redo(self) -> protocol.CheckedOut:
        return self.restore(min(4, self._head + 1))

    def label(self, checkpoint: int, label: str | None) -> None:
        self.calls.append(("label", checkpoint, label))

    def complete(self, code: str, cursor_pos: int) -> protocol.Completions:
        start = cursor_pos
        while start and (code[start - 1].isalnum() or code[start - 1] == "_"):
            start -= 1
        typed = code[start:cursor_pos]
        names = sorted(name for name in ("alpha", "alphabet", "alpine", "beta") if name.startswith(typed))
        matches = tuple(protocol.Match(name, "function", "function", f"{name}(x)") for name in names)
        return protocol.Completions(matches, start, cursor_pos, "live")

    def inspect(self, code: str, cursor_pos: int, detail: int = 0) -> protocol.Inspection:
        before = code[:cursor_pos]
        parameters = ("x: int", "y=1", "*rest")
        given = before.rpartition("(")[2].count(",")
        call = protocol.Call("alpha", "(x: int, y=1, *rest)", parameters, min(given, 2)) if "(" in before else None
        doc = "Say what alpha is.\n\nAnd more of it."
        return protocol.Inspection(True, "alpha", "function", "(x: int, y=1, *rest)", doc, "", 0, "", "", call=call)

    def history(
        self, limit: int = 1000, pattern: str = "", elsewhere: bool = False
    ) -> tuple[protocol.HistoryEntry, ...]:
        if elsewhere:
            return (protocol.HistoryEntry(7, "('far',\n 'away')", "ok", 86400.0, "test", "other"),)
        return (protocol.HistoryEntry(0, "old = 'cell'", "ok", 0.0, "test"),)

    def status(self) -> protocol.Status:
        return protocol.Status(
            self.name, "idle", self._epoch, None, "", "", "", None, self._cell + 1, (), self.held, 1, None, None,
            None, (), None, 0.0, len(self._events),
        )  # fmt: skip

    def resize(self, columns: int, rows: int) -> None:
        self.calls.append(("resize", columns, rows))
        with self._changed:
            self._changed.notify_all()
        self._put(None, protocol.Notice(f"[{columns}x{rows}]")) if "--sizes" in sys.argv else None

    def keys(self, data: bytes) -> None:
        self.calls.append(("keys", data))
        self.write(f"keys {data!r}\n")

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def main() -> int:
    """The console with such a session, for a terminal."""
    from pyshell.console import app, linewise
    from pyshell.console.options import Options

    session = ScriptedSession()

    def connect() -> ScriptedSession:
        session._lost = session._closed = False
        return session

    prompt = "python" if "--python-prompt" in sys.argv else "numbers"
    theme = next((word.removeprefix("--theme=") for word in sys.argv if word.startswith("--theme=")), "terminal")
    options = Options(is_vi="--vi" in sys.argv, editor=EDITOR, images="--no-images" not in sys.argv)
    terminal = {"TERM": "xterm-kitty"} if "--kitty" in sys.argv else {}
    options = options._replace(prompt=prompt, theme=theme, terminal=terminal)
    if "--lines" in sys.argv:
        return linewise.run(connect, banner="scripted banner", colors=1, options=options)  # type: ignore[arg-type]
    colors = 1 if "--plain" in sys.argv else 256
    listing.rows_of = session.told.sessions
    banner = "" if "--quiet" in sys.argv else "scripted banner"
    return app.run(connect, banner=banner, colors=colors, options=options)  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main())
