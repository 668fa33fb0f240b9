"""Have code completed by static analysis, in a process that may be slow, grow or crash.

Runs in: host, on the clients' threads.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import threading
import time
from functools import cached_property
from queue import Empty

from pyshell.host.processes.birth import PACKAGE
from pyshell.inbox import Inbox
from pyshell.protocol import MAX_MATCHES, Completions, HistoryEntry, Match
from pyshell.typed.cursor import asked
from pyshell.typed.ranking import ranked

ANSWER_SECONDS = 0.6
"""A person who has pressed a key waits for this."""
QUESTION_SECONDS = 15.0
"""After this the process is killed, and the next question has another one."""
START_SECONDS = 30.0
"""The same for coming up; meanwhile the answers are that nothing is known."""
MAX_SOURCE = 100_000
"""Characters of the session's cells that are read, from the newest back."""
_PROGRAM = PACKAGE / "analysis.py"


class Static:
    """One question at a time; whoever asks meanwhile is told that nothing is known."""

    def __init__(self) -> None:
        self._asking = threading.Lock()
        self._process: _Analysis | None = None

    @cached_property
    def is_installed(self) -> bool:
        """Looked for when it is first asked for: that reads the directories of the path."""
        return importlib.util.find_spec("jedi") is not None

    def complete(self, cells: tuple[HistoryEntry, ...], code: str, cursor_pos: int) -> Completions | None:
        """What could stand at the cursor, by the source of these cells and of the code; None: that is not known."""
        if not self.is_installed or not self._asking.acquire(blocking=False):
            return None
        try:
            return self._complete(_source(cells), code, cursor_pos)
        finally:
            self._asking.release()

    def _complete(self, before: str, code: str, cursor_pos: int) -> Completions | None:
        cursor_pos = min(max(cursor_pos, 0), len(code))
        typed = (before + code[:cursor_pos]).split("\n")
        if self._process is None or not self._process.is_alive():
            self._process = _Analysis()
        answer = self._process.ask(before + code, len(typed), len(typed[-1]))
        if answer is None:
            return None
        what = asked(code, cursor_pos)
        found = {text: Match(text, kind, "", signature) for text, kind, signature in answer}
        names = ranked(found, what.prefix, MAX_MATCHES)
        return Completions(tuple([found[name] for name in names]), what.start, cursor_pos, "static")

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()


def _source(cells: tuple[HistoryEntry, ...]) -> str:
    """The code of the cells that did not fail, as one text."""
    kept: list[str] = []
    room = MAX_SOURCE
    for entry in reversed(cells):
        room -= len(entry.code)
        if room < 0:
            break
        if entry.status == "ok":
            kept.append(entry.code + "\n")
    return "".join(reversed(kept))


class _Analysis:
    """The process, and a thread that reads what it says."""

    def __init__(self) -> None:
        self._said: Inbox[str] = Inbox()
        self._asked, self._answered = 0, -1
        self._question: tuple[str, int, int] | None = None
        self._until = time.monotonic() + START_SECONDS
        """When it is killed, unless it has answered by then."""
        self._is_ready = False
        # Not with that file's directory on the path, whose modules have names of their own, and in none of the user's.
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, cwd="/",
        )  # fmt: skip
        threading.Thread(target=self._read, name="analysis", daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(line)
        self._process.wait()

    def is_alive(self) -> bool:
        """False also for one that takes too long, which ends then."""
        if self._answered < self._asked and time.monotonic() > self._until and not self._said:
            self.kill()
            return False
        return self._process.poll() is None

    def kill(self) -> None:
        self._process.kill()

    def ask(self, code: str, line: int, column: int) -> list[tuple[str, str, str]] | None:
        """Its answer, or None if that does not come in time. One that comes too late is for who asks the same again."""
        question = (code, line, column)
        deadline = time.monotonic() + ANSWER_SECONDS
        if not self._is_ready:
            self._is_ready = self._next_answer(deadline) is not None
        elif self._answered < self._asked:
            late = self._next_answer(deadline)
            if late is not None and question == self._question:
                return late
        if not self._is_ready or self._answered < self._asked:
            return None
        self._asked, self._question = self._asked + 1, question
        self._until = time.monotonic() + QUESTION_SECONDS
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps([self._asked, code, line, column]) + "\n")
            self._process.stdin.flush()
        except OSError:
            return None  # it has just died
        return self._next_answer(deadline)

    def _next_answer(self, deadline: float) -> list[tuple[str, str, str]] | None:
        try:
            said = json.loads(self._said.take(max(0.0, deadline - time.monotonic())))
        except Empty:
            return None
        self._answered = said[0]
        return [(str(text), str(kind), str(signature)) for text, kind, signature in said[1]]
