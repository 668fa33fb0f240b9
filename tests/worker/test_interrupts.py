"""When SIGINT reaches user code, and what the host sees of it.

Runs in: tests.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from pyshell import blackbox
from pyshell.blackbox import BlackBox
from pyshell.worker.interrupts import Interrupts


@pytest.fixture
def box() -> Iterator[BlackBox]:
    fd = blackbox.create()
    yield BlackBox(fd)
    os.close(fd)


@pytest.fixture
def interrupts(box: BlackBox) -> Iterator[Interrupts]:
    before = signal.getsignal(signal.SIGINT)
    interrupts = Interrupts(box)
    interrupts.install()
    interrupts.cell = 7
    yield interrupts
    signal.signal(signal.SIGINT, before)


def strike() -> None:
    signal.raise_signal(signal.SIGINT)


def test_user_code_is_interrupted_and_nothing_else(interrupts: Interrupts) -> None:
    strike()
    with pytest.raises(KeyboardInterrupt):
        interrupts.call(strike)
    strike()


def test_code_that_is_called_from_user_code_leaves_it_open_to_interrupts(interrupts: Interrupts) -> None:
    reached = []

    def cell() -> None:
        interrupts.call(lambda: None)
        reached.append(True)
        strike()

    with pytest.raises(KeyboardInterrupt):
        interrupts.call(cell)
    assert reached


def test_the_host_sees_which_cell_can_hear(interrupts: Interrupts, box: BlackBox) -> None:
    seen = []

    def cell() -> None:
        seen.append(box.running)
        interrupts.call(lambda: seen.append(box.running))
        seen.append(box.running)

    interrupts.call(cell)
    assert (seen, box.running) == ([7, 7, 7], 0)


def test_what_must_be_whole_is_interrupted_after_it(interrupts: Interrupts) -> None:
    done = []

    def cell() -> None:
        with interrupts:
            strike()
            done.append("whole")
        done.append("not reached")

    with pytest.raises(KeyboardInterrupt):
        interrupts.call(cell)
    assert done == ["whole"]


def test_a_signal_that_a_system_call_keeps_from_being_heard_is_sent_again(interrupts: Interrupts) -> None:
    """What was sent between Python's last look and the call is not to be made on purpose: here nothing was sent."""
    reader, writer = os.pipe()
    sent = time.monotonic()
    waker = threading.Timer(0.05, interrupts.make_hear, [sent])
    waker.start()
    with pytest.raises(KeyboardInterrupt):
        interrupts.call(lambda: os.read(reader, 1))
    waker.join()
    os.write(writer, b"x")
    interrupts.call(lambda: interrupts.make_hear(sent))  # it has been heard
    assert interrupts.call(lambda: os.read(reader, 1)) == b"x"
    os.close(reader)
    os.close(writer)


def test_who_hears_signals_by_himself_is_not_woken(interrupts: Interrupts) -> None:
    heard: list[int] = []

    def cell() -> None:
        signal.signal(signal.SIGINT, lambda *_: heard.append(1))
        interrupts.make_hear(time.monotonic())

    interrupts.call(cell)
    interrupts.make_hear(time.monotonic())  # nor is anybody where no cell runs
    assert heard == []
