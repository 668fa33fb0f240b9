"""Reports are kept before the worker is thanked, come after their output, and do not wait for ever.

Runs in: tests.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pyshell.host.loop import Loop
from pyshell.host.processes import intake as intake_module
from pyshell.host.processes.intake import Intake
from pyshell.protocol import Notice, Report, Reports
from tests.sessions import SECONDS, becomes_true


def batch(*fences: int) -> Reports:
    return Reports(tuple([Report(fence, None, Notice(str(fence))) for fence in fences]))


class Desk:
    """An intake whose loop runs, and a worker's reader that hands in batches."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.log: list[object] = []
        self.intake = Intake(
            self.loop, self.log.append, lambda report: self.log.append(report.fence), lambda: self.log.append("kept")
        )
        self.threads = [threading.Thread(target=self.loop.run, args=(lambda: None,))]
        self.threads[0].start()

    def hand_in(self, *fences: int) -> threading.Thread:
        def hand_in() -> None:
            self.intake.wait_kept(batch(*fences))
            self.log.append("thanked")

        self.threads.append(threading.Thread(target=hand_in))
        self.threads[-1].start()
        return self.threads[-1]

    def do(self, *calls: object) -> None:
        for call in calls:
            self.loop.ask(call)  # type: ignore[arg-type]

    def close(self) -> None:
        self.do(self.intake.finish)
        self.loop.post(self.loop.stop)
        for thread in self.threads:
            thread.join(SECONDS)
            assert not thread.is_alive()


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.close()


def test_a_batch_is_kept_before_its_sender_is_thanked(desk: Desk) -> None:
    desk.hand_in(0, 0).join(SECONDS)
    assert desk.log == [0, 0, "kept", "thanked"]


def test_a_batch_waits_for_the_output_before_it(desk: Desk) -> None:
    sender = desk.hand_in(0, 2)
    assert becomes_true(lambda: desk.log == [0])
    desk.do(lambda: desk.intake.output("text"))
    assert desk.log == [0, "text"]
    desk.do(lambda: desk.intake.output(2))
    sender.join(SECONDS)
    assert desk.log == [0, "text", 2, "kept", "thanked"]


def test_output_waits_for_the_report_before_it(desk: Desk) -> None:
    desk.do(lambda: desk.intake.output(1), lambda: desk.intake.output("text"))
    assert desk.log == []
    desk.hand_in(1).join(SECONDS)
    assert desk.log[:2] == [1, "text"]


def test_but_not_for_ever(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_module, "FENCE_SECONDS", 0.01)
    desk.do(lambda: desk.intake.output(1), lambda: desk.intake.output("text"))
    assert becomes_true(lambda: desk.log == ["text"])


def test_fences_that_never_come_are_given_up_one_after_the_other(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_module, "FENCE_SECONDS", 0.01)
    desk.hand_in(5, 6, 7).join(SECONDS)
    assert desk.log == [5, 6, 7, "kept", "thanked"]


def test_a_fence_is_not_given_up_while_output_comes(desk: Desk) -> None:
    desk.do(lambda: desk.intake._take(batch(9), threading.Event()))
    report = desk.intake._ordering.first()
    assert report is not None
    for _ in range(100):
        before = desk.intake._pieces
        desk.do(lambda: desk.intake.output("."), lambda before=before: desk.intake._look(report, float("inf"), before))  # type: ignore[misc]
    assert desk.log == ["."] * 100
    desk.do(lambda: desk.intake.output(9))
    assert desk.log[100:] == [9, "kept"]


def test_a_fence_is_given_up_in_the_end_even_while_output_comes(desk: Desk) -> None:
    desk.do(lambda: desk.intake._take(batch(9), threading.Event()))
    report = desk.intake._ordering.first()
    assert report is not None
    desk.do(lambda: desk.intake._look(report, 0.0, -1))
    assert desk.log == [9, "kept"]


def test_the_end_gives_out_what_waits(desk: Desk) -> None:
    sender = desk.hand_in(3)
    assert becomes_true(lambda: desk.intake._ordering.first() is not None)
    desk.do(desk.intake.finish)
    sender.join(SECONDS)
    assert desk.log == [3, "kept", "thanked"]
