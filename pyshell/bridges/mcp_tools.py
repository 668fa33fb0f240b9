"""What an agent may do with a session: each public method of `Agent` is a tool, and its docstring is what it is told.

Runs in: clients (Python 3.11 and newer), each call on a thread of its own.

Every answer is a text of a bounded size that says what it leaves out. Nothing waits longer than the agent has said: a
cell that is not done runs on. What an agent takes back is its own, unless it says that it means somebody else's.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection

from pyshell.bridges.mcp_shown import MAX_CHARACTERS, Shown, clipped, lines_of, some
from pyshell.client import Session
from pyshell.drawing import draw, first_line, missing, not_restored
from pyshell.errors import CallTimeout, ConnectionLost, StoreError, UsageError
from pyshell.protocol import CheckedOut, HistoryEntry, InputRequest, Output, Saved, SaveFailed, Variable

MAX_SECONDS = 600.0
TRAVEL_SECONDS = 120.0
"""How long going to another state, or saving one, may take before the answer is that it goes on."""
SAVED_SECONDS = 10.0
"""How long the save of what is to be taken back is waited for."""
MAX_ROWS = 100
MAX_CELLS = 1000
RECENT = 5


class Agent:
    """One agent's part in a session. Safe to use from several threads."""

    def __init__(self, connect: Callable[[], Session]) -> None:
        self._connect = connect
        self._session = connect()
        self._told: dict[int, int] = {}
        """For each cell the number of the last event that the agent has been told of."""
        self._ended: set[int] = set()
        """Those of whose end it has been told."""

    def connect_again(self) -> None:
        """The host is gone; another one takes up what is saved."""
        self._session.close()
        self._session = self._connect()

    def close(self) -> None:
        self._session.close()

    # --- cells ----------------------------------------------------------------------------------------------

    def execute(self, code: str, timeout: float = 30.0) -> str:
        """Run Python code as the session's next cell, and answer what it shows: output, value, error, names changed.

        The namespace is kept between calls, and shared with the people in the session. The state after the cell is
        saved, so that undo() takes the cell back. If it has not ended after `timeout` seconds (at most 600) it runs
        on: wait(cell) waits for it. If it ends the process, the names are restored and the answer lists them.
        """
        # A space in front would keep the cell out of the history, where the person sees what an agent has done.
        return self._follow(self._session.execute(f"\n{code}" if code[:1] == " " else code), timeout)

    def wait(self, cell: int, timeout: float = 30.0) -> str:
        """Wait for a cell that still runs or waits; answers what it has shown since the last answer about it."""
        if not 0 < cell < self._session.status().next_cell:
            raise UsageError(f"there is no In[{cell}]; status() tells which cell runs")
        return self._follow(cell, timeout)

    def _follow(self, cell: int, timeout: float) -> str:
        # Of one that has ended comes only what it shows from the background: nobody waits for that.
        seconds = 0.0 if cell in self._ended else min(max(timeout, 0.0), MAX_SECONDS)
        deadline = time.monotonic() + seconds
        shown = Shown(cell)
        with contextlib.closing(self._session.events(self._told.get(cell, 0), cell, timeout=seconds)) as events:
            for event in events:
                shown.add(event)
                is_asking = shown.asks is not None and self._session.status().waiting_for_input is not None
                if shown.finished is not None or is_asking or time.monotonic() > deadline:
                    break
        self._told[cell] = max(shown.last, self._told.get(cell, 0))
        if shown.finished is not None:
            self._ended.add(cell)
        return shown.told(_asks(cell, shown.asks) if shown.asks is not None else self._goes_on(cell, seconds))

    def _goes_on(self, cell: int, seconds: float) -> str:
        status = self._session.status()
        if cell >= status.next_cell or (status.cell != cell and cell not in status.queued):
            if cell not in self._ended:
                return f"In[{cell}] has ended meanwhile: wait({cell}) tells how."
            return f"In[{cell}] has ended; you were told how. output({cell}) reads what it printed."
        what = "still runs" if status.cell == cell else f"waits for In[{status.cell or status.queued[0]}]"
        return f"In[{cell}] {what} after {seconds:g} s. wait({cell}) waits on; interrupt() stops the cell that runs."

    def answer(self, text: str, timeout: float = 30.0) -> str:
        """Answer a cell that asks for a line by input(), or by a program. Passwords are for the person to type."""
        status = self._session.status()
        if status.waiting_for_input is None or status.cell is None:
            raise UsageError("no cell asks for input; status() tells what the session does")
        if status.waiting_for_input.password:
            raise UsageError(f"In[{status.cell}] asks for a password: the person must type it in the console")
        self._session.input(text)
        return self._follow(status.cell, timeout)

    def output(self, cell: int, start: int = 0) -> str:
        """All that a cell has printed so far, from character `start` on, as much of it as an answer holds."""
        at, parts, size = 0, list[str](), 0
        for event in self._session.so_far(cell):
            if isinstance(event.body, Output):
                part = event.body.text[max(0, start - at) :]
                at += len(event.body.text)
                parts.append(part[: MAX_CHARACTERS - size])
                size += len(parts[-1])
        left = at - start - size
        more = f"\n[… {left:,} more characters; output({cell}, {start + size}) goes on …]" if left > 0 else ""
        return lines_of("".join(parts)) + more if size else f"In[{cell}] has printed nothing from there on."

    def interrupt(self, others: bool = False) -> str:
        """Stop the cell that runs: a signal, then a stack dump, then kill and restore; firmer with each call.

        Another client's cell is only stopped with `others`.
        """
        cell = self._session.status().cell
        if cell is None:
            return "Nothing runs."
        if not others:
            self._check_own([cell], "interrupt")
        rung = self._session.interrupt()
        done = {"signal": "was sent an interrupt", "stack": "was sent another one, and its stack is in its output",
                "kill": "was ended together with its worker; the state before it is being restored"}  # fmt: skip
        return f"In[{cell}] {done.get(rung, 'has just ended')}. wait({cell}) tells how it ends."

    # --- looking ----------------------------------------------------------------------------------------------

    def status(self) -> str:
        """What the session does: the cell that runs and whose, cells that wait, what is not saved, the newest cells."""
        status = self._session.status()
        known = {entry.cell: entry for entry in self._session.history(MAX_CELLS)}
        lines = [f'Session "{status.name}" is {status.state}; Python {status.python} in {status.cwd}; '
                 f"you are {self._session.client!r}; {max(0, status.clients - 1)} other clients."]  # fmt: skip
        if status.cell is not None:
            lines.append(f"Runs: {_entry(known.get(status.cell), status.cell)}")
        if status.waiting_for_input is not None and status.cell is not None:
            lines.append(_asks(status.cell, status.waiting_for_input))
        held = " (held after a death until somebody lets them run)" if status.held else ""
        lines += [f"Waits{held}: {_entry(known.get(cell), cell)}" for cell in status.queued[:RECENT]]
        lines.append(f"Saved up to In[{status.saved_cell}], as state {status.checkpoint}." if status.checkpoint
                     else "Nothing is saved yet.")  # fmt: skip
        lines += [not_restored(gone) for gone in status.not_restored[:MAX_ROWS]]
        lines += [f"Not saved: {missing(lost)}" for lost in status.unsaved[:MAX_ROWS]]
        lines += ["The newest cells:", *[_entry(entry, entry.cell) for entry in [*known.values()][-RECENT:]]]
        return clipped("\n".join(lines), "of the status")

    def variables(self, pattern: str = "", start: int = 0) -> str:
        """The names in the namespace with type, shape and beginning of the value, a hundred at a time.

        Only names that contain `pattern`. Runs no code of the values.
        """
        found = [variable for variable in self._session.variables() if pattern in variable.name]
        start = max(0, start)
        page = found[start : start + MAX_ROWS]
        left = len(found) - start - len(page)
        lines = [_variable(variable) for variable in page]
        lines += [f"[{left} more names; start={start + len(page)} goes on]"] if left > 0 else []
        return clipped("\n".join(lines), "ask for fewer names by a pattern") or "There are no such names."

    def inspect(self, expression: str, source: bool = False) -> str:
        """What is known of a name or an attribute like `frame.columns`: type, signature, documentation, value, source.

        Answers also while a cell runs, and runs no code of the value.
        """
        found = self._session.inspect(expression, len(expression), int(source))
        if not found.found:
            return f"Nothing is known of {expression}."
        rows = {"type": found.type, "signature": found.signature, "shape": found.shape, "dtype": found.dtype,
                "bytes": str(found.size or ""), "value": found.preview, "documentation": found.doc,
                "file": f"{found.file}:{found.line}" if found.file else "", "source": found.source}  # fmt: skip
        items = [f"  {child.name}: {child.type} {child.preview}" for child in found.children]
        lines = [f"{found.name or expression}", *[f"{name}: {value}" for name, value in rows.items() if value], *items]
        return clipped("\n".join(lines), "ask for a part of it")

    def complete(self, code: str) -> str:
        """What could come at the end of `code`: names, attributes, keys, arguments, each with its type or signature.

        At most a hundred, best first. Answers also while a cell runs, and runs no code of the values.
        """
        found = self._session.complete(code, len(code))
        lines = [f"{match.text}: {match.signature or match.type or match.kind}" for match in found.matches]
        return clipped("\n".join(lines), "say more of the name") or "Nothing fits there."

    # --- states -----------------------------------------------------------------------------------------------

    def checkpoint(self, label: str) -> str:
        """Give the present state a name, which keeps it for ever; restore(number) goes back there."""
        after = self._session.status().last_event
        self._session.save(label)
        with contextlib.closing(self._session.events(after, timeout=TRAVEL_SECONDS)) as events:
            for event in events:
                if isinstance(event.body, Saved):
                    return f'State {event.body.checkpoint} is saved as "{label}".'
                if isinstance(event.body, SaveFailed):
                    raise UsageError(f"the state is not saved: {event.body.reason}")
        return "It is still being saved; timeline() shows it when it is."

    def timeline(self, count: int = 20) -> str:
        """The newest saved states, drawn with branches: number, cell, time, names, size, label, code; @ is the present.

        Each has the names that differ in it from the state before if that is known.
        """
        code = {entry.cell: f"{entry.client}: {entry.code}" for entry in self._session.history(MAX_CELLS)}
        lines = draw(self._session.checkpoints(), code, time.time())
        left = len(lines) - count
        return "\n".join([*lines[:count], *([f"[{left} more; count={len(lines)} shows all]"] if left > 0 else [])])

    def undo(self, others: bool = False) -> str:
        """Take back what the newest cell that changed something did. Another client's only with `others`."""
        if not others:
            self._check_own(self._undone(), "undo")
        return _went(self._session.undo(TRAVEL_SECONDS))

    def redo(self) -> str:
        """Go on again after undo()."""
        return _went(self._session.redo(TRAVEL_SECONDS))

    def restore(self, checkpoint: int) -> str:
        """Take the whole namespace to a saved state of timeline(). The present state is saved first.

        This also takes back what others have done since that state.
        """
        return _went(self._session.restore(checkpoint, TRAVEL_SECONDS))

    def _undone(self) -> range:
        """The cells that the present saved state has and those before have not: those in quick succession share one."""
        ran = [entry.cell for entry in self._session.history(MAX_CELLS) if entry.status in _CHANGING]
        if ran and self._session.status().cell is None:  # while one runs nothing can be undone
            with contextlib.suppress(StoreError, CallTimeout):  # what is not saved is not taken back by itself
                self._session.wait_saved(ran[-1], SAVED_SECONDS)
        states = self._session.checkpoints()
        here = next((state for state in states if state.head), None)
        if here is None or here.cell is None:
            return range(0)
        # By their numbers, which are those of time: on another branch of the timeline are cells that were taken back.
        earlier = max([state.cell or 0 for state in states if state.checkpoint < here.checkpoint], default=0)
        return range(min(earlier + 1, here.cell), here.cell + 1)

    def _check_own(self, cells: Collection[int], verb: str) -> None:
        for entry in self._session.history(MAX_CELLS):
            if entry.cell in cells and entry.client != self._session.client:
                whose = f"In[{entry.cell}] is of {entry.client!r}, not yours"
                raise UsageError(f"{whose}: {verb}(others=True) does it all the same")


TOOLS = (
    "execute", "wait", "answer", "output", "interrupt", "status", "variables", "inspect", "complete", "checkpoint",
    "timeline", "undo", "redo", "restore",
)  # fmt: skip
"""The methods of `Agent` that are offered."""
LOOKING = frozenset({"wait", "output", "status", "variables", "inspect", "complete", "timeline"})
"""Those that change nothing."""


_CHANGING = ("ok", "error", "interrupted")
"""How a cell ended whose effect is saved."""


def lost(agent: Agent, exc: ConnectionLost) -> str:
    """What the agent is told when the host has died under it."""
    agent.connect_again()
    return f"{exc}. The session was taken up again from what is saved: status() tells, and then ask once more"


def _asks(cell: int, request: InputRequest) -> str:
    prompt = repr(request.prompt) if request.prompt else "what it asks is in its output"
    if request.password:
        return f"In[{cell}] asks for a password ({prompt}): the person must type it; wait({cell}) waits."
    return f"In[{cell}] asks for a line: {prompt}. answer(text) gives it."


def _entry(entry: HistoryEntry | None, cell: int) -> str:
    if entry is None:
        return f"In[{cell}]"
    return f"In[{cell}] of {entry.client!r}, {entry.status or 'not ended'}: {first_line(entry.code)[:200]}"


def _variable(variable: Variable) -> str:
    kind = " ".join([part for part in (variable.type, variable.shape) if part])
    return f"{variable.name}: {kind} = {variable.preview[:200]}"


def _went(done: CheckedOut) -> str:
    after = f", after In[{done.cell}]" if done.cell is not None else ""
    lines = [f"The namespace is at state {done.checkpoint}{after}; restore({done.left}) takes it back to where it was."]
    lines += [f"Loaded: {some(done.names)}"] if done.names else []
    lines += [f"Removed: {some(done.removed)}"] if done.removed else []
    return "\n".join(lines + [not_restored(gone) for gone in done.not_restored[:MAX_ROWS]])
