"""Cells that run in threads of their own while the prompt is free.

Runs in: worker; each cell on its thread, the rest on the main thread.

Such a cell has finished, for the host, before its thread runs: the queue goes on. What it shows is reported under
its number. What it changes is saved as often as a long cell is, and when it ends: nobody knows what it touches, so
everything is looked at.
"""

from __future__ import annotations

import asyncio
import codecs
import ctypes
import inspect
import os
import threading
import time
from types import CodeType
from typing import TYPE_CHECKING, Any

from pyshell.drawing import elapsed
from pyshell.errors import UsageError
from pyshell.frozen import dataclass
from pyshell.protocol import Background as Now
from pyshell.protocol import Error, Notice, Output, Result, Stream
from pyshell.worker import autosaving, streams
from pyshell.worker import cell as cells
from pyshell.worker.tasks import Touched

if TYPE_CHECKING:
    from pyshell.worker.commands.shell import Surroundings

MAX_REPR = 1 << 20
MAX_WAITING = 4096
"""Bytes of a line that is not complete yet which wait for the rest."""
HOST_SECONDS = 1.0
"""How long it takes until one can be sure that the host is gone, and does not want us to end."""
LOOK_SECONDS = 0.05
BEGIN_SECONDS = 5.0
"""How long a cell that is to be cancelled may take to begin."""


@dataclass(frozen=True)
class Run:
    """One such cell."""

    cell: int
    began: float
    thread: threading.Thread


class Background:
    """Owner: the main thread; the threads of the cells report by `around.tell` and `around.submit`."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._lock = threading.Lock()
        self._runs: dict[int, Run] = {}
        self._waiting: list[threading.Thread] = []
        self._ended = Touched(True)
        """For the one that has ended last."""
        self._inside: set[int] = set()
        """Cells whose code is at work."""
        self._ticking = False
        self._host = os.getppid()

    def begin(self, codes: tuple[CodeType, CodeType | None]) -> int:
        """A thread for the cell that runs now, which starts when that has ended; its number."""
        number = self._around.namespace.newest
        thread = threading.Thread(target=self._run, args=(number, codes), name=f"In[{number}]", daemon=True)
        with self._lock:
            if number in self._runs:
                raise UsageError(f"In[{number}] runs one part in the background already; make this a cell of its own")
            self._runs[number] = Run(number, time.monotonic(), thread)
        self._tell()
        self._waiting.append(thread)
        return number

    def go(self) -> None:
        """The cell that has begun them has ended, and said so."""
        if self._waiting and not self._ticking:
            self._ticking = True
            threading.Thread(target=self._tick, name="pyshell-background", daemon=True).start()
        while self._waiting:
            self._waiting.pop().start()

    def cancel(self, number: int) -> None:
        """Raise KeyboardInterrupt there, at the next step of Python's."""
        with self._lock:
            run = self._runs.get(number)
        if run is None:
            raise UsageError(f"In[{number}] does not run in the background; %bg lists what does")
        deadline = time.monotonic() + BEGIN_SECONDS
        while run.thread.is_alive() and time.monotonic() < deadline:
            with self._lock:
                if number in self._inside:  # before and after that it would hit what tells of the end
                    thread, interrupt = ctypes.c_ulong(run.thread.ident or 0), ctypes.py_object(KeyboardInterrupt)
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, interrupt)
                    return
            threading.Event().wait(LOOK_SECONDS)

    def listed(self) -> list[tuple[int, float]]:
        """The cells that run there, and for how long they have."""
        with self._lock:
            return [(run.cell, time.monotonic() - run.began) for run in self._runs.values()]

    def finish(self) -> bool:
        """The host does not listen any more. If it has died, wait for all their ends; whether there is any to save."""
        had, deadline = bool(self._runs), time.monotonic() + HOST_SECONDS
        while self._runs and (os.getppid() != self._host or time.monotonic() < deadline):
            threading.Event().wait(LOOK_SECONDS)
        return had or not self._ended.is_served

    # --- the cell's own thread ---------------------------------------------------------------------------------

    def _run(self, number: int, codes: tuple[CodeType, CodeType | None]) -> None:
        block = Block(lambda body: self._around.tell(body, number))
        ident = threading.get_ident()
        streams.elsewhere[ident] = block.take
        began, how = time.monotonic(), "was cancelled"
        try:
            how = self._run_inside(number, block, codes)
        except KeyboardInterrupt:  # which came when the code had just ended
            pass
        finally:
            block.end()
            streams.elsewhere.pop(ident, None)
            after = elapsed(time.monotonic() - began)
            self._around.tell(Notice(f"In[{number}] {how} in the background, after {after}."), number)
            self._ended = ended = Touched()  # before it is gone from the others: one of both is seen by `finish`
            with self._lock:
                self._runs.pop(number, None)
            self._tell()
            self._around.submit(ended)

    def _run_inside(self, number: int, block: Block, codes: tuple[CodeType, CodeType | None]) -> str:
        """How it ended. Only in here an interrupt can come."""
        try:
            with self._lock:
                self._inside.add(number)
            value = self._evaluate(codes)
            self._leave(number)
            self._show(number, block, value)
        except KeyboardInterrupt:
            self._leave(number)
            return "was cancelled"
        except BaseException as exc:  # user code raises what it likes
            self._leave(number)
            block.end()
            self._around.tell(Error(cells.describe(exc), False), number)
            return "has failed"
        return "has ended"

    def _leave(self, number: int) -> None:
        with self._lock:
            self._inside.discard(number)

    def _evaluate(self, codes: tuple[CodeType, CodeType | None]) -> Any:
        value: Any = None
        for code in filter(None, codes):
            value = eval(code, self._around.namespace.variables)
            if code.co_flags & inspect.CO_COROUTINE:
                value = asyncio.run(value)
        return value

    def _show(self, number: int, block: Block, value: Any) -> None:
        if value is None:
            return
        text = str.__str__(repr(value))[:MAX_REPR]
        block.end()
        self._around.namespace.remember_output(number, value)
        self._around.tell(Result(text, cells.name_of(type(value))), number)

    # --- telling and saving --------------------------------------------------------------------------------------

    def _tell(self) -> None:
        with self._lock:  # in the order in which it became so
            self._around.tell(Now((*self._runs,)), 0)

    def _tick(self) -> None:
        """Have what they do saved now and then, as long as there are any."""
        clock = autosaving.current
        seconds = clock.seconds if clock is not None else 0.0
        asked = Touched(True)
        while seconds > 0:
            threading.Event().wait(seconds)
            if self._runs and asked.is_served:
                self._around.submit(asked := Touched())


class Block:
    """What one of them writes, told by lines. Owner: the cell's thread."""

    def __init__(self, tell: Any) -> None:
        self._tell = tell
        self._stream: Stream = "stdout"
        self._waiting = b""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def take(self, stream: Stream, data: bytes) -> None:
        """Some bytes; none: what waits goes out."""
        if stream != self._stream and data:
            self.end()
            self._stream = stream
        self._waiting += data
        if not data or b"\n" in data or b"\r" in data or len(self._waiting) > MAX_WAITING:
            self.end()

    def end(self) -> None:
        text, self._waiting = self._decoder.decode(self._waiting), b""
        if text:
            self._tell(Output(text, self._stream))
