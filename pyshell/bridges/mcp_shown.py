"""What a cell has shown, as text of a bounded size for somebody who pays by the character. Pure.

Runs in: clients (Python 3.11 and newer).
"""

from __future__ import annotations

from pyshell.drawing import not_restored, own
from pyshell.following import plain
from pyshell.protocol import (
    Died,
    Display,
    Error,
    Event,
    Finished,
    InputDone,
    InputRequest,
    Message,
    Output,
    Restored,
    Result,
)

MAX_CHARACTERS = 20_000
"""Of an answer's output, value or traceback."""
MAX_NAMES = 20


def clipped(text: str, rest: str, limit: int = MAX_CHARACTERS) -> str:
    """The text, or its first and last part with a word on what is cut; `rest` says how to get it."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half:,} characters cut; {rest} …]\n{text[-half:]}"


class Clip:
    """Text that comes in pieces: its first and its last characters, whatever lies between."""

    def __init__(self, limit: int = MAX_CHARACTERS) -> None:
        self._half = limit // 2
        self._head = self._tail = ""
        self._size = 0

    def add(self, text: str) -> None:
        self._size += len(text)
        room = self._half - len(self._head)
        self._head += text[:room]
        self._tail = (self._tail + text[room:])[-self._half :] if len(text) > room else self._tail

    def text(self, rest: str) -> str:
        """Lines as a terminal would have left them; `rest` says how to get what is cut."""
        cut = self._size - len(self._head) - len(self._tail)
        middle = f"\n[… {cut:,} characters cut; {rest} …]\n" if cut else ""
        return lines_of(self._head + middle + self._tail)


def lines_of(text: str) -> str:
    """Without escape sequences, and of a line that was written over its last state."""
    return "\n".join([plain(line) for line in text.replace("\r\n", "\n").split("\n")])


class Shown:
    """Folds the events of a cell into an answer."""

    def __init__(self, cell: int) -> None:
        self._cell = cell
        self._output = Clip()
        self._parts: list[str] = []
        self.finished: Finished | None = None
        self.asks: InputRequest | None = None
        self.last = 0
        """The number of the newest event."""

    def add(self, event: Event) -> None:
        """Take one event."""
        self.last = event.seq
        body: Message = event.body
        if isinstance(body, Output):
            self._output.add(body.text)
        elif isinstance(body, InputRequest):
            self.asks = body
        elif isinstance(body, InputDone):
            self.asks = None
        elif isinstance(body, Finished):
            self.finished = body
        else:
            self._parts += self._other(body)

    def _other(self, body: Message) -> list[str]:
        if isinstance(body, Result):
            return [f"Out[{self._cell}]: {clipped(body.text, f'look at a part of _{self._cell}')}"]
        if isinstance(body, Display):
            kinds = ", ".join([f"{data.mime}, {len(data.data):,} characters" for data in body.data])
            return [clipped(f"{body.text} [shown to the people in the session: {kinds}]", "only a display's text")]
        if isinstance(body, Error):
            return [clipped(body.error.traceback.rstrip("\n"), "of the traceback")]
        if isinstance(body, Died):
            return [body.exit.reason, *([body.exit.stack[: MAX_CHARACTERS // 4]] if body.exit.stack else [])]
        return _restored(body) if isinstance(body, Restored) else []

    def told(self, ending: str) -> str:
        """All of it, and how the cell ended, or the given words on why it has not."""
        output = self._output.text(f"output({self._cell}, START) reads all of it by part").rstrip("\n")
        end = self.finished
        if end is not None:
            effects = [f"In[{self._cell}] {effect}" for effect in end.effects]
            ending = "\n".join([*effects, f"In[{self._cell}] {end.status}, {end.seconds:.1f} s{_changes(end)}"])
        return "\n".join([*([output] if output else []), *self._parts, ending])


def _restored(body: Restored) -> list[str]:
    told = [f"A new worker was started and has these names again: {some(tuple(own(body.names)))}"]
    return told + [not_restored(lost) for lost in body.not_restored[:MAX_NAMES]]


def _changes(end: Finished) -> str:
    if end.changes is None:
        return ""
    kinds = {"made": end.changes.created, "changed": end.changes.changed, "deleted": end.changes.deleted}
    return "".join([f"; {kind} {some(names)}" for kind, names in kinds.items() if names])


def some(names: tuple[str, ...]) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return (", ".join(names[:MAX_NAMES]) or "nothing") + more
