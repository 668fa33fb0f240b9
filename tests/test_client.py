"""Session, as a program uses it.

Runs in: tests.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

import pyshell
from pyshell import Reply, Session
from pyshell.errors import CallTimeout, ConnectionLost, PyshellError, UsageError
from pyshell.protocol import Event
from tests.sessions import SECONDS, another, becomes_true, host_of, kill, started, until, until_computing, until_output


@pytest.fixture(scope="module")
def shared() -> Iterator[Session]:
    """One session for tests that leave it idle."""
    with started("shared") as session:
        yield session


def waiting_cell(session: Session) -> int:
    cell = session.execute("import signal\nprint('waits', flush=True)\nsignal.pause()")
    until_output(session, "waits", cell)
    return cell


def end(session: Session, cell: int) -> None:
    session.interrupt()
    session.wait(cell)


def test_a_reply_holds_what_the_cell_showed(shared: Session) -> None:
    reply = shared.run("print('out')\n6 * 7")
    assert reply == Reply(reply.cell, "ok", "42", "out\n", None, None, (), (), reply.changes)
    assert shared.run("x = 1").result is None


def test_a_reply_holds_the_error(shared: Session) -> None:
    reply = shared.run("print('before')\n1 / 0")
    assert (reply.status, reply.result, reply.output) == ("error", None, "before\n")
    assert reply.error is not None
    assert (reply.error.kind, reply.error.message) == ("ZeroDivisionError", "division by zero")
    assert "1 / 0" in reply.error.traceback


def test_a_cell_of_the_past_is_told_again(shared: Session) -> None:
    first = shared.run("print('now')\n'then'")
    shared.run("1")
    assert shared.wait(first.cell) == first
    with another(shared) as other:
        assert other.wait(first.cell, timeout=SECONDS) == first


@pytest.mark.parametrize("cell", [0, -1, 10**6])
def test_a_cell_that_never_was_is_not_waited_for(shared: Session, cell: int) -> None:
    with pytest.raises(UsageError, match=rf"there is no In\[{cell}\]"):
        shared.wait(cell)


def test_waiting_has_an_end(shared: Session) -> None:
    cell = waiting_cell(shared)
    for timeout in (0, 0.05):
        with pytest.raises(CallTimeout, match="runs on"):
            shared.wait(cell, timeout)
    with pytest.raises(TimeoutError):
        shared.run("1", timeout=0.01)
    end(shared, cell)
    assert shared.wait(cell + 1, timeout=SECONDS).result == "1"


def test_much_output_comes_back_whole(shared: Session) -> None:
    reply = shared.run("for number in range(30):\n    print(str(number) * 100_000)")
    assert reply.output == "".join(f"{str(number) * 100_000}\n" for number in range(30))
    assert len(reply.output.encode()) > 3 << 20
    assert shared.wait(reply.cell).output == reply.output


def test_events_start_after_any_number_and_can_be_of_one_cell(shared: Session) -> None:
    cell = shared.run("print('x')").cell
    events = until(shared, lambda event: event.cell == cell and event.kind == "finished")
    for after in (0, 1, len(events) - 1):
        assert next(iter(shared.events(after))) == events[after]
    of_cell = shared.events(cell=cell)
    wanted = [event for event in events if event.cell == cell]
    assert [next(of_cell) for _ in wanted] == wanted  # type: ignore[call-overload]


def test_an_iterator_waits_for_what_comes(shared: Session) -> None:
    seen: list[Event] = []
    last = shared.status().last_event

    def follow(session: Session) -> None:
        seen.extend(session.events(last))

    with another(shared) as other:
        following = threading.Thread(target=follow, args=(other,))
        following.start()
        cell = shared.run("print('news')").cell
        until(shared, lambda event: event.cell == cell and event.kind == "finished", last)
        while not any(event.cell == cell and event.kind == "finished" for event in seen):
            assert following.is_alive()
    following.join(SECONDS)  # `close` ended it
    assert not following.is_alive()
    assert [event.seq for event in seen] == list(range(last + 1, last + 1 + len(seen)))


def test_many_threads_share_a_session(shared: Session) -> None:
    results: dict[int, str | None] = {}

    def work(number: int) -> None:
        results[number] = shared.run(f"{number} * 2").result

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert results == {number: str(number * 2) for number in range(8)}


def test_looking_things_up_works_while_a_cell_runs(shared: Session) -> None:
    shared.run("known_name = [1, 2]")
    cell = waiting_cell(shared)
    # On a busy machine the first answer may be what was told before the cell.
    assert becomes_true(lambda: "known_name" in [match.text for match in shared.complete("known_na", 8).matches])
    completions = shared.complete("known_na", 8)
    assert (completions.start, completions.end) == (0, 8)
    assert becomes_true(lambda: shared.inspect("known_name", 3).type == "list")
    assert "known_name" in [variable.name for variable in shared.variables()]
    assert shared.is_complete("for x in y:").status == "incomplete"
    assert shared.history(limit=1, pattern="known_name =")[0].code == "known_name = [1, 2]"
    end(shared, cell)


def test_looking_things_up_does_not_wait_for_a_held_interpreter_lock() -> None:
    with started() as session:
        session.run("known_name = 1")
        cell = session.execute("print('counts', flush=True)\nsum(range(10**12))")
        until_output(session, "counts", cell)
        until_computing(session)
        assert session.complete("known_na", 8).source in ("summary", "live")
        session.variables()
        session.inspect("known_name", 3)
        while session.interrupt() != "kill":
            continue
        assert session.wait(cell).status == "died"


def test_a_save_can_be_asked_for_and_labelled(shared: Session) -> None:
    cell = shared.run("x = 1").cell
    until(shared, lambda event: event.kind == "saved" and event.cell == cell)
    last = shared.status().last_event
    shared.save("milestone")
    saved = until(shared, lambda event: event.kind == "saved" and event.seq > last)[-1]
    found = {checkpoint.checkpoint: checkpoint for checkpoint in shared.checkpoints()}
    labelled = [checkpoint for checkpoint in found.values() if checkpoint.label == "milestone"]
    assert len(labelled) == 1 and labelled[0].checkpoint >= saved.body.checkpoint  # type: ignore[union-attr]
    status = shared.status()
    assert status.checkpoint == max(found)
    assert status.saved_cell is not None


def test_a_session_that_was_closed_does_nothing_more(shared: Session) -> None:
    other = another(shared)
    events = other.events()
    next(events)
    other.detach()
    other.close()
    with pytest.raises(ConnectionLost):
        other.status()
    assert shared.state == "idle"


def test_the_hosts_death_is_told_to_everybody_who_waits() -> None:
    with started() as session:
        cell = waiting_cell(session)
        raised: list[BaseException] = []

        def wait() -> None:
            try:
                session.wait(cell)
            except PyshellError as exc:
                raised.append(exc)

        def follow() -> None:
            try:
                list(session.events())
            except PyshellError as exc:
                raised.append(exc)

        threads = [threading.Thread(target=target) for target in (wait, follow)]
        for thread in threads:
            thread.start()
        until(session, lambda event: event.cell == cell and event.kind == "output")
        worker = session.pid
        assert worker is not None
        kill(host_of(session), worker)
        for thread in threads:
            thread.join(SECONDS)
        assert [type(exc) for exc in raised] == [ConnectionLost] * 2
        with pytest.raises(ConnectionLost):
            session.execute("1")


def test_ending_a_session_twice_is_no_error() -> None:
    session = pyshell.start("twice")
    with session:
        with another(session) as other:
            session.kill()
            other.kill()
