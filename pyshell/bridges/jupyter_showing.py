"""What the events of a cell are in Jupyter's protocol. Pure.

Runs in: the Jupyter kernel's process (Python 3.11 and newer).
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pyshell.drawing import not_restored, own
from pyshell.protocol import (
    WIDGET_VIEW,
    CheckedOut,
    CheckoutFailed,
    ClearOutput,
    Died,
    Display,
    Draft,
    Error,
    ErrorInfo,
    Evaluated,
    EventBody,
    Finished,
    InputRequest,
    Leave,
    Notice,
    Output,
    Restored,
    Result,
    Stack,
)

Said = tuple[str, dict[str, Any]]
"""The type of a message, and its content."""

DIED = "WorkerDied"
"""The name of the error that a cell ends with which has killed the worker."""

EXITS = frozenset({"exit", "exit()", "quit", "quit()"})
"""What a person says who leaves a console. An exit anywhere else ends what runs cell by cell, as an error does."""

Knows = Callable[[str], bool]
"""Whether the frontends have the model of the widget with that id."""


def _knows_none(_: str) -> bool:
    return False


class Showing:
    """One cell. `take` each of its events, and publish what it returns; after `finished` there is a `reply`."""

    def __init__(
        self, cell: int, code: str, names: Sequence[str] = (), knows: Knows = _knows_none, is_attended: bool = True
    ) -> None:
        """`names` are those of the expressions that were sent with it, in their order."""
        self._knows = knows
        self._may_leave = is_attended and code.strip() in EXITS
        self.cell = cell
        self.code = code
        self.reply: dict[str, Any] | None = None
        self._is_help = is_help(code)
        self._result: Result | None = None
        self._payload: list[dict[str, Any]] = []
        self._names = deque(names)
        self._values: dict[str, dict[str, Any]] = {}
        self._echoes: list[str] = []
        """What the terminal will show of a question and its answer, in either order: who answers at once is faster."""
        self._is_password = False
        self._error: dict[str, Any] | None = None
        """The newest; a widget may have caught it, and the cell gone on."""
        self._has_exited = False
        self._death: list[str] = []
        self._page = ""

    def note(self, text: str) -> None:
        """More about the death of its worker."""
        self._death.append(text)

    def typed(self, text: str) -> None:
        """A line was typed: the frontend has shown it, and the worker's terminal will."""
        answer = ("" if self._is_password else text) + "\n"
        prompt = self._echoes[0] if self._echoes else ""
        self._echoes = [prompt + answer, answer + prompt]

    def take(self, body: EventBody) -> Iterator[Said]:
        """What is to be published."""
        if self._result is not None:
            whole = body if isinstance(body, Display) and body.of_result else None
            yield self._execute_result(self._result, whole)
            self._result = None
            if whole is not None:
                return
        if isinstance(body, Output):
            yield from self._output(body)
        elif isinstance(body, Result):
            self._result = body  # what else its value says of itself comes next, if it does
        elif isinstance(body, Display):
            yield "update_display_data" if body.update else "display_data", bundle(body, self._knows)
        elif isinstance(body, ClearOutput):
            yield "clear_output", {"wait": body.wait}
        elif isinstance(body, Error):
            yield from self._raised(body)
        elif isinstance(body, Evaluated) and self._names:  # else another client has asked
            self._values[self._names.popleft()] = expression_content(body)
        elif isinstance(body, InputRequest):
            self._echoes, self._is_password = [body.prompt], body.password
        elif isinstance(body, (Died, Restored)):
            self._death += death(body)
        elif isinstance(body, Notice) and self._death:
            self._death.append(body.text)
        elif isinstance(body, (Notice, Stack)):
            yield "stream", {"name": "stderr", "text": body.text.rstrip("\n") + "\n"}
        elif isinstance(body, Leave) and not self._may_leave:
            self._error, self._has_exited = error_content("SystemExit", "", ["SystemExit"]), True
            yield "error", self._error
        elif isinstance(body, (Draft, Leave)):
            self._payload.append(_payload(body))
        elif isinstance(body, Finished):
            yield from self._end(body)

    def _output(self, body: Output) -> Iterator[Said]:
        text = self._without_echo(body.text)
        if self._is_help:
            self._page += text
        elif text:
            yield "stream", {"name": body.stream, "text": text}

    def _without_echo(self, text: str) -> str:
        """Prompts and what is typed after them: frontends show these themselves."""
        while text and any(self._echoes):
            left = [echo[1:] for echo in self._echoes if echo.startswith(text[0])]
            if not left and text[0] != "\r":
                self._echoes = []
                break
            self._echoes = left or self._echoes
            text = text[1:]
        return text

    def _execute_result(self, result: Result, whole: Display | None) -> Said:
        found = bundle(whole, self._knows) if whole is not None else {"data": {}, "metadata": {}}
        data = {"text/plain": result.text, **found["data"]}
        return "execute_result", {"execution_count": self.cell, "data": data, "metadata": found["metadata"]}

    def _raised(self, body: Error) -> Iterator[Said]:
        self._error = raised_content(body.error)
        if not body.printed:
            yield "error", self._error

    def _end(self, body: Finished) -> Iterator[Said]:
        count = {"execution_count": self.cell}
        if body.status == "died":
            self._error = error_content(DIED, self._death[0] if self._death else "", self._death)
            yield "error", self._error
        if self._page and body.status == "ok":
            self._payload.append({"source": "page", "data": {"text/plain": self._page}, "start": 0})
        elif self._page:
            yield "stream", {"name": "stdout", "text": self._page}
        if body.status == "ok" and not self._has_exited:
            self.reply = {"status": "ok", **count, "payload": self._payload, "user_expressions": self._values}
        elif body.status == "aborted" or self._error is None:
            self.reply = {"status": "aborted", **count}
        else:
            self.reply = {"status": "error", **self._error, **count}


def is_help(code: str) -> bool:
    """Whether the cell asks what something is: the answer goes to where the frontend shows such."""
    line = code.strip()
    return "\n" not in line and "#" not in line and (line.endswith("?") or line.startswith("?"))


def bundle(body: Display, knows: Knows = _knows_none) -> dict[str, Any]:
    """Data, metadata and the display's name, as Jupyter has them: JSON as what it says, all else as text."""
    data: dict[str, Any] = {"text/plain": body.text} if body.text else {}
    for piece in body.data:
        found = _decoded(piece.data) if piece.mime.endswith("json") else piece.data
        if piece.mime != WIDGET_VIEW or (isinstance(found, dict) and knows(str(found.get("model_id")))):
            data[piece.mime] = found
    transient = {"display_id": body.display_id} if body.display_id else {}
    return {"data": data, "metadata": json.loads(body.metadata or "{}"), "transient": transient}


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:  # a value may say any text
        return text


def error_content(kind: str, message: str, lines: list[str]) -> dict[str, Any]:
    return {"ename": kind, "evalue": message, "traceback": lines}


def raised_content(error: ErrorInfo) -> dict[str, Any]:
    return error_content(error.kind, error.message, error.traceback.splitlines())


def expression_content(body: Evaluated) -> dict[str, Any]:
    """A value in all its forms, or an error."""
    if body.value is None:
        return {"status": "error", **(raised_content(body.error) if body.error else {})}
    found = bundle(body.value)
    return {"status": "ok", "data": found["data"], "metadata": found["metadata"]}


def death(body: Died | Restored) -> list[str]:
    """Why the worker died, or what is back after that, as lines for a person."""
    if isinstance(body, Died):
        stack = body.exit.stack.rstrip()
        return [body.exit.reason, *([stack] if stack else [])]
    if not body.names and not body.not_restored:
        return ["There was nothing to restore."]
    restored = [f"Restored in {body.seconds:.2f} s: {', '.join(own(body.names))}."] if body.names else []
    return [*restored, *map(not_restored, body.not_restored)]


def travel(body: EventBody) -> list[str]:
    """Where the namespace went, or why it did not, as lines for a person; of other events nothing."""
    if isinstance(body, CheckoutFailed):
        return [f"Not done: {body.reason}."]
    if not isinstance(body, CheckedOut):
        return []
    back = [f"back: {', '.join(own(body.names))}"] if body.names else []
    removed = [f"removed: {', '.join(own(body.removed))}"] if body.removed else []
    where = f"after In[{body.cell}]" if body.cell is not None else "before the first cell"
    state = f"The state is that {where} (checkpoint {body.checkpoint})."
    return [f"{state} {'; '.join(back + removed) or 'nothing differs'}.", *map(not_restored, body.not_restored)]


def _payload(body: Draft | Leave) -> dict[str, Any]:
    if isinstance(body, Draft):
        return {"source": "set_next_input", "text": body.code, "replace": False}
    return {"source": "ask_exit", "keepkernel": True}
