"""The console on a real session, as a person uses it: a terminal, a host, a worker.

Runs in: tests.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyshell import errors, handshake, starting
from tests.sessions import becomes_true, until_computing
from tests.terminal import Terminal

pytestmark = pytest.mark.scenario
NAME, OTHER = "work", "second"
WAIT = 30.0
F7, F8, F9, F10 = "\x1b[18~", "\x1b[19~", "\x1b[20~", "\x1b[21~"


def console(*arguments: str, size: tuple[int, int] = (100, 30), **options: object) -> Terminal:
    command = [sys.executable, "-m", "pyshell", *(arguments or ("new", "-s", NAME))]
    return Terminal(command, size=size, **options)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def session() -> Iterator[None]:
    yield
    for name in (NAME, OTHER):
        with contextlib.suppress(errors.SessionNotFound):
            starting.connect(name).kill()


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with console() as terminal:
        terminal.wait_screen(r"idle · In \[1\]", WAIT)
        yield terminal


def run(terminal: Terminal, *lines: str, shows: str) -> None:
    """Type lines, Enter after each, and wait for what must appear."""
    terminal.send("".join(line + "\r" for line in lines))
    terminal.wait_screen(shows, WAIT)


def leave(terminal: Terminal) -> str:
    """Ctrl-D, and what is on the normal screen after it."""
    terminal.send("\x04")
    while terminal.read(WAIT):
        continue
    assert terminal.process.wait(10) == 0
    return terminal.text[terminal.text.rindex("\r\n", 0, terminal.text.rindex("In [1]:")) :]


def test_commands_at_the_prompt(terminal: Terminal) -> None:
    run(terminal, "%time 6 * 7", shows=r"^Wall time: ")
    terminal.wait_screen(r"^Out\[1\]: 42$", WAIT)
    run(terminal, "%%bash", "echo one; echo two", "", shows=r"^two$")
    run(terminal, "for n in range(2):", "!echo program {n}", "", shows=r"^program 1$")
    run(terminal, "!read line; echo got $line", shows=r"In \[4\] running")
    terminal.send("\x1bOS")  # F4
    terminal.wait_screen("Keys go to the program", WAIT)
    terminal.send("word\r\x1d")
    terminal.wait_screen(r"^got word$", WAIT)
    run(terminal, "%load 1", shows=r"^In \[6\]: %time 6 \* 7$")
    run(terminal, "", shows=r"^Out\[6\]: 42$")


def test_keys_are_the_prompts_again_when_the_program_has_ended(terminal: Terminal) -> None:
    """Otherwise nothing answers any more, and nothing says why."""
    run(terminal, "!read line; echo got $line", shows=r"In \[1\] running")
    terminal.send("\x1bOS")  # F4
    terminal.wait_screen("Keys go to the program", WAIT)
    terminal.send("word\r")
    terminal.wait_screen(r"^got word$", WAIT)
    terminal.wait_screen(r"idle · In \[2\]", WAIT)
    run(terminal, "6 * 7", shows=r"^Out\[2\]: 42$")


def test_what_was_typed_ahead_answers_no_question_that_nobody_has_seen(terminal: Terminal) -> None:
    run(terminal, "rows = (n for n in 'ab')", shows=r"saved In \[1\]")
    run(terminal, "import os; os.kill(os.getpid(), 9)", shows=r"Run them\? y yes")
    run(terminal, "vars().keys() & {'rows'}", shows=r"^Out\[3\]: set\(\)$")
    assert "Never run again" not in terminal.screen


def test_cells_values_and_names(terminal: Terminal) -> None:
    run(terminal, "x = 6 * 7", "x", shows=r"^Out\[2\]: 42$")
    run(terminal, "def f(n):", "return n + 1", "", "f(x)", shows=r"^Out\[4\]: 43$")
    run(terminal, "1 / 0", shows=r"^ZeroDivisionError: division by zero$")
    terminal.wait_screen(r"saved In \[5\]", WAIT)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="what a process has loaded is read from /proc")
def test_no_process_of_ours_has_loaded_tls(terminal: Terminal) -> None:
    run(terminal, "6 * 7", shows=r"^Out\[1\]: 42$")
    with starting.connect(NAME) as session:
        host = handshake.check_peer(session._control._connection._channel.stream.sock)
        loaded = {pid: Path(f"/proc/{pid}/maps").read_text() for pid in (terminal.process.pid, host, session.pid)}
    assert len(loaded) == 3
    assert not [pid for pid, maps in loaded.items() if "_ssl." in maps or "libssl" in maps]


def test_a_cell_behind_a_space_is_run_and_forgotten(terminal: Terminal) -> None:
    run(terminal, " secret = 41", "secret + 1", shows=r"^Out\[2\]: 42$")
    assert "secret = 41" not in terminal.screen and "In [1]: # kept out of the history" in terminal.screen
    terminal.send("\x1b[A\x1b[A")  # of what is gone through there is only the other one
    terminal.wait_screen(r"^In \[3\]: secret \+ 1$", WAIT)


def test_a_cell_in_the_background_leaves_the_prompt_free(terminal: Terminal, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    loop = f"while not os.path.exists({str(gate)!r}): time.sleep(0.01)"
    run(terminal, "import os, time", "def f():", loop, "", shows=r"In \[3\]")
    run(terminal, "f(); 6 * 7 ;;", shows=r"^In\[3\] runs in the background")
    terminal.wait_screen(r"1 in the background", WAIT)
    run(terminal, "%queue", shows=r"^No cell waits")
    gate.touch()
    terminal.wait_screen(r"^In\[3\] has ended in the background", WAIT)
    assert re.search(r"^Out\[3\]: 42$", terminal.screen, re.MULTILINE)


def test_cells_typed_before_the_worker_is_ready_run_in_order() -> None:
    with console() as terminal:
        terminal.wait_screen(r"^In \[1\]:", WAIT)
        run(terminal, "a = 1", "b = a + 1", "a, b", shows=r"^Out\[3\]: \(1, 2\)$")


def test_colours_and_progress(terminal: Terminal) -> None:
    run(terminal, "print('\\x1b[31mred\\x1b[0m plain')", shows=r"^red plain$")
    row = next(n for n, line in enumerate(terminal.screen.split("\n")) if line == "red plain")
    assert [terminal._screen.buffer[row][column].fg for column in (0, 4)] == ["red", "default"]
    run(terminal, "for n in range(5): print(f'\\r{n} of 4', end='')", "", shows=r"^4 of 4$")
    assert "3 of 4" not in terminal.screen


def test_input_and_passwords(terminal: Terminal) -> None:
    run(terminal, "name = input('name? ')", shows=r"^name\?$")
    terminal.wait_screen("waits for input", WAIT)
    run(terminal, "Bob", shows=r"^name\? Bob$")
    run(terminal, "import getpass", "secret = getpass.getpass()", shows="waits for a password")
    run(terminal, "s3cret", shows=r"^In \[4\]:")
    assert "s3cret" not in terminal.text
    run(terminal, "name, len(secret)", shows=r"^Out\[4\]: \('Bob', 6\)$")


def test_a_debugger(terminal: Terminal) -> None:
    run(terminal, "def f(n):", "breakpoint()", "return n", "", "f(42)", shows=r"^\(Pdb\)$")
    run(terminal, "n", shows=r"^-> return n$|^\(Pdb\) n$")
    run(terminal, "c", shows=r"^Out\[2\]: 42$")


def test_a_crash_is_survived(terminal: Terminal) -> None:
    run(terminal, "import os", "x = list(range(5))", shows=r"saved In \[2\]")
    run(terminal, "print('last words', end=''); os.kill(os.getpid(), 11)", shows="SIGSEGV")
    terminal.wait_screen(r"═ RESTART: epoch 2 ═", WAIT)
    assert re.search("^last words$", terminal.screen, re.MULTILINE)
    terminal.wait_screen(r"^Restored in .*: .*x", WAIT)
    run(terminal, "x", shows=r"^Out\[4\]: \[0, 1, 2, 3, 4\]$")


def test_cells_that_could_run_again_are_asked_about(terminal: Terminal, tmp_path: Path) -> None:
    opens = f"import os; os.chdir({str(tmp_path)!r}); log = open('log', 'w')"
    run(terminal, "rows = (n for n in 'ab')", opens, shows=r"saved In \[2\] · 2 unsaved")
    run(terminal, "import os; os.kill(os.getpid(), 9)", shows=r"Run them\? y yes")
    terminal.wait_screen(r"^ In\[2\] +log .*wrote log", WAIT)
    terminal.send("y")
    terminal.wait_screen(r"^Made again: rows\.$", WAIT)
    run(terminal, "%replay --never 1", "import os; os.kill(os.getpid(), 9)", shows=r"Run them\? y yes")
    terminal.wait_screen(r"^ In\[1\] +rows .*never", WAIT)
    terminal.send("n")
    terminal.wait_screen(r"idle · In \[7\]", WAIT)  # keys that come together with it are for the prompt, and so is it
    run(terminal, "'rows' in globals()", shows=r"^Out\[7\]: False$")


def test_cells_typed_ahead_of_a_crash_are_held(terminal: Terminal, tmp_path: Path) -> None:
    os.mkfifo(gate := tmp_path / "gate")
    run(terminal, f"import os; open({str(gate)!r}).close(); os.kill(os.getpid(), 9)", shows=r"In \[1\] running")
    run(terminal, "'one'", "'two'", shows=r"'two' +\(queued\)")
    with open(gate, "w"):
        terminal.wait_screen("2 cells are held", WAIT)
    run(terminal, "", shows=r"^Out\[3\]: 'two'$")


def test_ctrl_c(terminal: Terminal) -> None:
    run(terminal, "import time", "time.sleep(1000)", shows=r"In \[2\] running")
    terminal.send("next = 1\x03")
    terminal.wait_screen("^KeyboardInterrupt$", WAIT)
    terminal.wait_screen(r"^In \[3\]: next = 1$", WAIT)


def test_code_that_holds_the_interpreter_is_killed_at_last(terminal: Terminal) -> None:
    run(terminal, "kept = 'kept'", shows=r"saved In \[1\]")
    run(terminal, "sum(range(10 ** 15))", shows=r"In \[2\] running")
    with starting.connect(NAME) as session:
        until_computing(session)  # a Ctrl-C that comes before is heard
    for sign in ("Interrupt sent. Ctrl-C", "the stack is above", r"RESTART: epoch 2"):
        terminal.send("\x03")
        terminal.wait_screen(sign, WAIT)
    run(terminal, "kept", shows=r"^Out\[3\]: 'kept'$")


def test_a_paste_is_whole_and_not_run(terminal: Terminal) -> None:
    terminal.send("\x1b[200~def f():\r    return '漢字'\r\rprint(f())\r\x1b[201~")
    terminal.wait_screen(r"^   \.\.\.: print\(f\(\)\)$", WAIT)
    assert r"In [2]" not in terminal.screen
    run(terminal, "", shows=r"^漢\s?字")


def test_completion(terminal: Terminal) -> None:
    run(terminal, "import os", shows=r"saved In \[1\]")
    with starting.connect(NAME) as session:
        # The first answer may come too late on a busy machine, and nobody asks for it again.
        assert becomes_true(lambda: session.complete("os.getpi", 8).matches)
    terminal.send("os.getpi\t")
    terminal.wait_screen(r"^In \[2\]: os\.getpid", WAIT)


def test_the_call_and_what_is_chosen_are_described(terminal: Terminal) -> None:
    run(terminal, "def scale(values, factor=2):", "'Multiply.'", "return values", "", shows=r"saved In \[1\]")
    with starting.connect(NAME) as session:
        # The first answer may come too late on a busy machine, and nobody asks for it again.
        assert becomes_true(lambda: session.complete("sca", 3).matches and session.inspect("scale([1], ", 11).call)
    terminal.send("scale([1], ")
    terminal.wait_screen(r"^ scale\(values, factor=2\)", WAIT)
    terminal.send("\x15sca")
    terminal.wait_screen(r" f scale *$", WAIT)  # nobody asked
    terminal.send("\t\t")
    terminal.wait_screen(r"^In \[2\]: scale$", WAIT)


def test_cells_of_other_sessions_are_suggested_and_found(terminal: Terminal) -> None:
    run(terminal, "far = 'away'", shows=r"saved In \[1\]")
    leave(terminal)
    with console("new", "-s", "second") as other:
        try:
            other.wait_screen(r"idle · In \[1\]", WAIT)
            other.send("\x12awa")
            other.wait_screen(r'search: awa.* 1 of 1, in session "work"', WAIT)
            run(other, "", "", "far", shows=r"^Out\[2\]: 'away'$")
        finally:
            starting.connect("second").kill()


def test_the_program_knows_the_size_of_the_terminal(terminal: Terminal) -> None:
    run(terminal, "import os", "os.get_terminal_size()", shows=r"columns=100, lines=30")
    terminal.resize(77, 20)
    terminal.wait_screen(r"^ work · epoch 1", WAIT)
    run(terminal, "os.get_terminal_size()", shows=r"columns=77, lines=20")


def test_leaving_keeps_the_transcript_and_attaching_brings_it_back(terminal: Terminal) -> None:
    run(terminal, "x = 'still here'", "x", shows=r"^Out\[2\]: 'still here'$")
    left = leave(terminal)
    assert "Out[2]: 'still here'\r\n" in left
    assert left.rstrip().endswith("pyshell attach -t work")
    with console("attach", "-t", NAME) as again:
        again.wait_screen(r"^Out\[2\]: 'still here'$", WAIT)
        run(again, "x + '!'", shows=r"^Out\[3\]: 'still here!'$")


def test_a_closed_window_leaves_the_session_running(terminal: Terminal) -> None:
    run(terminal, "x = 1", shows=r"saved In \[1\]")
    terminal.hang_up()
    terminal.process.wait(WAIT)
    with console("attach", "-t", NAME) as again:
        run(again, "x + 1", shows=r"^Out\[2\]: 2$")


def test_a_killed_host_is_replaced(terminal: Terminal) -> None:
    run(terminal, "x = 41", shows=r"saved In \[1\]")
    run(terminal, "import os; os.getppid()", shows=r"^Out\[2\]: \d+$")
    terminal.wait_screen(r"saved In \[2\]", WAIT)
    match = re.search(r"^Out\[2\]: (\d+)$", terminal.screen, re.MULTILINE)
    assert match is not None
    os.kill(int(match[1]), signal.SIGKILL)
    terminal.wait_screen("Connecting again…", WAIT)
    run(terminal, "x + 1", shows=r"^Out\[\d+\]: 42$")


def test_a_session_that_is_killed_ends_the_console(terminal: Terminal) -> None:
    run(terminal, "1", shows=r"^Out\[1\]: 1$")
    starting.connect(NAME).kill()
    while terminal.read(WAIT):
        continue
    assert 'Session "work" has ended.' in terminal.text
    assert terminal.process.wait(10) == 0


def test_a_flood_and_an_endless_print() -> None:
    with console(emulate=False) as terminal:
        terminal.wait_text(r"idle · In \[1\]", WAIT)
        terminal.send("for n in range(200_000): print('line', n)\r\r")
        terminal.wait_text(r"line 199999", WAIT)
        terminal.wait_text(r"idle · In \[2\]", WAIT)
        terminal.send("while True: print('flood')\r\r")
        terminal.wait_text(r"In \[2\] running", WAIT)
        terminal.send("typed")
        terminal.wait_text(r"typed", WAIT)
        shown = len(terminal.text)
        terminal.send("\x03")
        terminal.wait_text("KeyboardInterrupt", WAIT, shown)


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed here")


@needs("vim")
def test_vim(terminal: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "written.txt"
    terminal.send(f"!vim -u NONE -N {path}\r")
    terminal.wait_screen("^~$", WAIT)
    assert "idle" not in terminal.screen
    terminal.send("ihello\x1b:wq\r")
    terminal.wait_screen(r"^In \[2\]:", WAIT)
    run(terminal, f"open({str(path)!r}).read()", shows=r"^Out\[2\]: 'hello\\n'$")


@needs("less")
def test_less(terminal: Terminal) -> None:
    terminal.send("!seq 1000 | less\r")
    terminal.wait_screen("^29$\n^:$", WAIT)
    terminal.send("G")
    terminal.wait_screen("^1000$", WAIT)
    terminal.send("q")
    terminal.wait_screen(r"^In \[2\]:", WAIT)
    assert "1000" not in terminal.screen.replace("seq 1000", "")


@needs("top")
def test_top_follows_the_window(terminal: Terminal) -> None:
    terminal.send("!top -d 1\r")
    terminal.wait_screen("PID +USER", WAIT)
    terminal.resize(90, 20)
    terminal.wait(lambda: terminal.screen.count("\n") == 19 and "PID" in terminal.screen, WAIT)
    terminal.send("q")
    terminal.wait_screen(r"^In \[2\]:", WAIT)


@needs("bash")
def test_a_shell_with_its_own_line_editing(terminal: Terminal) -> None:
    terminal.send("!PS1='shell> ' bash --norc --noprofile\r")
    terminal.wait_screen("^shell>$", WAIT)
    terminal.send("ho 20 + 2\x01ec\r")  # Ctrl-A goes to the start of the line
    terminal.wait_screen(r"^20 \+ 2$", WAIT)
    terminal.send("exit\r")
    terminal.wait_screen(r"^In \[2\]:", WAIT)


CURSES = "import curses, os, signal, threading; w = curses.initscr(); curses.raw(); w.addstr('drawn'); w.refresh()"


def test_a_program_that_is_killed_leaves_the_terminal_clean(terminal: Terminal) -> None:
    dies = CURSES + "; w.getch(); os.kill(os.getpid(), signal.SIGKILL)"
    terminal.send(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {dies!r}]).returncode\r")
    terminal.wait_screen("^drawn$", WAIT)
    terminal.send("x")
    terminal.wait_screen(r"^Out\[1\]: -9$", WAIT)
    run(terminal, "6 * 7", shows=r"^Out\[2\]: 42$")


def test_a_worker_that_dies_under_a_program_gives_the_terminal_back(terminal: Terminal) -> None:
    terminal.send(f"{CURSES}; w.getch(); os.kill(os.getpid(), signal.SIGKILL)\r")
    terminal.wait_screen("^drawn$", WAIT)
    terminal.send("x")
    terminal.wait_screen(r"═ RESTART: epoch 2 ═", WAIT)
    run(terminal, "6 * 7", shows=r"^Out\[\d\]: 42$")


def test_a_cell_that_leaves_the_terminal_without_echo_is_put_right(terminal: Terminal) -> None:
    terminal.send(f"{CURSES}; w.getch(); 1 / 0\r")
    terminal.wait_screen("^drawn$", WAIT)
    terminal.send("x")
    terminal.wait_screen("^ZeroDivisionError", WAIT)
    run(terminal, "import termios; bool(termios.tcgetattr(0)[3] & termios.ICANON)", shows=r"^Out\[2\]: True$")


def test_a_figure_is_drawn(terminal: Terminal) -> None:
    pytest.importorskip("matplotlib")
    run(terminal, "import matplotlib.pyplot as plt", "_ = plt.plot([3, 1, 2])", shows="^▀▀▀▀▀▀▀▀▀▀")
    run(terminal, "6 * 7", shows=r"^Out\[3\]: 42$")


@needs("less")
def test_a_flood_is_folded_and_all_of_it_is_in_the_pager(terminal: Terminal) -> None:
    run(terminal, "for n in range(3000): print('line', n)", "", shows="^line 2999$")
    terminal.wait_screen(r"^In \[2\]:", WAIT)
    terminal.send("\x1b[17~")  # F6
    terminal.wait_screen("^line 28$", WAIT)
    terminal.send("/line 1500\r")
    terminal.wait_screen("^line 1500$", WAIT)
    terminal.send("q")
    terminal.wait_screen(r"^In \[2\]:", WAIT)
    terminal.send("\x1b[15~/line 1234\r")  # F5
    terminal.wait_screen("^line 1234$", WAIT)
    terminal.send("q")
    run(terminal, "6 * 7", shows=r"^Out\[2\]: 42$")


@needs("less")
def test_f6_after_a_flood_that_is_longer_than_what_is_kept(terminal: Terminal) -> None:
    run(terminal, "for n in range(0, 300_000, 1000):", "print(*range(n, n + 1000), sep=chr(10))", "", shows="^299999$")
    terminal.wait_screen(r"^In \[2\]:", WAIT)
    terminal.send("\x1b[17~")
    terminal.wait_screen("^28$", WAIT)
    terminal.send("q")
    terminal.wait_screen(r"^In \[2\]:", WAIT)


def test_panels_show_what_the_session_has_while_a_cell_runs(terminal: Terminal) -> None:
    run(terminal, "x = [1, {'k': 2}]", "import os; os.read(0, 1)", shows=r"In \[2\] running")
    run(terminal, "y = 3", "z = 4", shows=r"z = 4 +\(queued\)")
    terminal.send(F7)
    terminal.wait_screen(r"^ ▸ x +list +2 ", WAIT)
    terminal.send("\r")
    terminal.wait_screen(r"▸ \[1\] +dict ", WAIT)
    terminal.send(F9)
    terminal.wait_screen(r"Queue: 2 waiting", WAIT)
    terminal.send("GK")
    terminal.wait_screen(r"^ +In \[4\] .*\n +In \[3\] ", WAIT)
    terminal.send("d")
    terminal.wait_screen(r"Queue: 1 waiting", WAIT)
    terminal.send("q\x1bOS")  # F4
    terminal.wait_screen("Keys go to the program", WAIT)
    terminal.send("\r\x1d")
    terminal.wait_screen(r"saved In \[3\]", WAIT)
    terminal.send(F8)
    terminal.wait_screen(r"^ @ +\d+ +\[3\] ", WAIT)
    terminal.send("\x1b[F\r")
    terminal.wait_screen(r"after In \[1\]\)\?", WAIT)
    terminal.send("y")
    terminal.wait_screen(r"The session is at state 1", WAIT)
    terminal.send("q")
    run(terminal, "'y' in vars()", shows=r"^Out\[5\]: False$")


def test_another_session_is_gone_to_and_ended(terminal: Terminal) -> None:
    run(terminal, "here = 'first'", shows=r"saved In \[1\]")
    with starting.start(OTHER) as second:
        assert second.run("here = 'second'").status == "ok"
        terminal.send(F10)
        terminal.wait_screen(r"^   second +idle ", WAIT)
        terminal.send("\x1b[A\r")
        terminal.wait_screen(r"^ second · .* idle · In \[2\]", WAIT)
        run(terminal, "here", shows=r"^Out\[2\]: 'second'$")
        terminal.send(F10)
        terminal.wait_screen(rf"^   {NAME} +idle ", WAIT)
        terminal.send("x")
        terminal.wait_screen(r'End the session "second" \(idle\)\?', WAIT)
        terminal.send("y")
        while terminal.read(WAIT):
            continue
    assert terminal.process.wait(10) == 0


def test_a_long_cell_that_ends_while_one_looks_elsewhere_is_told_of(terminal: Terminal) -> None:
    terminal.send("\x1b[O")
    run(terminal, "import time; time.sleep(10)", shows=r"saved In \[1\]")
    assert re.search(r"\x1b]9;pyshell: In \[1\] has ended after 1\d s\x07", terminal.raw)


def test_it_draws_little_when_nothing_happens(terminal: Terminal) -> None:
    run(terminal, "1", shows=r"saved In \[1\]")
    terminal.settle(0.3)
    shown = len(terminal.text)
    terminal.settle(quiet=3.0, seconds=3.0)
    assert len(terminal.text) - shown < 200


def test_what_is_typed_while_the_session_comes_up_is_run() -> None:
    with console() as terminal:
        terminal.wait_screen(r"^In \[1\]:", WAIT)
        run(terminal, "6 * 7", shows=r"^Out\[1\]: 42$")


def test_a_session_that_cannot_come_up_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with console(env={"XDG_STATE_HOME": str(tmp_path / "file")}) as terminal:
        terminal.wait_text(r"error: .*could not be started", WAIT)
        while terminal.read(WAIT):
            continue
        assert terminal.process.wait(WAIT) == 1


def test_without_a_screen() -> None:
    with console("new", "-s", NAME, env={"TERM": "dumb"}) as terminal:
        terminal.wait_text(r"In \[1\]: $")
        terminal.send("name = input('name? ')\n")
        terminal.wait_text(r"\nname\? $")
        terminal.send("Bob\n")
        terminal.wait_text(r"In \[2\]: $")
        terminal.send("import getpass; len(getpass.getpass())\n")
        terminal.wait_text(r"\nPassword: $")
        terminal.send("s3cret\n")
        terminal.wait_text(r"\nOut\[2\]: 6\r\n(.*\n)*In \[3\]: $")
        assert "s3cret" not in terminal.text
        terminal.send("print('on'); [n for n in iter(int, 1)]\n")
        terminal.wait_text(r"\non\r\n")
        terminal.send("\x03")
        terminal.wait_text(r"KeyboardInterrupt\r\n(.*\n)*In \[4\]: $")
        terminal.send("import os; os.kill(os.getpid(), 9)\n")
        terminal.wait_text(r"SIGKILL(.*\n)*In \[5\]: $")
        terminal.send("name\n")
        terminal.wait_text(r"Out\[5\]: 'Bob'\r\n(.*\n)*In \[6\]: $")
        terminal.send("\x04")
        terminal.wait_text("Come back with: pyshell attach -t work")
        assert "\x1b" not in terminal.raw.replace("\x1b[?2004h", "").replace("\x1b[?2004l", "")  # readline's own
    with console("attach", "-t", NAME, "--plain", env={"NO_COLOR": "1"}) as terminal:
        terminal.wait_text(r"In \[6\]: $")
        assert "\x1b[2J" not in terminal.raw and "\x1b[?1049h" not in terminal.raw
