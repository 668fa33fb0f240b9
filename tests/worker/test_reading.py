"""Programs that a cell starts and that wait for a line: every client is asked, and its line gets there.

Runs in: tests.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pyshell import Session
from pyshell.host.processes.blocked import READ
from pyshell.protocol import InputDone, InputRequest
from tests.live import PATIENCE, live, wait_for

pytestmark = pytest.mark.skipif(not READ, reason="the system does not tell who reads the terminal")

LINE, PASSWORD = InputRequest("", False), InputRequest("", True)
PROGRAMS = {
    "in front": ("!read x; echo got-$$x", "got-Ada"),
    "on /dev/tty": ("!read x </dev/tty; echo got-$$x", "got-Ada"),
    "whose output is taken": ("x = !read x; echo got-$$x\nprint(x)", "['got-Ada']"),
    "of subprocess": ("import subprocess\nsubprocess.run(['sh', '-c', 'read x; echo got-$x'])", "got-Ada"),
    "of os.system": ("import os\nos.system('read x; echo got-$x')", "got-Ada"),
    "whose output Python reads": (
        "import subprocess\nprint(subprocess.check_output(['sh', '-c', 'read x; echo got-$x']).decode())",
        "got-Ada",
    ),
    "that has been forked": (
        "import os\nif not (pid := os.fork()): os.write(1, b'got-' + os.read(0, 9)), os._exit(0)\nos.waitpid(pid, 0)",
        "got-Ada",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with live("reading") as made:
        yield made


def asked(session: Session, cell: int, after: int = 0) -> tuple[InputRequest, int]:
    """The next question of the cell, and its number."""
    event = wait_for(session, lambda event: event.kind == "input_request", cell, after)
    assert isinstance(event.body, InputRequest)
    return event.body, event.seq


@pytest.mark.parametrize(("code", "answer"), PROGRAMS.values(), ids=PROGRAMS)
def test_a_program_gets_the_line_that_it_waits_for(session: Session, code: str, answer: str) -> None:
    cell = session.execute(code)
    assert asked(session, cell)[0] == LINE
    assert session.status().waiting_for_input == LINE
    session.input("Ada")
    reply = session.wait(cell, PATIENCE)
    assert reply.status == "ok" and answer in reply.output
    assert session.status().waiting_for_input is None


def test_each_line_is_asked_for_until_the_end(session: Session) -> None:
    cell = session.execute("x = !cat | tr a-z A-Z\nprint(*x)")
    after = 0
    for line in ("one", "two", "three"):
        request, after = asked(session, cell, after)
        assert request == LINE
        session.input(line)
    after = asked(session, cell, after)[1]
    session.input_end()
    reply = session.wait(cell, PATIENCE)
    assert reply.status == "ok" and "ONE TWO THREE" in reply.output


def test_a_password_is_not_shown(session: Session) -> None:
    cell = session.execute("!stty -echo; read p </dev/tty; stty echo; read n; echo $$n-${#p}")
    request, after = asked(session, cell)
    assert request == PASSWORD
    session.input("sesame")
    assert asked(session, cell, after)[0] == LINE
    session.input("Ada")
    assert "Ada-6" in session.wait(cell, PATIENCE).output
    assert not any("sesame" in repr(event.body) for event in session.so_far(cell))


def test_ctrl_c_ends_the_program_that_waits(session: Session) -> None:
    cell = session.execute("!exec cat")
    asked(session, cell)
    session.interrupt()
    assert session.wait(cell, PATIENCE).status == "interrupted"
    assert session.status().waiting_for_input is None


def test_who_types_keys_answers_too(session: Session) -> None:
    cell = session.execute("!read x; read y; echo $$x-$$y")
    after = asked(session, cell)[1]
    session.keys(b"raw\r")
    done = wait_for(session, lambda event: isinstance(event.body, InputDone), cell, after)
    asked(session, cell, done.seq)
    session.keys(b"keys\r")
    assert "raw-keys" in session.wait(cell, PATIENCE).output


def test_the_workers_own_question_is_asked_once(session: Session) -> None:
    cell = session.execute("import subprocess\nname = input('name? ')\nsubprocess.run(['sh', '-c', 'read x'])")
    request, after = asked(session, cell)
    assert request == InputRequest("name? ", False)
    session.input("Ada")
    assert asked(session, cell, after)[0] == LINE
    session.input("Bob")
    session.wait(cell, PATIENCE)
    requests = [event.body for event in session.so_far(cell) if event.kind == "input_request"]
    assert requests == [request, LINE]


def test_a_pipeline_that_reads_nothing_asks_nothing(session: Session) -> None:
    cell = session.execute("!yes | head -3; echo begun; head -c 100 /dev/zero | wc -c")
    assert session.wait(cell, PATIENCE).status == "ok"
    assert not any(event.kind == "input_request" for event in session.so_far(cell))
