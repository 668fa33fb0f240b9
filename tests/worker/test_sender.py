"""Reports: in order, each once, and into a file when nobody listens any more.

Runs in: tests.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyshell.protocol import REPORT_OPERATIONS, Finished, Nothing, Notice, Report, Reports, Result, from_json
from pyshell.transport import Link
from pyshell.worker.sender import MAX_WAITING, Sender

PATIENCE = 20.0


class Host:
    """Whoever listens; may refuse, wait or go."""

    def __init__(self, orphan: Path) -> None:
        ours, theirs = socket.socketpair()
        self.got: list[Report] = []
        self.came = threading.Condition()
        self.open = threading.Event()
        self.open.set()
        self.refuse: Callable[[Report], bool] = lambda report: False
        self.link = Link(ours, operations=REPORT_OPERATIONS, answers={"report": self.take})
        self.worker = Link(theirs, asks=REPORT_OPERATIONS)
        self.threads = [self.link.start("host"), self.worker.start("worker")]
        self.orphan = orphan
        self.sender = Sender(self.worker, orphan)

    def take(self, reports: Reports) -> Nothing:
        assert self.open.wait(PATIENCE)
        if any(self.refuse(report) for report in reports.reports):
            raise ValueError("refused")
        with self.came:
            self.got += reports.reports
            self.came.notify_all()
        return Nothing()

    def wait(self, count: int) -> list[Report]:
        with self.came:
            assert self.came.wait_for(lambda: len(self.got) >= count, PATIENCE)
            return self.got

    def go(self) -> None:
        self.link.close()
        self.threads[0].join(PATIENCE)

    def close(self) -> None:
        self.open.set()
        self.sender.close(PATIENCE)
        self.link.close()
        self.worker.close()
        for thread in self.threads:
            thread.join(PATIENCE)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path / "orphan")
    yield made
    made.close()


def test_reports_come_in_order_from_many_threads(host: Host) -> None:
    def work(number: int) -> None:
        for turn in range(300):
            host.sender.report(Notice(f"{turn}"), number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    got = host.wait(1200)
    for number in range(4):
        assert [report.body for report in got if report.cell == number] == [Notice(f"{turn}") for turn in range(300)]


def test_reports_that_do_not_fit_into_one_message_are_sent_singly(host: Host) -> None:
    host.open.clear()
    for number in range(30):
        host.sender.report(Result("x" * 1_000_000, "str"), number)
    host.sender.report(Finished("ok", 0.0), 30)
    host.open.set()
    assert [report.cell for report in host.wait(31)] == list(range(31))
    assert not host.orphan.exists()


def test_a_report_that_cannot_be_sent_becomes_a_notice(host: Host) -> None:
    host.sender.report(Result("x" * 20_000_000, "str"), 1)
    host.sender.report(Result(type("Text", (str,), {})("x"), "str"), 2)
    host.sender.report(Finished("ok", 0.0), 3)
    first, second, third = host.wait(3)
    assert isinstance(first.body, Notice) and "refused a report" in first.body.text and first.cell == 1
    assert isinstance(second.body, Notice) and third.body == Finished("ok", 0.0)
    assert not host.orphan.exists()


def test_a_report_that_the_host_refuses_takes_no_other_with_it(host: Host) -> None:
    host.refuse = lambda report: report.cell == 5
    host.open.clear()
    for number in range(10):
        host.sender.report(Result("x", "str"), number)
    host.open.set()
    assert [report.cell for report in host.wait(9)] == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert not host.orphan.exists()


def test_when_the_host_is_gone_reports_go_into_a_file(host: Host) -> None:
    host.sender.report(Notice("heard"))
    host.wait(1)
    host.go()
    for number in range(5):
        host.sender.report(Notice(f"kept \ud800 {number}"), number)
    host.sender.close(PATIENCE)
    kept = [from_json(line, Report).cell for line in host.orphan.read_text().splitlines()]
    # A host that went between hearing and answering may have heard the first one, too.
    assert kept[-5:] == list(range(5)) and kept[:-5] in ([], [None])


def test_a_full_disk_does_not_stop_the_worker(tmp_path: Path) -> None:
    host = Host(tmp_path / "missing" / "orphan")
    host.go()
    for number in range(3 * MAX_WAITING):
        host.sender.report(Notice("lost"), number)
    host.close()


def test_whoever_reports_too_much_waits(host: Host) -> None:
    host.open.clear()
    done = threading.Event()

    def work() -> None:
        for number in range(3 * MAX_WAITING):
            host.sender.report(Notice("x"), number)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert not done.wait(0.2)
    host.open.set()
    assert [report.cell for report in host.wait(3 * MAX_WAITING)] == list(range(3 * MAX_WAITING))
    thread.join(PATIENCE)


def test_a_forked_child_reports_nothing(host: Host) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            for _ in range(3 * MAX_WAITING):
                host.sender.report(Notice("from the child"))
        finally:
            os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    host.sender.report(Notice("from the parent"))
    assert [report.body for report in host.wait(1)] == [Notice("from the parent")]
