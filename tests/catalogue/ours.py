"""The catalogue in pyshell: run the cells in a session, kill its worker, and look at what came back.

Runs in: tests, and the catalogue's command.
"""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Iterable, Sequence

import pyshell
from pyshell import Session
from pyshell.errors import CallTimeout
from pyshell.protocol import Event, Restored, Saved, SaveFailed
from tests.catalogue.cases import HANG, REPORTED, RIGHT, WRONG, Case, Outcome, is_about

PATIENCE = 150.0
"""Seconds for one cell with its checkpoint, for a recovery, for the checks of one session. A saving child that hangs is
ended after 100, and another one saves."""
RAISES = ("failing_cell",)
"""Cases with a cell that is meant to fail."""
MARK = "@outcome"

CHECKS = """
for _name, _check in {checks!r}:
  try: _answer = repr(bool(eval(_check)))
  except BaseException as _exc: _answer = type(_exc).__name__ + ': ' + str(_exc)[:200].replace('\\n', ' ')
  print('{mark}', _name, _answer, flush=True)
"""


def run(cases: Sequence[Case], python: str | None = None) -> dict[str, Outcome]:
    """The outcome of each case; those that can share a session do, with their cells in turns."""
    batches = [[case for case in cases if case.place == place] for place in ("", "apart")]
    batches += [[case] for case in cases if case.place == "alone"]
    outcomes: dict[str, Outcome] = {}
    for batch in filter(None, batches):
        with pyshell.start(f"catalogue-{uuid.uuid4().hex[:8]}", python=python) as session:
            try:
                outcomes.update(_Run(session, batch).outcomes())
            except CallTimeout as exc:
                outcomes.update({case.name: Outcome(HANG, str(exc)) for case in batch if case.name not in outcomes})
            finally:
                session.kill()
    return outcomes


class _Run:
    """One session, until after its recovery."""

    def __init__(self, session: Session, cases: Sequence[Case]) -> None:
        self._session = session
        self._cases = cases
        self._seen = 0
        self._saved = 0
        self._reported: dict[str, str] = {}

    def outcomes(self) -> dict[str, Outcome]:
        for number in range(max(len(case.cells) for case in self._cases)):
            for case in self._cases:
                if number < len(case.cells):
                    self._cell(case, case.cells[number])
                if case.place == "apart":
                    self._wait_saved()
            self._wait_saved()
        pid = self._session.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        restored = self._next(Restored).body
        assert isinstance(restored, Restored)
        after = {lost.name: lost.reason for lost in restored.not_restored}
        answers = self._answers(self._cases)
        return {case.name: self._outcome(case, answers.get(case.name), after) for case in self._cases}

    def _cell(self, case: Case, code: str) -> None:
        reply = self._session.run(code, PATIENCE)
        assert reply.status == "ok" or case.name in RAISES, f"{case.name} is broken: {reply.error or reply.died}"

    def _wait_saved(self) -> None:
        newest = self._session.status().next_cell - 1
        while self._saved < newest:
            event = self._next(Saved, SaveFailed)
            if isinstance(event.body, Saved) and event.cell is not None:
                self._saved = event.cell
                self._reported = {lost.name: lost.reason for lost in event.body.unsaved}

    def _next(self, *kinds: type) -> Event:
        deadline = time.monotonic() + PATIENCE
        for event in self._session._read(self._seen, None, deadline):
            self._seen = event.seq
            if isinstance(event.body, kinds):
                return event
        raise CallTimeout(f"no {kinds[0].__name__} within {PATIENCE} s")

    def _answers(self, cases: Sequence[Case]) -> dict[str, str]:
        """What each check says. A check that ends or stops the worker has no answer."""
        code = CHECKS.format(checks=[(case.name, case.check) for case in cases], mark=MARK)
        cell = self._session.execute(code)
        try:
            output = self._session.wait(cell, PATIENCE).output
        except CallTimeout:
            output = "".join(getattr(event.body, "text", "") for event in self._so_far(cell))
        lines = (line.partition(MARK)[2].strip() for line in output.splitlines() if MARK in line)
        return {line.partition(" ")[0]: line.partition(" ")[2] for line in lines}

    def _so_far(self, cell: int) -> Iterable[Event]:
        return self._session._read(0, cell, time.monotonic() + 1)

    def _outcome(self, case: Case, answer: str | None, after: dict[str, str]) -> Outcome:
        if answer is None:
            return Outcome(HANG)
        if answer == "True":
            return Outcome(RIGHT)
        reason = next((reason for name, reason in self._reported.items() if is_about(case, name)), None)
        if reason:
            return Outcome(REPORTED, reason)
        late = next((reason for name, reason in after.items() if is_about(case, name)), "")
        return Outcome(WRONG, f"only told after the death: {late}" if late else answer)
