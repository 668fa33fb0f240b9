"""Clients hear of a cell's beginning with what it brings, or a moment later.

Runs in: tests.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyshell.host import announcing
from pyshell.host.announcing import Announcer
from pyshell.host.journals.journal import Journal
from pyshell.host.loop import Loop
from pyshell.protocol import EventBody, Notice, Started, StateChanged


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal", tmp_path)
    yield opened
    opened.close()


def append(journal: Journal, body: EventBody) -> None:
    journal.append(body, epoch=1, cell=1)


def test_a_beginning_alone_is_told_a_moment_later(journal: Journal) -> None:
    loop = Loop()
    loop.post(lambda: append(journal, Started()))

    def stop_when_told() -> None:
        if journal.wait(0, 30):
            loop.post(loop.stop)

    waiting = threading.Thread(target=stop_when_told)
    waiting.start()
    loop.run(Announcer(loop, journal).after_turn)
    waiting.join()
    assert [event.body for event in journal.read(0, None, 10)] == [Started()]


def test_it_is_told_with_what_follows(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announcing, "QUIET_SECONDS", 3600.0)
    loop = Loop()
    announcer = Announcer(loop, journal)
    append(journal, StateChanged("busy", 1))
    announcer.after_turn()
    append(journal, Started())
    announcer.after_turn()
    assert journal.newest == 0 and not journal.wait(0, 0)
    append(journal, Notice("what it brings"))
    announcer.after_turn()
    assert [event.seq for event in journal.read(0, None, 10)] == [1, 2, 3]


def test_what_is_not_told_yet_is_durable(journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announcing, "QUIET_SECONDS", 3600.0)
    append(journal, Started())
    Announcer(Loop(), journal).after_turn()
    again = Journal(tmp_path / "journal", tmp_path)
    assert [event.body for event in again.read(0, None, 10)] == [Started()]
    again.close()
