"""A Jupyter kernel that runs no code: a client of a session, which turns requests into calls and events into messages.

Runs in: the Jupyter kernel's process (Python 3.11 and newer), on a thread of its own.

Cells are handed to the host one by one: Jupyter aborts what waits when one fails, the host runs on.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from pyshell.bridges.jupyter_answers import ANSWERS, Reply, kernel_info
from pyshell.bridges.jupyter_comms import ACTIONS, ENDED, Comms
from pyshell.bridges.jupyter_showing import Showing, death, error_content, travel
from pyshell.bridges.jupyter_sockets import Request, Sockets
from pyshell.client import Session
from pyshell.errors import PyshellError, SessionStopped, UsageError, WorkerBusy
from pyshell.frozen import dataclass
from pyshell.protocol import (
    Comm,
    Died,
    Event,
    EventBody,
    Finished,
    Held,
    InputRequest,
    Queued,
    Released,
    Restored,
    Started,
    StateChanged,
)

HELD = """\
This cell waits behind others, which are held since the worker died: "pyshell attach -t {}" and F9 let them run.
"""


@dataclass(frozen=True)
class Home:
    """Which session a kernel is the client of."""

    name: str
    is_own: bool
    """It was made for this kernel, and has no use when that is shut down."""
    reach: Callable[[], Session]
    """Connects to it, and starts it if need be."""
    remove: Callable[[], None]
    """Takes its files away, when it has ended."""


class _Cell:
    """A cell whose messages go to the frontends. Owner: the kernel's thread."""

    def __init__(self, showing: Showing, parent: Mapping[str, Any], request: Request | None) -> None:
        self.showing = showing
        self.parent = parent
        self.request = request
        """None: another client of the session has sent it."""
        self.has_started = False

    @property
    def is_silent(self) -> bool:
        return self.request is not None and bool(self.request.content.get("silent"))


class Kernel:
    """Owner: the thread of `run`. The others, signals included, only `post`."""

    def __init__(self, connection: Mapping[str, Any], home: Home) -> None:
        self._home = home
        self._sockets = Sockets(connection, lambda request: self.post(partial(self._serve, request)))
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._questions: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._session: Session | None = None
        self._comms = Comms(self._sockets)
        self._waiting: deque[Request] = deque()
        self._current: _Cell | None = None
        self._cells: dict[int, _Cell] = {}
        self._codes: dict[int, str] = {}
        """Of the cells that other clients have queued."""
        self._notes: list[str] = []
        """What happened while no cell of ours ran, for the next one to say."""
        self._asked: Request | None = None
        self._is_held = False
        self._is_over = False
        self._requests: dict[str, Callable[[Request], Reply]] = {
            "kernel_info_request": self._kernel_info,
            "interrupt_request": self._interrupt,
            "shutdown_request": self._shut_down,
        }

    def post(self, work: Callable[[], None]) -> None:
        """Have the kernel's thread do that."""
        self._inbox.put(work)

    def run(self) -> None:
        """Serve until shut down."""
        self._connect()
        threading.Thread(target=self._look_up, name="jupyter-answers", daemon=True).start()
        self._sockets.start()
        self._sockets.publish("status", {"execution_state": "starting"}, {})
        while not self._is_over:
            self._inbox.get()()
        self._sockets.close()
        if self._session is not None:
            self._session.close()

    def leave(self) -> None:
        """End, and let the session go on."""
        self._is_over = True

    def interrupt(self) -> None:
        """Stop our cell, or take it out of the queue; where none is ours stop the one that runs."""
        session, cell = self._session, self._current
        if session is None:
            return
        with suppress(PyshellError):  # it has just ended
            if cell is not None and not cell.has_started:
                session.cancel(cell.showing.cell)
            else:
                session.interrupt()

    # --- the session ------------------------------------------------------------------------------------

    def _connect(self) -> Session:
        """To the session, which is brought back if it has ended meanwhile."""
        if self._session is None:
            session = self._home.reach()
            status = session.status()
            self._session, self._is_held = session, status.held
            self._comms.came_up(session.comms())
            follow = threading.Thread(target=self._follow, args=(session, status.last_event), daemon=True)
            follow.start()
        return self._session

    def _follow(self, session: Session, after: int) -> None:
        """On a thread of its own."""
        reason = f'the session "{session.name}" was ended; the next cell brings it back'
        try:
            for event in session.events(after):
                self.post(partial(self._on_event, event))
        except PyshellError as exc:
            reason = f"{exc}; the next cell starts another host"
        self.post(partial(self._on_lost, session, reason))

    def _on_lost(self, session: Session, reason: str) -> None:
        if session is not self._session:
            return
        session.close()
        cell, self._session, self._current = self._current, None, None
        self._cells.clear()
        self._comms.session_ended()
        if cell is not None and cell.request is not None:
            self._fail(cell.request, "SessionStopped", reason)
        self._abort_waiting()

    # --- requests -----------------------------------------------------------------------------------------

    def _serve(self, request: Request) -> None:
        kind = request.kind
        try:
            if kind == "execute_request":
                self._waiting.append(request)
                self._submit_next()
            elif kind == "input_reply":
                self._input(request)
            elif kind in ACTIONS:
                self._comms.hear(self._session, request)
            elif kind in ANSWERS:
                self._say_status("busy", request.header)
                self._questions.put(request)
            elif kind in self._requests:
                self._say_status("busy", request.header)
                self._answer(request, self._requests[kind](request))
        except (PyshellError, KeyError) as exc:  # or a field is missing
            self._answer(request, {"status": "error", **_error(exc)})

    def _look_up(self) -> None:
        """On a thread of its own: the worker may be busy, and output goes on meanwhile."""
        while True:
            request = self._questions.get()
            try:
                if self._session is None:
                    raise SessionStopped("the session has ended; the next cell brings it back")
                reply = ANSWERS[request.kind](self._session, request.content)
            except (PyshellError, KeyError, TypeError) as exc:  # the session is gone, or fields are missing
                reply = {"status": "error", **_error(exc)}
            self.post(partial(self._answer, request, reply))

    def _say_status(self, state: str, parent: Mapping[str, Any]) -> None:
        self._sockets.publish("status", {"execution_state": state}, parent)

    def _answer(self, request: Request, reply: Reply) -> None:
        """The request is dealt with. Whoever has the reply need not wait for what everybody is told."""
        self._say_status("idle", request.header)
        if self._current is not None and self._current.has_started:
            self._say_status("busy", self._current.parent)  # frontends show the state that was told last
        if request.kind.endswith("_request"):
            self._sockets.reply(request, reply)

    def _kernel_info(self, _request: Request) -> Reply:
        return kernel_info(self._home.name, self._session.status().python if self._session else "")

    def _interrupt(self, _request: Request) -> Reply:
        self.interrupt()
        return {"status": "ok"}

    def _shut_down(self, request: Request) -> Reply:
        """A restart is one of the worker, with nothing in it. An end is the session's, if nobody else is there."""
        session, restart = self._connect(), bool(request.content.get("restart"))
        if restart:
            _start_afresh(session)
        elif self._home.is_own and session.status().clients <= 1:
            session.kill()
            self._home.remove()
        reply = {"status": "ok", "restart": restart}
        self._sockets.publish("shutdown_reply", reply, request.header)
        self._is_over = True
        return reply

    def _input(self, reply: Request) -> None:
        asked, self._asked = self._asked, None
        if asked is None or self._current is None:
            return
        text = str(reply.content.get("value", ""))
        try:
            self._connect().input(text)
        except UsageError as exc:  # longer than a terminal's line
            self._sockets.publish("stream", {"name": "stderr", "text": f"{exc}\n"}, asked.header)
            self._connect().input_end()
        else:
            self._current.showing.typed(text)

    # --- cells ----------------------------------------------------------------------------------------------

    def _submit_next(self) -> None:
        while self._waiting and self._current is None:
            request = self._waiting.popleft()
            self._say_status("busy", request.header)
            try:
                self._submit(request)
            except (PyshellError, KeyError) as exc:
                self._fail(request, type(exc).__name__, str(exc))

    def _submit(self, request: Request) -> None:
        code, session = str(request.content["code"]), self._connect()
        asked = _expressions(request.content)
        if not code.strip() and not asked:
            count = session.status().next_cell - 1
            reply = {"status": "ok", "execution_count": count, "payload": [], "user_expressions": {}}
            self._answer(request, reply)
            return
        number = session.execute(code, expressions=list(asked.values()))
        is_attended = bool(request.content.get("allow_stdin", True))
        showing = Showing(number, code, list(asked), self._comms.knows, is_attended)
        self._current = self._cells[number] = _Cell(showing, request.header, request)
        self._say_if_held()

    def _say_if_held(self) -> None:
        cell = self._current
        if self._is_held and cell is not None and not cell.has_started:
            text = HELD.format(self._home.name)
            self._sockets.publish("stream", {"name": "stderr", "text": text}, cell.parent)

    def _fail(self, request: Request, kind: str, message: str) -> None:
        error = error_content(kind, message, [f"{kind}: {message}"])
        self._sockets.publish("error", error, request.header)
        self._answer(request, {"status": "error", **error, "execution_count": 0})

    def _abort_waiting(self) -> None:
        while self._waiting:
            request = self._waiting.popleft()
            self._say_status("busy", request.header)
            self._answer(request, {"status": "aborted", "execution_count": 0})

    def _tell_notes(self, parent: Mapping[str, Any]) -> None:
        notes, self._notes = self._notes, []
        if notes:
            self._sockets.publish("stream", {"name": "stderr", "text": "\n".join(notes) + "\n"}, parent)

    # --- events ---------------------------------------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        body = event.body
        if isinstance(body, (Held, Released)):
            self._is_held = isinstance(body, Held)
            self._say_if_held()
        if isinstance(body, (Died, Restored)) and not self._is_ours(event.cell):
            self._note(body)
        self._notes += travel(body)
        if isinstance(body, StateChanged) and body.state in ("restarting", "dead") and self._comms.worker_ended():
            self._note_ended()
        if isinstance(body, Queued):
            if event.cell not in self._cells:
                self._codes[event.cell or 0] = body.code
            return
        cell = self._cells.get(event.cell or 0) or self._of_another(event)
        if cell is not None:
            self._show(cell, body)
        else:
            self._comms.take(event, self._end_input)

    def _is_ours(self, cell: int | None) -> bool:
        return self._current is not None and self._current.showing.cell == cell

    def _note(self, body: Died | Restored) -> None:
        if isinstance(body, Died) or self._notes:  # not of a start that nobody died before
            self._notes += death(body)

    def _note_ended(self) -> None:
        """Beside what is said of the worker's death, where that is; and else with the next cell."""
        cell = self._current
        if cell is not None and cell.has_started:
            cell.showing.note(ENDED)
        else:
            self._notes.append(ENDED)

    def _end_input(self) -> None:
        """Nobody is there: who waits for a line gets EOFError."""
        with suppress(PyshellError):  # it has just ended
            self._connect().input_end()

    def _of_another(self, event: Event) -> _Cell | None:
        """Another client's cell, which frontends see as another frontend's."""
        code = self._codes.pop(event.cell or 0, "")
        if not isinstance(event.body, Started):
            return None  # it was cancelled, or ran before we came, or has been saved after its end
        parent = self._sockets.header("execute_request", event.client)
        cell = _Cell(Showing(event.cell or 0, code, knows=self._comms.knows), parent, None)
        self._cells[cell.showing.cell] = cell
        self._say_status("busy", parent)
        return cell

    def _show(self, cell: _Cell, body: EventBody) -> None:
        if isinstance(body, Started):
            self._begin(cell)
        elif isinstance(body, InputRequest) and cell.request is not None:
            self._ask(cell.request, body)
        elif isinstance(body, Comm):
            self._comms.publish(body, cell.parent)
        for kind, content in cell.showing.take(body):
            if not cell.is_silent:
                self._sockets.publish(kind, content, cell.parent)
        if isinstance(body, Finished):
            self._end(cell)

    def _begin(self, cell: _Cell) -> None:
        cell.has_started = True
        self._comms.began(cell.showing.cell, cell.parent)
        if not cell.is_silent:
            showing = cell.showing
            content = {"code": showing.code, "execution_count": showing.cell}
            self._sockets.publish("execute_input", content, cell.parent)
            if cell.request is not None:
                self._tell_notes(cell.parent)

    def _ask(self, request: Request, body: InputRequest) -> None:
        if request.content.get("allow_stdin", True):
            self._asked = request
            self._sockets.ask(request, body.prompt, body.password)
        else:
            self._end_input()

    def _end(self, cell: _Cell) -> None:
        del self._cells[cell.showing.cell]
        reply = cell.showing.reply or {}
        if cell.request is None:
            self._say_status("idle", cell.parent)
            return
        self._current = self._asked = None
        self._answer(cell.request, reply)
        if reply["status"] != "ok" and cell.request.content.get("stop_on_error", True):
            self._abort_waiting()
        self._submit_next()


def _expressions(content: Mapping[str, Any]) -> dict[str, str]:
    """By the names that the frontend gives them."""
    asked = content.get("user_expressions")
    return {name: str(expression) for name, expression in asked.items()} if isinstance(asked, dict) else {}


def _start_afresh(session: Session) -> None:
    while True:
        try:
            session.restart(fresh=True)
            return
        except WorkerBusy:  # one is on its way, with the newest state
            session.wait_up()


def _error(exc: Exception) -> dict[str, Any]:
    return error_content(type(exc).__name__, str(exc), [f"{type(exc).__name__}: {exc}"])
