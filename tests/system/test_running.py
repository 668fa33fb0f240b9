"""`pyshell run`: scripts that are killed, fail, are changed and started again; the examples of the documentation.

Runs in: tests, against real hosts and workers.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest

import pyshell
from pyshell import Session
from pyshell.host.processes.blocked import READ
from pyshell.protocol import Event, Saved
from tests.sessions import host_of, kill, reach, until, until_output
from tests.terminal import Terminal

ROOT = Path(pyshell.__file__).parents[1]
EXAMPLES = ROOT / "docs" / "examples"
KILLS = 5

SCRIPT = '''\
"""What it is."""
import sys

def said(what):
    print(what)
    return what

first = said("one")

second = [first, said("two")]
said((__name__, __file__, sys.argv))
'''


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "config" / "pyshell" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text("[saving]\nautosave_seconds = 0.1\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])))
    monkeypatch.chdir(tmp_path)


def begin(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pyshell", "run", "-s", "r", *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def run(*arguments: str, given: str = "") -> tuple[int, str, str]:
    process = begin(*arguments)
    out, err = process.communicate(given, timeout=120)
    return process.returncode, out, err


def end() -> None:
    with reach("r") as session:
        session.kill()


def write(text: str) -> str:
    Path("script.py").write_text(text)
    return "script.py"


def test_a_script_runs_as_python_runs_it() -> None:
    script = write(SCRIPT)
    plain = subprocess.run([sys.executable, script, "a", "b c"], capture_output=True, text=True)
    assert run(script, "a", "b c") == (0, plain.stdout, "")
    status, out, err = run(script, "a", "b c")
    assert (status, out) == (0, "") and "nothing has changed" in err


def test_standard_error_is_kept_apart() -> None:
    script = write(
        "import sys, warnings\nprint('out 1', flush=True); print('err 1', file=sys.stderr)\n"
        "sys.stderr.write('half ')\nprint('out 2')\nsys.stderr.write('a line\\n')\nwarnings.warn('beware')\n"
    )
    plain = subprocess.run([sys.executable, script], capture_output=True, text=True)
    status, out, err = run(script)
    assert (status, out) == (0, plain.stdout)
    assert err.startswith("err 1\nhalf a line\n") and "UserWarning: beware" in err


def test_what_was_changed_is_run_again_and_what_follows_it() -> None:
    run(write(SCRIPT))
    status, out, err = run(write(SCRIPT.replace('said("two")', 'said("new")')))
    assert (status, out) == (0, f"new\n('__main__', {str(Path('script.py').absolute())!r}, ['script.py'])\n")
    assert "script.py:10" in err
    assert run("script.py", "argument")[1].startswith("one\nnew\n")  # sys.argv is before everything
    assert run("--fresh", "script.py")[1].startswith("one\nnew\n")
    assert run("--restart", "10", "script.py")[1].startswith("new\n(")
    status, out, err = run("--restart", "99", "script.py")
    assert (status, out) == (2, "") and "ends before line 99" in err


def test_a_statement_that_fails_leaves_the_session_to_be_mended() -> None:
    script = write("values = [1, 0]\n\nprint('begun')\nshares = [1 / value for value in values]\nprint(shares)\n")
    status, out, err = run(script)
    assert (status, out) == (1, "begun\n")
    file = Path("script.py").absolute()
    assert f'File "{file}", line 4, in <module>\n    shares = [1 / value for value in values]\n' in err
    assert "ZeroDivisionError" in err and "--resume" in err
    with reach("r") as session:
        session.run("values.remove(0)")
    assert run("--resume", script)[:2] == (0, "[1.0]\n")


def test_it_has_the_scripts_exit_status_and_input() -> None:
    script = write("name = input()\nimport sys\nsys.exit(f'no {name}')\nprint('never')\n")
    assert run(script, given="luck\n") == (1, "", "no luck\n")
    end()
    script = write("import sys\nif __name__ == '__main__':\n    print('''a\n    b''')\n    sys.exit(3)\n    print(4)\n")
    assert run("--fresh", script)[:2] == (3, "a\n    b\n")
    end()
    script = write("import sys\nprint('\\x1b[1mbold\\x1b[0m 1\\r2')\nsys.exit()\nprint(3)")
    assert run("--fresh", script)[:2] == (0, "2\n")
    assert run("--fresh", write("def f(:\n"))[0] == 1
    end()


LISTENS = """
import subprocess
program = '''
import os, threading
def listen():
    for line in open(0): print("heard", line, end="", flush=True)
listening = threading.Thread(target=listen)
listening.start()
while not os.path.exists("told"): pass
print("works on", flush=True)
listening.join()
'''
subprocess.run([__import__("sys").executable, "-c", program])
"""


@pytest.mark.skipif(not READ, reason="the system does not tell who reads the terminal")
def test_a_program_that_listens_while_it_prints_is_heard() -> None:
    process = begin(write(LISTENS))
    assert process.stdin is not None and process.stdout is not None
    with reach("r") as session:
        until(session, lambda event: event.kind == "input_request")
    Path("told").touch()
    assert process.stdout.readline() == "works on\n"
    process.stdin.write("one\ntwo\n")
    out, err = process.communicate(timeout=60)  # which is the end of what it hears
    assert (process.returncode, out, err) == (0, "heard one\nheard two\n", "")


def test_of_a_password_the_terminal_shows_nothing() -> None:
    script = write("from getpass import getpass\nprint('got', len(getpass()))\nprint('hello', input('name? '))\n")
    with Terminal([sys.executable, "-m", "pyshell", "run", "-s", "r", script]) as terminal:
        terminal.wait(lambda: not shows_what_is_typed(terminal), 60)
        terminal.send("secret\r")
        terminal.wait_text(r"name\? ")
        assert shows_what_is_typed(terminal)
        terminal.send("Ann\r")
        terminal.wait_text("hello Ann")
        assert terminal.process.wait(60) == 0
        assert "got 6" in terminal.screen and "secret" not in terminal.screen and "name? Ann" in terminal.screen


def shows_what_is_typed(terminal: Terminal) -> bool:
    return bool(termios.tcgetattr(terminal.master)[3] & termios.ECHO)


def test_cells_and_notebooks_are_run_cell_by_cell() -> None:
    assert run(write("# %% one\nx = 1\nx\n# %% [markdown]\n# text\n# %% two\nprint(x + 1)\n"))[:2] == (0, "2\n")
    cells = [{"cell_type": "markdown", "source": "text"}, {"cell_type": "code", "source": ["x = 5\n", "x * 2"]}]
    Path("book.ipynb").write_text(json.dumps({"cells": [*cells, {"cell_type": "code", "source": "print(x)"}]}))
    assert run("--fresh", "book.ipynb")[:2] == (0, "10\n5\n")


DIES = (
    "import os\nif not os.path.exists('died'):\n    open('died', 'w').close()\n    os.kill(os.getpid(), 9)\n"
    "done.append(2)\n"
)


@pytest.mark.parametrize("kind", ["cells", "notebook"])
def test_cells_and_notebooks_go_on_after_a_death(kind: str) -> None:
    """The cell in which it died is run again, on the state before it; what was changed behind it is as it is now."""
    pieces = ["print('once')\ndone = [1]\n", DIES, "print(done)\n"]

    def put() -> str:
        if kind == "cells":
            return write("".join([f"# %%\n{piece}" for piece in pieces]))
        cells = [{"cell_type": "code", "source": piece} for piece in pieces]
        Path("book.ipynb").write_text(json.dumps({"cells": cells}))
        return "book.ipynb"

    status, out, err = run(put())
    assert (status, out) == (128 + signal.SIGKILL, "once\n") and "start it again to go on" in err
    pieces[2] = "print(done, 'changed')\n"
    status, out, err = run(put())
    assert (status, out) == (0, "[1, 2] changed\n") and "goes on" in err


def test_a_script_goes_on_after_a_reboot_and_can_be_looked_at_meanwhile(xdg: Path) -> None:
    waits = "while not os.path.exists('go'): time.sleep(0.01)\n"
    script = write(f"import os, time\nprint('begun', flush=True)\nn = [1]\n{waits}print('end', n)\n")
    process = begin(script)
    with reach("r") as session:
        until_output(session, "begun")
        command = [sys.executable, "-m", "pyshell", "attach", "-t", "r"]
        with Terminal(command, env={"PYTHONPATH": str(ROOT)}) as terminal:
            terminal.wait_screen("^begun$")
            terminal.wait_screen(r"In \[\d\] running")
            terminal.send("\x04")
            assert terminal.process.wait(60) == 0
        until(session, is_midway)
        kill_all(session, process)
    shutil.rmtree(xdg / "pyshell")  # sockets and tokens: a reboot takes them away
    Path("go").touch()
    status, out, err = run(script)
    assert (status, out) == (0, "end [1]\n") and "goes on" in err


def test_an_interrupt_stops_it_and_the_next_start_goes_on() -> None:
    loop = "import pyshell\n\nseen = []\nfor n in pyshell.resume(iter(lambda: 0, 1), 'endless'):\n    seen.append(n)\n"
    process = begin(write(f"print('once', flush=True)\n{loop}"))
    with reach("r") as session:
        until(session, is_midway)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert session.run("len(seen) - _resume['endless']['at'] in (0, 1)").result == "True"
    process.stdout.close(), process.stderr.close(), process.stdin.close()  # type: ignore[union-attr]
    process = begin("script.py")
    with reach("r") as session:
        until(session, is_midway, session.status().last_event)
        session.kill()
    out, err = process.communicate(timeout=30)
    assert "once" not in out and "goes on" in err


def is_midway(event: Event) -> bool:
    return isinstance(event.body, Saved) and event.body.line is not None


def comes_midway(session: Session) -> bool:
    """Wait until the script is saved in its middle; False if it ends before that."""
    return any(is_midway(event) for event in session.events(session.status().last_event))


def test_what_is_killed_between_statements_goes_on_there() -> None:
    """A statement without a loop of pyshell's is done again from its beginning, on the state before it."""
    slow = (
        "import os, time\ndone = []\nfor n in range(41):\n    done.append(n)\n"
        "    if not os.path.exists('go'): time.sleep(1)\n"
    )
    script = write(f"print('once')\n{slow}print(len(done), done == list(range(41)))\n")
    process = begin(script)
    with reach("r") as session:
        until(session, is_midway)
        kill_all(session, process)
    Path("go").touch()
    status, out, err = run(script)
    assert (status, out) == (0, "41 True\n")
    assert "goes on" in err


def test_a_run_goes_on_after_its_host_alone_was_killed() -> None:
    """The worker ends its statement without a host, and the next start takes that up, whether it has ended or not."""
    waits = "while not os.path.exists('go'): time.sleep(0.01)\n"
    script = write(f"import os, time\nbegun = [1]\n{waits}end = 'reached'\nprint(begun, end)\n")
    process = begin(script)
    with reach("r") as session:
        until(session, is_midway)
        kill(host_of(session))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1 and "again" in err, (out, err)
    Path("go").touch()
    status, out, err = run(script)
    assert (status, out.splitlines()[-1]) == (0, "[1] reached"), (out, err)
    assert "goes on" in err


def kill_all(session: Session, process: subprocess.Popen[str]) -> None:
    """The worker, the host and the command."""
    status = session.status()
    assert status.pid
    kill(host_of(session), status.pid)
    process.kill()
    process.communicate()


@pytest.mark.science
@pytest.mark.timeout(300)  # six starts and five deaths, with the imports of big libraries each time
@pytest.mark.parametrize(
    ("example", "arguments"),
    [("simulation.py", ("8000", "20000")), ("pipeline.py", ("100", "20000")), ("search.py", ("400",))],
)
def test_an_example_ends_with_the_same_numbers_however_often_it_is_killed(
    example: str, arguments: tuple[str, ...]
) -> None:
    for library in ("numpy", "pandas", "sklearn"):
        if library in (EXAMPLES / example).read_text():
            pytest.importorskip(library)
    path = str(EXAMPLES / example)
    expected = subprocess.run([sys.executable, path, *arguments], capture_output=True, text=True, check=True).stdout
    chance = random.Random(example)
    kills = 0
    options: tuple[str, ...] = ()
    while kills < KILLS:
        process = begin(*options, path, *arguments)
        with reach("r") as session:
            is_running = comes_midway(session)
            if is_running and kills < 2 and chance.random() < 0.6:  # a later one; near the end there may be none
                is_running = comes_midway(session)
            # On a busy machine it may be through before it is saved again: then it begins anew.
            options = () if is_running else ("--fresh",)
            kills += is_running
            if not is_running:
                process.communicate()
            elif chance.random() < 0.3:
                worker = session.pid
                assert worker
                kill(worker)
                assert process.wait(60) == 128 + signal.SIGKILL
                process.communicate()
            else:
                kill_all(session, process)
    status, out, err = run(path, *arguments)
    assert (status, out.splitlines()[-1]) == (0, expected.splitlines()[-1]), err  # before that are the bars
    assert "goes on" in err
