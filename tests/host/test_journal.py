"""The journal: what was added is read back, once and in order, whatever its size and from wherever it lies.

Runs in: tests.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyshell import protocol
from pyshell.errors import SessionError, StoreFull
from pyshell.host.journals import journal as journal_module
from pyshell.host.journals.journal import TAIL_BYTES, Journal
from pyshell.host.journals.spool import INLINE
from pyshell.plain import MAX_FRAME, plain
from pyshell.protocol import Event, EventBody, Finished, Notice, Output, Queued, Result, Stack, Started

SECONDS = 20.0
Open = Callable[[], Journal]


@pytest.fixture
def reopen(tmp_path: Path) -> Iterator[Open]:
    """Opens the journal, as if another host did."""
    (tmp_path / "output").mkdir()
    opened: list[Journal] = []

    def open_again() -> Journal:
        while opened:
            opened.pop().close()
        opened.append(Journal(tmp_path / "journal", tmp_path / "output"))
        return opened[0]

    yield open_again
    while opened:
        opened.pop().close()


def read_all(journal: Journal, after: int = 0, cell: int | None = None, limit: int = 1000) -> list[Event]:
    found: list[Event] = []
    while batch := journal.read(after, cell, limit):
        assert len(batch) <= limit
        after = batch[-1].seq
        found += batch
    return found


def add(journal: Journal, *bodies: EventBody, cell: int | None = 1) -> None:
    for body in bodies:
        journal.append(body, epoch=1, cell=cell, client="me")
    journal.commit()


bodies = st.one_of(
    st.builds(Output, st.text(max_size=20)),
    st.builds(Result, st.text(max_size=20), st.just("str")),
    st.builds(Queued, st.text(max_size=20)),
    st.just(Started()),
)
rows = st.lists(st.tuples(bodies, st.one_of(st.none(), st.integers(1, 3))), max_size=30)


@given(rows, st.integers(0, 35), st.one_of(st.none(), st.integers(1, 3)), st.integers(1, 5), st.integers(0, 4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
def test_events_are_read_once_and_in_order_from_any_number(
    reopen: Open,
    tmp_path: Path,
    rows: list[tuple[EventBody, int | None]],
    after: int,
    cell: int | None,
    limit: int,
    kept: int,
) -> None:
    journal = reopen()
    start = journal.last
    before = journal_module.TAIL_EVENTS
    journal_module.TAIL_EVENTS = kept  # so that some lie in memory, others in the file only
    try:
        written = [journal.append(body, epoch=1, cell=number) for body, number in rows]
    finally:
        journal_module.TAIL_EVENTS = before
    journal.commit()
    wanted = [event for event in written if event.seq > start + after and cell in (None, event.cell)]
    assert read_all(journal, start + after, cell, limit) == wanted
    assert read_all(reopen(), start + after, cell, limit) == wanted


def test_nothing_is_seen_before_it_is_on_disk(reopen: Open, tmp_path: Path) -> None:
    journal = reopen()
    journal.append(Started(), epoch=1, cell=1)
    assert journal.newest == 0
    assert journal.read(0, None, 10) == ()
    assert not journal.wait(0, 0.0)
    journal.commit()
    assert journal.wait(0, 0.0)
    with sqlite3.connect(tmp_path / "journal") as db:
        assert db.execute("select count(*) from events").fetchone() == (1,)
    db.close()
    assert [event.seq for event in journal.read(0, None, 10)] == [1]


def test_numbers_go_on_where_they_ended(reopen: Open) -> None:
    journal = reopen()
    journal.submit(journal.next_cell(), "me", "x", 1)
    add(journal, Started())
    journal = reopen()
    assert journal.last == journal.newest == 2
    assert journal.next_cell() == 2
    assert journal.append(Started(), epoch=2, cell=None).seq == 3


def test_what_a_crash_tore_off_was_never_there(tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    pid = os.fork()
    if pid == 0:
        try:
            journal = Journal(tmp_path / "journal", tmp_path / "output")
            add(journal, Started())
            journal.append(Result("lost", "str"), epoch=1, cell=1)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    journal = Journal(tmp_path / "journal", tmp_path / "output")
    try:
        assert [event.body for event in read_all(journal)] == [Started()]
    finally:
        journal.close()


def test_much_output_lies_in_a_file_and_comes_back_the_same(reopen: Open, tmp_path: Path) -> None:
    journal = reopen()
    texts = [f"{number}é\n" * 10_000 for number in range(40)]
    add(journal, *[Output(text) for text in texts])
    spool = tmp_path / "output" / "1.txt"
    assert spool.stat().st_size > 0
    assert (tmp_path / "journal").stat().st_size < 4 * INLINE
    for known in (journal, None):
        opened = known or reopen()
        assert [event.body for event in read_all(opened)] == [Output(text) for text in texts]


def test_output_that_somebody_deleted_is_told_and_the_rest_is_read(reopen: Open, tmp_path: Path) -> None:
    journal = reopen()
    add(journal, Output("x" * (INLINE + 1)), Finished("ok", 0.0))
    (tmp_path / "output" / "1.txt").unlink()
    missing, finished = read_all(reopen())
    assert isinstance(missing.body, Output) and "1.txt" in missing.body.text
    assert finished.body == Finished("ok", 0.0)


@pytest.mark.parametrize("body", [Result("r" * (1 << 20), "str"), Queued("漢" * (1 << 19)), Output("漢" * 65536)])
def test_a_reply_fits_into_a_message(reopen: Open, body: EventBody) -> None:
    journal = reopen()
    add(journal, *[body] * 20)
    for known in (journal, None):
        opened = known or reopen()
        batch = opened.read(0, None, 1000)
        wire = protocol.to_wire(protocol.Events(batch, opened.newest, False))
        plain(wire)
        assert 0 < len(batch) < 20 and len(str(wire).encode()) < MAX_FRAME
        assert len(read_all(opened)) == 20


def test_what_is_kept_in_memory_is_bounded(reopen: Open) -> None:
    journal = reopen()
    add(journal, *[Result("r" * (1 << 20), "str")] * 20)
    assert sum(len(event.body.text) for event, _ in journal._tail if isinstance(event.body, Result)) <= TAIL_BYTES


def test_cells_without_an_end_are_found_and_whether_they_ran(reopen: Open) -> None:
    journal = reopen()
    for number in (1, 2, 3):
        journal.submit(number, "me", f"code {number}", 1)
    add(journal, Started(), cell=1)
    journal.finish_cell(1, "ok")
    add(journal, Started(), Output('["started"]'), cell=2)
    add(journal, Output("started"), cell=3)
    journal = reopen()
    assert [entry.cell for entry in journal.unfinished()] == [2, 3]
    assert [journal.was_started(number) for number in (1, 2, 3)] == [True, True, False]


def test_history_is_the_newest_that_match_oldest_first(reopen: Open) -> None:
    journal = reopen()
    for number in range(1, 6):
        journal.submit(number, "me", f"a%b_{number}" if number % 2 else "other", 1)
    assert [entry.cell for entry in journal.history(2, "")] == [4, 5]
    assert [entry.cell for entry in journal.history(2, "%b_")] == [3, 5]
    assert journal.history(5, "a_b") == ()  # not a pattern of SQL's


def test_who_waits_is_woken_by_news_and_by_the_end(reopen: Open) -> None:
    journal = reopen()
    answers: list[bool] = []
    for act in (lambda: add(journal, Started()), journal.end):
        waiting = threading.Thread(target=lambda: answers.append(journal.wait(journal.newest, SECONDS)))
        waiting.start()
        act()
        waiting.join(SECONDS)
        assert not waiting.is_alive()
    assert answers == [True, True]
    assert journal.ended


def test_reading_after_the_end_gives_nothing_and_no_error(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", tmp_path)
    add(journal, Notice("x"))
    journal.close()
    assert journal.history(10, "") == ()
    journal._tail.clear()
    assert journal.read(0, None, 10) == ()


def test_a_journal_of_another_format_is_refused_and_left_alone(reopen: Open, tmp_path: Path) -> None:
    journal = reopen()
    journal.set_meta("format", "99")
    journal.commit()
    with pytest.raises(SessionError, match="format 99.*another name"):
        reopen()
    with sqlite3.connect(tmp_path / "journal") as db:
        assert db.execute("select value from meta where key = 'format'").fetchone() == ("99",)
    db.close()


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(b"something else entirely " * 100)
    with pytest.raises(SessionError, match="move it away"):
        Journal(tmp_path / "journal", tmp_path)


def test_its_files_are_this_users_alone(reopen: Open, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        add(reopen(), Output("x" * (INLINE + 1)))
    finally:
        os.umask(before)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_without_room_what_must_be_noted_is_noted_and_nothing_else(reopen: Open, tmp_path: Path) -> None:
    journal = reopen()
    journal.submit(1, "me", "x", 1)
    assert journal.commit()
    limit_pages(journal, more=0)
    journal.append(Output("y" * 9000), epoch=1, cell=1)
    journal.append(Stack("z" * 9000), epoch=1, cell=1)
    assert not journal.commit()
    assert read_all(journal)[-1].body == Queued("x")  # nothing is seen before it is on the disk
    assert not journal.keeps_output(1, "more")
    limit_pages(journal, more=4)
    assert journal.commit()
    assert [type(event.body) for event in read_all(journal)] == [Queued, Stack, Notice]
    limit_pages(journal, more=1000)
    journal.submit(2, "me", "z", 1)
    found = read_all(reopen())
    assert "9004 characters that were printed meanwhile were not kept" in str(found[-2].body)
    assert [event.seq for event in found] == sorted({event.seq for event in found})
    assert found[-1].body == Queued("z")


def test_a_cell_for_which_there_is_no_room_was_never_there(reopen: Open) -> None:
    journal = reopen()
    limit_pages(journal, more=0)
    for _ in range(2):
        with pytest.raises(StoreFull, match="free some space"):
            journal.submit(1, "me", "x" * 9000, 1)
    limit_pages(journal, more=1000)
    journal.submit(1, "me", "short", 1)
    journal = reopen()
    assert [entry.code for entry in journal.history(9, "")] == ["short"]
    assert [event.body for event in read_all(journal) if isinstance(event.body, Queued)] == [Queued("short")]


def limit_pages(journal: Journal, more: int) -> None:
    """Let the database grow by so many pages only; what a full disk does to it."""
    pages = journal._db.execute("pragma page_count").fetchone()[0]
    journal._db.execute(f"pragma max_page_count = {pages + more}")


def damaged(data: bytes) -> Iterator[bytes]:
    """The file with one bit flipped, or cut."""
    for at in (*range(100), *range(100, len(data), 211)):
        yield data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :]
    for at in range(1, len(data), 1999):
        yield data[:at]


def test_a_damaged_journal_is_refused_or_goes_on(tmp_path: Path) -> None:
    """Never an error that nobody understands, nor an event that hides the others."""
    (tmp_path / "output").mkdir()
    journal = Journal(tmp_path / "journal", tmp_path / "output")
    for number in range(1, 30):
        journal.submit(number, "me", f"code {number}" * 20, 1)
        add(journal, Started(), Output(f"text {number}" * 50), cell=number)
        if number < 29:
            journal.finish_cell(number, "ok")
    journal.close()
    sound = (tmp_path / "journal").read_bytes()
    refused = shown = hidden = 0
    for data in damaged(sound):
        for file in tmp_path.glob("journal*"):
            file.unlink()
        (tmp_path / "journal").write_bytes(data)
        try:
            found, code = use(tmp_path)
        except SessionError as exc:
            assert "move it away to start the session without its past" in str(exc)
            refused += 1
            continue
        assert code == "new"
        hidden += sum("damaged, and cannot be shown" in str(event.body) for event in found)
        shown += len(found) >= 87
    assert refused > 50 and shown > 200 and hidden > 5


def use(tmp_path: Path) -> tuple[list[Event], str]:
    """Another host opens the journal and goes on: all events, and the code of the newest cell."""
    journal = Journal(tmp_path / "journal", tmp_path / "output")
    try:
        journal.submit(journal.next_cell(), "me", "new", 2)
        found = read_all(journal)
        return found, journal.history(100, "")[-1].code
    finally:
        journal.close()


@pytest.mark.parametrize("change", [lambda data: data[:-9000], lambda data: b"\xff" + data[1:]])
def test_damaged_output_is_shown_as_far_as_it_can_be(change: Callable[[bytes], bytes], tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", tmp_path)
    add(journal, Output("x" * (INLINE - 10)), Output("y" * 10_000), Started())
    journal.close()
    (tmp_path / "1.txt").write_bytes(change((tmp_path / "1.txt").read_bytes()))
    journal = Journal(tmp_path / "journal", tmp_path)
    found = read_all(journal)
    journal.close()
    assert [type(event.body) for event in found] == [Output, Output, Started]
    assert isinstance(found[1].body, Output) and 1000 <= len(found[1].body.text) <= 10_000
    assert ("bytes are missing" in found[1].body.text) == (len(found[1].body.text) < 10_000)
