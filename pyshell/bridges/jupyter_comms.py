"""Comms: widgets of the session's worker and their views in the frontends.

Runs in: the Jupyter kernel's process (Python 3.11 and newer).
"""

from __future__ import annotations

import base64
import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pyshell.bridges.jupyter_showing import Showing
from pyshell.bridges.jupyter_sockets import Request, Sockets
from pyshell.client import Session
from pyshell.errors import PyshellError
from pyshell.protocol import (
    CELL_PARENT,
    ClearOutput,
    Comm,
    CommAction,
    CommDone,
    CommTaken,
    Display,
    Error,
    Event,
    EventBody,
    InputDone,
    InputRequest,
    OpenComm,
    Output,
    Result,
)

Header = Mapping[str, Any]

ENDED = "Its widgets have ended with it: run their cells again to have them."
MAX_PARENTS = 1000
"""Cells of which it is known what message they came in: they may show something when they have ended."""
ACTIONS: dict[str, CommAction] = {"comm_open": "open", "comm_msg": "message", "comm_close": "close"}
_KINDS = {action: kind for kind, action in ACTIONS.items()}


class Comms:
    """Owner: the kernel's thread."""

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets
        self._targets: dict[str, str] = {}
        """Of the comms that are open, by their ids."""
        self._offered: deque[str] = deque(maxlen=MAX_PARENTS)
        """Those that frontends have opened: they are told once if it comes to nothing; JupyterLab takes
        more for an error."""
        self._sent: dict[str, Header] = {}
        """Our frontends' messages that the worker has not done with."""
        self._parents: dict[int, Header] = {}
        self._parent: Header = {}
        """What is shown while no cell runs belongs to that: a message that the worker hears, or the last cell."""

    def knows(self, comm: str) -> bool:
        """Whether a widget of that id has its model in the frontends."""
        return comm in self._targets

    def came_up(self, known: Iterable[OpenComm]) -> None:
        """We are a client of the session from here on."""
        self._targets.update({one.comm: one.target for one in known})

    def began(self, cell: int, parent: Header) -> None:
        """A cell runs; what its code leaves behind goes on to show what it shows in its place."""
        self._parents[cell] = self._parent = parent
        if len(self._parents) > MAX_PARENTS:
            del self._parents[next(iter(self._parents))]

    def worker_ended(self) -> bool:
        """Close what has ended with it; False if there was nothing."""
        ended, self._targets = self._targets, {}
        for comm in ended:
            self._sockets.publish("comm_close", {"comm_id": comm, "data": {}}, self._parent)
        return bool(ended)

    def session_ended(self) -> None:
        self.worker_ended()
        for parent in self._sent.values():
            self._say_status("idle", parent)
        self._sent.clear()

    # --- from a frontend ------------------------------------------------------------------------------------

    def hear(self, session: Session | None, request: Request) -> None:
        """Hand it on; the worker hears it when no cell runs."""
        said = said_of(request)
        try:
            if session is None:
                raise KeyError  # it is not brought back for this: its widgets have ended
            session.send_comm(said, request.header["msg_id"])
        except (PyshellError, KeyError) as exc:
            self._say_status("busy", request.header)
            if said.action == "open" or (said.action == "message" and not self._has_told(said.comm)):
                self._sockets.publish("comm_close", {"comm_id": said.comm, "data": {}}, request.header)
            elif said.action != "close" and self.knows(said.comm):
                self._sockets.publish("stream", {"name": "stderr", "text": f"{exc}\n"}, request.header)
            self._say_status("idle", request.header)
            return
        finally:
            if said.action == "open":
                self._offered.append(said.comm)
        self._sent[request.header["msg_id"]] = request.header
        if said.action == "open":
            self._targets[said.comm] = said.target
        elif said.action == "close":
            self._targets.pop(said.comm, None)

    def _has_told(self, comm: str) -> bool:
        """Whether frontends take it for open, or have been told that it is not."""
        return self.knows(comm) or comm in self._offered

    def _say_status(self, state: str, parent: Header) -> None:
        self._sockets.publish("status", {"execution_state": state}, parent)

    # --- from the session -----------------------------------------------------------------------------------

    def take(self, event: Event, input_end: Callable[[], None]) -> None:
        """What happens outside of the cell that runs. `input_end`: nobody is there who could be asked."""
        body = event.body
        if isinstance(body, CommTaken):
            # Under the id that the worker knows, also for another client's.
            unknown = {**self._sockets.header("comm_msg", event.client), "msg_id": body.message}
            self._parent = self._sent.get(body.message, unknown)
            self._say_status("busy", self._parent)
        elif isinstance(body, CommDone):
            done = self._sent.pop(body.message, None) or self._parent
            self._say_status("idle", done)
        elif isinstance(body, InputRequest):
            input_end()
        elif isinstance(body, Comm):
            self.publish(body, self._parent)
        elif isinstance(body, (Output, Result, Display, ClearOutput, Error)):
            self._show(event.cell, body)

    def _show(self, cell: int | None, body: EventBody) -> None:
        """What a thread or a message shows, or a cell in the background, which has ended for the frontends."""
        parent = self._parent if cell is None else self._parents.get(cell)
        if parent is not None:
            showing = Showing(cell or 0, "", knows=self.knows)
            for kind, content in (*showing.take(body), *showing.take(InputDone())):  # a result waits for what follows
                self._sockets.publish(kind, content, parent)

    def publish(self, said: Comm, parent: Header) -> None:
        """A widget says something to its views."""
        content: dict[str, Any] = {"comm_id": said.comm, "data": self._with_parent(json.loads(said.data))}
        if said.action == "open":
            self._targets[said.comm] = said.target
            content |= {"target_name": said.target, "target_module": None}
        elif said.action == "close" and self._targets.pop(said.comm, None) is None and said.comm in self._offered:
            return  # it was refused, and so is what was said to it in the same breath
        buffers = [base64.b64decode(buffer) for buffer in said.buffers]
        self._sockets.publish(_KINDS[said.action], content, parent, json.loads(said.metadata), buffers)

    def _with_parent(self, data: Any) -> Any:
        """An Output widget takes what is shown for a message. The worker knows cells only by their numbers."""
        state = data.get("state") if isinstance(data, dict) else None
        message = state.get("msg_id") if isinstance(state, dict) else None
        if isinstance(message, str) and message.startswith(CELL_PARENT):
            cell = message.removeprefix(CELL_PARENT)
            parent = self._parents.get(int(cell)) if cell.isdecimal() else None
            data["state"]["msg_id"] = parent["msg_id"] if parent is not None else ""
        return data


def said_of(request: Request) -> Comm:
    """A frontend's message in our words. KeyError if a field is missing."""
    content = request.content
    return Comm(
        ACTIONS[request.kind], str(content["comm_id"]), str(content.get("target_name", "")),
        json.dumps(content.get("data", {})), json.dumps(request.metadata),
        tuple([base64.b64encode(buffer).decode("ascii") for buffer in request.buffers]),
    )  # fmt: skip
