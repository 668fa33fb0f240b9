"""The commands: tmux's verbs, and python's flags exactly as python has them.

Runs in: tests.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

import pyshell
from pyshell import cli, starting
from pyshell.errors import SessionNotFound, UsageError
from pyshell.subcommands import opening
from tests.sessions import host_of, kill, started, until_output
from tests.terminal import Terminal

ROOT = str(Path(pyshell.__file__).parents[1])
COMMAND = [sys.executable, "-m", "pyshell"]


def environ(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": ROOT, **more}


def run(*arguments: str, given: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command with pipes instead of a terminal."""
    return subprocess.run(
        [*COMMAND, *arguments], input=given, capture_output=True, text=True, env=environ(), cwd=cwd, timeout=60
    )


def as_python(*arguments: str, given: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], input=given, capture_output=True, text=True, env=environ(), cwd=cwd, timeout=60
    )


class Listed(NamedTuple):
    """A line of `pyshell ls`, without the memory and the interpreter, which nobody can know in advance."""

    name: str
    state: str
    clients: str
    directory: str
    last_line: str


def listed(name: str) -> Listed:
    answer = run("ls")
    assert (answer.returncode, answer.stderr) == (0, "")
    head, *lines = answer.stdout.splitlines()
    columns = [head.index(word) for word in ("NAME", "STATE", "MEMORY", "CLIENTS", "PYTHON", "DIRECTORY", "LAST LINE")]
    (line,) = (line for line in lines if line.startswith(f"{name} "))
    parts = [line[start:end].strip() for start, end in zip(columns, [*columns[1:], None], strict=True)]
    assert re.fullmatch(r"|[\d.]+ [kMG]B", parts.pop(2))
    python = parts.pop(3)
    # Only a host knows the version; the environment is known from the interpreter's path.
    assert re.fullmatch(r"|\d\.\d+\.\d+.*", python) or re.match("saved|does not answer|host died", parts[1])
    return Listed(*parts)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "beside.py").write_text("import sys\nvalue = 1\nif __name__ == '__main__':\n    print(sys.argv)\n")
    path = tmp_path / "script.py"
    path.write_text("import sys, beside\nprint(sys.argv, __name__, __file__, beside.value)\nsys.exit(3)\n")
    return path


@pytest.mark.parametrize(
    "arguments",
    [
        ("-c", "import sys; print(sys.argv, sys.flags.interactive)", "a", "-x"),
        ("-c", "raise SystemExit(7)"),
        ("-c", "1 / 0"),
        ("-c", "import os; os._exit(9)"),
        ("-c", "import os; os.kill(os.getpid(), 15)"),
        ("-c", "import os; os.abort()"),
        ("-c", "syntax error"),
        ("-c",),
        ("-m", "beside", "one", "-V", "--two"),
        ("-m", "no.such.module"),
        ("script.py", "a", "--help"),
        ("missing.py",),
        ("-",),
        (),
    ],
)
def test_what_python_runs_is_run_as_python_does(script: Path, arguments: tuple[str, ...]) -> None:
    given = "import sys\nprint('from stdin', sys.argv, sys.stdin.isatty())\nsys.exit(4)\n"
    ours, theirs = (f(*arguments, given=given, cwd=script.parent) for f in (run, as_python))
    assert (ours.returncode, ours.stdout, ours.stderr) == (theirs.returncode, theirs.stdout, theirs.stderr)
    assert starting.names() == []


def test_an_interrupt_ends_it_as_it_ends_python() -> None:
    code = "import time; print('on', flush=True); time.sleep(600)"
    with subprocess.Popen(
        [*COMMAND, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ()
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == b"on\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == -signal.SIGINT


def test_another_interpreter_can_run_it(pythons: dict[str, str]) -> None:
    for version, python in pythons.items():
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        assert run("--python", python, "-c", code).stdout == f"{version}\n"
        assert run(f"--python={python}", "-c", code).stdout == f"{version}\n"


def test_settings_are_shown_and_written_once(xdg: Path) -> None:
    file = xdg / "config" / "pyshell" / "config.toml"
    shown = run("config").stdout
    assert '\n# theme = "terminal"\n' in shown and '\n# undo = ["ctrl _", "ctrl -"]\n' in shown
    assert str(file) in run("config", "--create").stdout
    assert file.read_text() == shown
    again = run("config", "--create")
    assert again.returncode == 2 and "is there already" in again.stderr
    file.write_text('[console]\ntheme = "light"\n')
    assert '\ntheme = "light"\n' in run("config").stdout
    file.write_text('[console]\ntheme = "pink"\n')
    wrong = run("config")
    assert wrong.returncode == 2 and f"{file}, line 2: theme must be" in wrong.stderr


def test_the_doctor_looks_at_the_terminal_and_the_installation(xdg: Path) -> None:
    piped = run("doctor")
    assert piped.returncode == 0 and "lines only" in piped.stdout and "fork" in piped.stdout
    wrong = run("doctor", "--python", "/bin/false")
    assert wrong.returncode == 1 and "✗ worker" in wrong.stdout and "--python" in wrong.stdout
    answers = {b"\x1b[c": b"\x1b[?62;4;22c"}
    with Terminal([sys.executable, "-m", "pyshell", "doctor"], size=(120, 50), answers=answers) as terminal:
        terminal.wait_screen("^✓ terminal .*TERM=xterm-256color, 120x50")
        terminal.wait_screen("^✓ colours +256")
        terminal.wait_screen("^✓ sixel +yes: F5 and v ")
        terminal.wait_screen("^. disk ")


def test_version_and_help() -> None:
    for flag in ("-V", "--version"):
        assert run(flag).stdout == f"pyshell {pyshell.__version__} (Python {sys.version.split()[0]})\n"
    for flag in ("-h", "--help"):
        answer = run(flag)
        assert (answer.returncode, answer.stderr) == (0, "")
        for verb in (*cli.COMMANDS, "-c", "-m", "-i", "--python"):
            assert verb in answer.stdout
    for verb in cli.COMMANDS:
        assert f"pyshell {verb}" in run(verb, "-h").stdout


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("-x",), 2, "unknown option '-x'"),
        (("--python",), 2, "needs the path"),
        (("--python", "/no/such", "-c", "1"), 1, "no program that can be run"),
        (("new", "-s", "a/b"), 2, "cannot name a session"),
        (("new", "-z"), 2, "unrecognized arguments"),
        (("kill",), 2, "required: -t"),
        (("kill", "-t", "nobody"), 1, 'no session "nobody"'),
        (("attach", "-t", "nobody"), 1, 'no session "nobody"'),
        (("attach",), 1, "no session yet"),
        (("replay", "nobody", "--as", "new"), 1, 'no session "nobody"'),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(arguments: tuple[str, ...], status: int, words: str) -> None:
    answer = run(*arguments)
    assert (answer.returncode, answer.stdout) == (status, "")
    assert words in answer.stderr
    assert "Traceback" not in answer.stderr
    assert starting.names() == []


def test_a_session_from_its_start_to_its_end(tmp_path: Path) -> None:
    assert run("ls").stdout == 'no sessions; "pyshell" starts one\n'
    made = run("new", "-s", "work", "-d", cwd=tmp_path)
    assert (made.returncode, made.stderr) == (0, "")
    assert '"pyshell attach -t work"' in made.stdout
    again = run("new", "-s", "work", "-d")
    assert again.returncode == 1 and "is running already" in again.stderr
    with pyshell.connect("work") as session:
        session.run("x = 1")
        assert listed("work")[1:] == ("idle", "1", str(tmp_path), "")
        cell = session.execute("import signal\nprint('on', flush=True)\nsignal.pause()")
        until_output(session, "on", cell)
        assert re.fullmatch(r"runs In\[2\] \d+ s", listed("work").state)
        assert listed("work").last_line == "on"
    asked = run("kill", "-t", "work")
    assert asked.returncode == 2 and "-f" in asked.stderr
    with pyshell.connect("work") as session:
        assert session.status().cell == cell
    ended = run("kill", "-t", "work", "-f")
    assert ended.returncode == 0 and "attach -t work" in ended.stdout
    assert re.fullmatch(r"saved \d\d:\d\d", listed("work").state) and listed("work").directory == str(tmp_path)
    refused = run("new", "-s", "work", "-d")
    assert refused.returncode == 1 and 'session "work" is saved; "pyshell attach -t work"' in refused.stderr
    assert run("kill", "-t", "work").returncode == 1
    with started("work") as session:
        assert session.run("x").result == "1"


def test_names_come_from_the_directory_and_are_never_taken_twice(tmp_path: Path) -> None:
    directory = tmp_path / "my data"
    directory.mkdir()
    try:
        for _ in range(2):
            assert run("new", "-d", cwd=directory).returncode == 0
        assert starting.names() == ["my-data", "my-data-2"]
    finally:
        for name in starting.names():
            assert run("kill", "-t", name, "-f").returncode == 0


def test_a_host_that_was_killed_is_a_saved_session() -> None:
    with started("work") as session:
        session.run("1")
        worker = session.pid
        assert worker is not None
        kill(host_of(session), worker)
    assert listed("work").state.startswith("saved ")
    assert run("kill", "-t", "work").returncode == 1


def test_a_host_that_is_stopped_is_listed_as_such() -> None:
    with started("work") as session:
        host = host_of(session)
        os.kill(host, signal.SIGSTOP)
        try:
            assert listed("work").state == "does not answer"
        finally:
            os.kill(host, signal.SIGCONT)


def console(*arguments: str, cwd: Path, **more: str) -> Terminal:
    return Terminal([*COMMAND, *arguments], env=environ(**more), cwd=cwd)


def leave(terminal: Terminal) -> None:
    """Ctrl-D at an empty prompt, with nothing running."""
    terminal.wait_screen(r"idle · ")
    terminal.send("\x04")
    while terminal.read(60):
        continue
    assert terminal.process.wait(60) == 0


def end_all() -> None:
    for name in starting.names():
        run("kill", "-t", name, "-f")


def test_a_session_is_replayed_in_another_python(pythons: dict[str, str], tmp_path: Path) -> None:
    """Its functions are compiled there; what depends on the version is said to differ."""
    version = next((version for version in ("3.13", "3.12", "3.10") if version in pythons), None)
    if version is None or sys.version_info[:2] == tuple(map(int, version.split("."))):
        pytest.skip("there is no other Python")
    with started("here", cwd=str(tmp_path)) as session:
        session.run("import sys\ndef minor(): return sys.version_info[1]")
        session.run("same = [n * n for n in range(4)]\nsame")
        session.wait_saved(session.run("found = minor()\nfound").cell)
        answer = run("replay", "here", "--as", "there", "--python", pythons[version], cwd=tmp_path)
        there = version.partition(".")[2]
        assert answer.returncode == 1 and answer.stderr == "", answer
        assert "In[2] as before" in answer.stdout and f"In[3] gave {there}, before" in answer.stdout, answer.stdout
        assert f"found is int {there}, before int" in answer.stdout and "same is" not in answer.stdout
        with starting.connect_or_start("there") as other:
            assert other.run("minor()").result == there
            other.kill()


def test_kill_asks_when_a_cell_runs(tmp_path: Path) -> None:
    with started("work") as session:
        cell = session.execute("import signal\nprint('on', flush=True)\nsignal.pause()")
        until_output(session, "on", cell)
        for answer, status in (("n\r", 1), ("\x04", 1), ("y\r", 0)):
            with console("kill", "-t", "work", cwd=tmp_path) as terminal:
                terminal.wait_text(r"In\[1\] runs\. End it\? \[y/N\]")
                assert session.status().cell == cell
                terminal.send(answer)
                while terminal.read(60):
                    continue
                assert terminal.process.wait(60) == status
                assert "Traceback" not in terminal.text


def test_alone_it_starts_a_session_and_offers_it_the_next_time(tmp_path: Path) -> None:
    directory = tmp_path / "fit"
    directory.mkdir()
    try:
        with console(cwd=directory) as terminal:
            terminal.wait_screen(r"In \[1\]|In\[1\]")
            terminal.send("x = 6 * 7\r")
            terminal.wait_screen(r"In \[2\]|In\[2\]")
            leave(terminal)
            assert "attach -t fit" in terminal.text
        with console(cwd=directory) as terminal:
            terminal.wait_text(r"fit: idle, In\[2\] next[\s\S]*\[a\]ttach")
            terminal.send("q\r")
            assert terminal.process.wait(60) == 0
        with console(cwd=directory) as terminal:
            terminal.wait_text(r"\[a\]ttach")
            terminal.send("\r")
            terminal.wait_screen(r"In \[2\]|In\[2\]")
            terminal.send("x\r")
            terminal.wait_screen(r"\b42$")
            leave(terminal)
    finally:
        end_all()


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (("-c", "import sys; x = sys.argv", "one"), r"Out ?\[2\]: \['-c', 'one'\]"),
        (("script.py", "two"), r"Out ?\[2\]: \['script.py', 'two'\]"),
        (("-m", "beside", "three"), r"Out ?\[2\]: \['beside.py', 'three'\]"),
    ],
)
def test_a_console_on_what_was_run(script: Path, arguments: tuple[str, ...], shown: str) -> None:
    (script.parent / "script.py").write_text("import sys\nx = sys.argv\n")
    (script.parent / "beside.py").write_text("import os, sys\nx = [os.path.basename(sys.argv[0]), *sys.argv[1:]]\n")
    try:
        with console("-i", *arguments, cwd=script.parent) as terminal:
            terminal.wait_screen(r"In \[2\]|In\[2\]")
            terminal.send("x\r")
            terminal.wait_screen(shown)
            leave(terminal)
    finally:
        end_all()


def test_a_script_that_is_missing_leaves_no_session(tmp_path: Path) -> None:
    with console("-i", "missing.py", cwd=tmp_path) as terminal:
        while terminal.read(60):
            continue
        assert terminal.process.wait(60) == 2
        assert "missing.py is no file" in terminal.text
    assert starting.names() == []


def test_who_only_looks_on_wakes_no_saved_session(tmp_path: Path) -> None:
    with started("asleep", cwd=str(tmp_path)) as session:
        session.run("x = 1")
        session.kill()
    refused = run("attach", "-t", "asleep", "--read-only")
    assert refused.returncode == 1 and "is only saved" in refused.stderr and "pyshell log -t asleep" in refused.stderr
    assert listed("asleep").state.startswith("saved")


def test_attaching_to_a_saved_session_brings_it_back(tmp_path: Path) -> None:
    with started("work") as session:
        session.run("x = 'kept'")
        session.kill()
    try:
        with console("attach", cwd=tmp_path) as terminal:
            terminal.wait_screen(r"In \[2\]|In\[2\]")
            terminal.send("x\r")
            terminal.wait_screen(r"Out ?\[2\]: 'kept'")
            leave(terminal)
    finally:
        end_all()


@pytest.mark.parametrize(
    ("environment", "colors"),
    [
        ({"TERM": "xterm-256color"}, 256),
        ({"TERM": "xterm"}, 16),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, 1 << 24),
        ({"TERM": "dumb", "COLORTERM": "truecolor"}, 1),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, 1),
        ({}, 16),
    ],
)
def test_the_terminals_colours(environment: Mapping[str, str], colors: int) -> None:
    assert opening.colors(environment) == colors


def test_options_end_where_pythons_arguments_begin() -> None:
    assert cli._python_options(["-i", "--python", "p", "x.py", "-i"]) == ("p", True, ["x.py", "-i"])
    assert cli._python_options(["-c", "1", "-i"]) == (None, False, ["-c", "1", "-i"])
    with pytest.raises(UsageError):
        cli._python_options(["--python"])


def test_the_timeline_is_drawn_for_a_running_and_a_saved_session() -> None:
    with started("lined") as session:
        first = session.wait_saved(session.run("x = 1").cell)
        session.wait_saved(session.run("x = 2\ny = 3").cell)
        session.restore(first)
        session.wait_saved(session.run("x = 'branch'").cell)
        running = run("log", "-t", "lined")
        session.kill()
    saved = run("log")
    assert running.stdout == saved.stdout and (running.returncode, saved.stderr) == (0, "")
    lines = running.stdout.splitlines()
    assert [line[:3] for line in lines] == ["@  ", "| *", "|-'", "*  "]
    assert [line.rpartition("  ")[2] for line in lines if "In[" in line] == ["x = 'branch'", "x = 2 …", "x = 1"]
    assert ["[x]" in lines[0], "[x, y]" in lines[1], "[x]" in lines[3]] == [True] * 3
    assert starting.names() == ["lined"]


def test_a_saved_session_is_taken_to_another_state_and_stays_saved() -> None:
    with started("moved") as session:
        first = session.wait_saved(session.run("x = 1; gen = (n for n in ())").cell)
        second = session.wait_saved(session.run("x = 2").cell)
        answer = run("restore", "-t", "moved", str(first))
        assert answer.returncode == 0 and f"is at state {first} after In[1]; state {second}" in answer.stdout
        assert session.run("x").result == "1"
        session.kill()
    answer = run("restore", "-t", "moved", "redo")
    assert answer.returncode == 0 and f"is at state {second}" in answer.stdout
    assert "not restored: gen (generator)" in answer.stdout
    with pytest.raises(SessionNotFound):
        starting.connect("moved")
    wrong = run("restore", "-t", "moved", "99").stderr
    assert wrong == 'pyshell: there is no checkpoint 99; "pyshell log" lists the saved states\n'
    assert run("restore", "-t", "moved", "x").returncode == 2
    assert run("log", "-t", "nowhere").stderr == 'pyshell: there is no session "nowhere"; "pyshell ls" lists them\n'


def test_states_are_named_compared_and_forgotten_by_the_persons_rule(xdg: Path) -> None:
    config = xdg / "config" / "pyshell"
    config.mkdir(parents=True)
    (config / "config.toml").write_text("[keep]\nrecent = 2\nevery = 0\n")
    with started("kept") as session:
        states = [session.wait_saved(session.run(f"x = {n}\nz{n} = 1").cell) for n in range(6)]
        session.wait_saved(session.run("del x").cell)
        assert run("label", str(states[1]), "good one").stdout == f'state {states[1]} is kept as "good one"\n'
        assert '"good one"' in run("log").stdout
        session.kill()
    assert run("diff", str(states[0]), str(states[1])).stdout == "+ z1  int  In[2]\n~ x  int  In[2]\n"
    assert run("diff", str(states[5])).stdout == "- x  int  In[6]\n"
    assert run("diff", "99").returncode == 1
    done = run("prune", "-t", "kept")
    assert done.returncode == 0 and done.stdout.startswith("4 states forgotten"), done
    left = [line for line in run("log").stdout.splitlines() if "In[" in line]
    assert len(left) == 3 and '"good one"' in left[2]
    assert run("label", str(states[1])).stdout == f"state {states[1]} has no name\n"
    assert run("check").returncode == 0


def test_a_damaged_store_is_told() -> None:
    with started("checked") as session:
        session.wait_saved(session.run("x = list(range(1000))").cell)
        pack = next((session._paths.store / "packs").glob("*.pack"))
        session.kill()
    sound = run("check")
    assert (sound.returncode, sound.stdout) == (0, 'what session "checked" has saved is sound\n')
    data = bytearray(pack.read_bytes())
    data[40] ^= 255
    pack.write_bytes(data)
    broken = run("check", "-t", "checked")
    assert broken.returncode == 1 and "damaged" in broken.stdout
