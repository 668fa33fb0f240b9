"""What a person finds on a real session: settings, colours, the status line, a debugger, frames, saved states.

Runs in: tests.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyshell import errors, starting
from pyshell.host.processes.blocked import READ
from tests.sessions import becomes_true
from tests.terminal import Terminal

pytestmark = pytest.mark.scenario
NAME = "work"
WAIT = 30.0
F1, F5, F7, F8 = "\x1bOP", "\x1b[15~", "\x1b[18~", "\x1b[19~"
LEFT, DOWN = "\x1b[D", "\x1b[B"


def console(*arguments: str, size: tuple[int, int] = (100, 30), **options: object) -> Terminal:
    command = [sys.executable, "-m", "pyshell", *(arguments or ("new", "-s", NAME))]
    terminal = Terminal(command, size=size, **options)  # type: ignore[arg-type]
    terminal.wait_screen(r"idle · In \[\d+\]", WAIT)
    return terminal


@pytest.fixture(autouse=True)
def session() -> Iterator[None]:
    yield
    with contextlib.suppress(errors.SessionNotFound):
        starting.connect(NAME).kill()


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with console() as terminal:
        yield terminal


@pytest.fixture
def settings(xdg: Path) -> Path:
    path = xdg / "config" / "pyshell" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def run(terminal: Terminal, *lines: str, shows: str) -> None:
    terminal.send("".join(line + "\r" for line in lines))
    terminal.wait_screen(shows, WAIT)


# --- settings ---------------------------------------------------------------------------------------


def test_keys_are_the_persons_and_so_is_the_help(settings: Path) -> None:
    settings.write_text('[keys]\nundo = "ctrl t"\nvariables = ["f12"]\nvariables_sort = "S"\n')
    with console() as terminal:
        terminal.send("one two\x17\x14")
        terminal.wait_screen(r"^In \[1\]: one two$", WAIT)
        run(terminal, "\x15zebra = 1; ape = 2", shows=r"saved In \[1\]")
        terminal.send("\x1b[24~")  # F12
        terminal.wait_screen(r"^   zebra .*\n^   ape ", WAIT)
        terminal.send("S")
        terminal.wait_screen(r"^   ape .*\n^   zebra ", WAIT)
        terminal.send("q" + F1)
        terminal.wait_screen(r"^ Ctrl-T +undo$|^ F12 +the variables", WAIT)


def test_a_mistake_in_the_settings_is_told_and_nothing_is_started(settings: Path) -> None:
    settings.write_text('[console]\ntheme = "dark"\n\n[keys]\nundoo = "ctrl t"\n')
    command = [sys.executable, "-m", "pyshell", "new", "-s", NAME]
    with Terminal(command, size=(160, 30)) as terminal:
        terminal.wait_text(r"config\.toml, line 5: undoo in \[keys\] is no command; did you mean undo\?", WAIT)
        while terminal.read(WAIT):
            continue
        assert terminal.process.wait(WAIT) == 2
    assert not starting.exists(NAME)


def test_vi_and_pythons_prompt_by_the_settings(settings: Path) -> None:
    settings.write_text('[console]\nediting = "vi"\nprompt = "python"\ntheme = "light"\n')
    with console() as terminal:
        terminal.wait_screen("INSERT", WAIT)
        terminal.send("40 + 3\x1b")
        terminal.wait_screen("NORMAL", WAIT)
        terminal.send("r2\r")
        terminal.wait_screen(r"^>>> 40 \+ 2\n42$", WAIT)


def test_the_end_of_a_long_cell_is_told_as_the_terminal_wants_it(settings: Path) -> None:
    settings.write_text("[console]\nnotify_after = 0.1\n")
    with console(env={"VTE_VERSION": "7000"}) as terminal:
        terminal.send("\x1b[O")  # the person looks elsewhere
        run(terminal, "import time; time.sleep(0.2)", shows=r"saved In \[1\]")
        terminal.wait(lambda: "\x1b]777;notify;pyshell;In [1] has ended" in terminal.raw, WAIT)
        terminal.send("\x1b[I")
        run(terminal, "time.sleep(0.2)", shows=r"saved In \[2\]")
        assert "notify;pyshell;In [2]" not in terminal.raw


# --- the terminal -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env", "has_colours"), [({"NO_COLOR": "1"}, False), ({"TERM": "xterm"}, True), ({"COLORTERM": "truecolor"}, True)]
)
def test_no_more_colours_than_the_terminal_has(env: dict[str, str], has_colours: bool) -> None:
    with console(env=env) as terminal:
        run(terminal, "def f(): return 'text'", "", "print('\\x1b[38;2;250;10;10mred\\x1b[0m')", shows=r"^red$")
        terminal.wait_screen(r"saved In \[2\]", WAIT)
        looks = re.findall(r"\x1b\[([\d;]*)m", terminal.raw)
        colours = {part for look in looks for part in look.split(";") if re.fullmatch(r"[349]\d|10\d", part)}
        assert bool(colours - {"39", "49"}) is has_colours
        assert any("38;2;250;10;10" in look for look in looks) is ("COLORTERM" in env)
        assert "38;5" not in "".join(looks) or "TERM" not in env


def test_a_window_of_300_by_100() -> None:
    with console(size=(300, 100)) as terminal:
        run(terminal, "for n in range(200): print(n, '-' * 290)", "", shows=r"^199 -{290}$")
        terminal.wait_screen(r"saved In \[1\]", WAIT)
        assert "In [2]:" in terminal.screen and re.search(r"^110 -{290}$", terminal.screen, re.MULTILINE)


def test_the_window_changes_while_a_cell_floods(terminal: Terminal) -> None:
    run(terminal, "while True: print('x' * 120)", "", shows=r"In \[1\] running")
    for size in ((60, 10), (132, 43), (20, 4), (100, 30)):
        terminal.resize(*size)
        terminal.wait(lambda: terminal.read(0.5), WAIT)
    terminal.send("\x03")
    terminal.wait_screen("^KeyboardInterrupt$", WAIT)
    run(terminal, "6 * 7", shows=r"^Out\[2\]: 42$")


# --- the status line --------------------------------------------------------------------------------


def test_the_status_line_tells_what_is_unsaved_how_much_memory_and_who_is_here() -> None:
    with console(size=(140, 30)) as terminal:
        tells(terminal)


def tells(terminal: Terminal) -> None:
    run(terminal, "rows = (n for n in 'ab')", shows=r"saved In \[1\] · 1 unsaved: rows")
    terminal.wait_screen(r"rows · \d+ MB", WAIT)
    with console("attach", "-t", NAME, size=(120, 30)) as other:
        other.wait_screen("1 other here", WAIT)
        run(other, "import os; os.read(0, 1)", shows=r"In \[2\] running \d s")
        terminal.wait_screen(r"1 other here", WAIT)
        other.send("\x1bOS")  # F4
        other.wait_screen("Keys go to the program", WAIT)
        other.send("x\r\x1d")
        terminal.wait_screen(r"saved In \[2\]", WAIT)


# --- a debugger -------------------------------------------------------------------------------------


def test_lines_of_the_debugger_are_edited(terminal: Terminal) -> None:
    run(terminal, "def f(n):", "breakpoint()", "return n", "", "f(41)", shows=r"^\(Pdb\)$")
    terminal.wait(lambda: "\x1b[?1049l" in terminal.raw, WAIT, "the terminal to be lent")
    terminal.send("p n + 1" + LEFT + "40" + "\x050\r")  # 40 before the 1, and 0 behind it
    terminal.wait_screen(r"^4051$", WAIT)


# --- programs ---------------------------------------------------------------------------------------


@pytest.mark.skipif(not READ, reason="the system does not tell who reads the terminal")
def test_what_is_typed_for_a_program_reaches_it_and_no_password_is_shown(terminal: Terminal) -> None:
    asks = "!read name; stty -echo; read word; stty echo; echo got-$$name-${#word}; cat"
    run(terminal, asks, shows=r"In \[1\] waits for input")
    run(terminal, "Ada", shows=r"In \[1\] waits for a password")
    run(terminal, "sesame", shows=r"^got-Ada-6$(.*\n)*.*waits for input")
    run(terminal, "to the end", shows=r"^to the end\nto the end$(.*\n)*.*waits for input")
    terminal.send("\x04")
    terminal.wait_screen(r"saved In \[1\]", WAIT)
    assert "sesame" not in terminal.text


# --- output -----------------------------------------------------------------------------------------


def test_an_error_in_an_earlier_cells_function_leads_there(terminal: Terminal) -> None:
    run(terminal, "def broken(x):", "return 1 / x", "", "broken(0)", shows="^ZeroDivisionError")
    assert re.search(r'^  File "<In\[1\]>", line 2, in broken\n    return 1 / x', terminal.screen, re.MULTILINE)
    terminal.send(F5 + "te")
    terminal.wait_screen(r"^In \[3\]: def broken\(x\):$", WAIT)


def test_bars_of_rich_stay_in_their_place(terminal: Terminal) -> None:
    pytest.importorskip("pip._vendor.rich.progress")
    run(terminal, "from pip._vendor.rich.progress import track", shows=r"saved In \[1\]")
    run(terminal, "for n in track(range(30), 'Working'): pass", "", shows=r"^Working\.* .*100%")
    terminal.wait_screen(r"saved In \[2\]", WAIT)
    assert terminal.screen.count("Working") == 2  # the code, and the bar as it was at last


def test_output_is_on_the_disk_and_is_saved_to_a_file(terminal: Terminal, tmp_path: Path) -> None:
    run(terminal, "for n in range(5000): print('line', n)", "", shows=r"^line 4999$")
    terminal.wait_screen(r"saved In \[1\]", WAIT)
    path = tmp_path / "all.txt"
    terminal.send(f"{F5}s\x15{path}\r")
    assert becomes_true(lambda: terminal.read(0.05) or path.exists())
    terminal.wait_screen("5,000 lines are in", WAIT)
    assert path.read_text().splitlines()[4999] == "line 4999"


# --- frames and saved states ------------------------------------------------------------------------


def test_a_frame_of_pandas_is_a_table(terminal: Terminal) -> None:
    pytest.importorskip("pandas")
    run(terminal, "import pandas as pd", "f = pd.DataFrame({'a': range(100_000), 'b': 'x'})", shows=r"saved In \[2\]")
    terminal.send(F7 + "/f\r")
    terminal.wait_screen(r"f +pandas\.DataFrame", WAIT)
    terminal.send("G\r")
    terminal.wait_screen(r"^ *0 +0 +'?x", WAIT)
    terminal.send(":77777\r")
    terminal.wait_screen(r"^ *77777 +77777 +'?x", WAIT)


def test_going_back_in_the_timeline_and_on_along_a_branch(terminal: Terminal) -> None:
    for number, code in enumerate(("x = 1", "x = 2", "y = 3"), 1):
        run(terminal, code, shows=rf"saved In \[{number}\]")
    terminal.send(F8)
    terminal.wait_screen(r"^ @ +3 +\[3\] .*\+ y", WAIT)
    terminal.send("u")
    terminal.wait_screen(r"^ @ +2 +\[2\] ", WAIT)
    terminal.send("r")
    terminal.wait_screen(r"^ @ +3 +\[3\] ", WAIT)
    terminal.send(DOWN * 2 + "d")
    terminal.wait_screen(r"From 1 to now:\n +added: y", WAIT)
    terminal.send("\ry")
    terminal.wait_screen(r"The session is at state 1", WAIT)
    terminal.send("q")
    run(terminal, "x, 'y' in globals()", shows=r"^Out\[4\]: \(1, False\)$")
    terminal.wait_screen(r"saved In \[4\]", WAIT)
    terminal.send(F8)
    terminal.wait_screen(r"^ .*@ +4 +\[4\] ", WAIT)
    assert "|" in terminal.screen  # a branch


# --- pipes ------------------------------------------------------------------------------------------


def test_into_a_pipe_there_is_nothing_but_what_was_said(terminal: Terminal) -> None:
    run(terminal, "x = 41", shows=r"saved In \[1\]")
    command = [sys.executable, "-m", "pyshell", "attach", "-t", NAME]
    done = subprocess.run(command, input="x + 1\n", capture_output=True, text=True, timeout=60, env=dict(os.environ))
    assert done.returncode == 0 and "42\n" in done.stdout and "\x1b" not in done.stdout
