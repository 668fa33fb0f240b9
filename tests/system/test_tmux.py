"""The console in tmux, which has the terminal and shows it on another one.

Runs in: tests.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyshell import errors, starting
from tests.terminal import Terminal

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed here"),
]
NAME = "work"
WAIT = 30.0
SETTINGS = "set -g allow-passthrough on\nset -g set-clipboard on\nset -g escape-time 0\nset -g status off\n"


@pytest.fixture(autouse=True)
def session() -> Iterator[None]:
    yield
    with contextlib.suppress(errors.SessionNotFound):
        starting.connect(NAME).kill()


@pytest.fixture
def socket(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "tmux"
    yield path
    subprocess.run(["tmux", "-S", str(path), "kill-server"], capture_output=True, check=False)


def tmux(socket: Path, term: str, size: tuple[int, int] = (100, 30), **env: str) -> Terminal:
    """The console in a tmux that is shown on a terminal of that kind."""
    settings = socket.with_suffix(".conf")
    settings.write_text(SETTINGS)
    console = shlex.join([sys.executable, "-m", "pyshell", "new", "-s", NAME])
    command = ["tmux", "-u", "-S", str(socket), "-f", str(settings), "new-session", console]
    environ = {name: value for name, value in os.environ.items() if name not in ("TMUX", "TMUX_PANE")}
    terminal = Terminal(command, size=size, env={**environ, "TERM": term, "TMUX": "", "LANG": "C.UTF-8", **env})
    terminal.wait_screen(r"idle · In \[1\]", WAIT)
    return terminal


def run(terminal: Terminal, *lines: str, shows: str) -> None:
    terminal.send("".join(line + "\r" for line in lines))
    terminal.wait_screen(shows, WAIT)


def test_cells_panels_and_a_paste(socket: Path) -> None:
    with tmux(socket, "xterm-256color") as terminal:
        run(terminal, "x = [1, {'k': 2}]", "x", shows=r"^Out\[2\]: \[1, \{'k': 2\}\]$")
        terminal.send("\x1b[18~")  # F7
        terminal.wait_screen(r"^ ▸ x +list +2 ", WAIT)
        terminal.send("q")
        terminal.wait_screen(r"^In \[3\]:", WAIT)
        terminal.send("\x1b[200~def f():\r    return '漢字'\r\rf()\r\x1b[201~")
        terminal.wait_screen(r"^ *\.\.\.: f\(\)$", WAIT)
        run(terminal, "", shows=r"^Out\[3\]: '漢")
        run(terminal, "for n in range(100): print('line', n)", "", shows=r"^line 99$")
        terminal.send("\x1b[5~\x1b[5~")
        terminal.wait_screen("lines below", WAIT)
        terminal.resize(80, 24)
        terminal.send("\x1b[6~" * 5)
        terminal.wait_screen("^line 99$", WAIT)
        run(terminal, "6 * 7", shows=r"^Out\[5\]: 42$")


def test_what_is_copied_goes_through(socket: Path) -> None:
    with tmux(socket, "xterm-256color") as terminal:
        terminal.send("one two\x1b[1;2D\x1b[1;2D\x1b[1;2D\x1bw")
        terminal.wait(lambda: "dHdv" in terminal.raw, WAIT, "OSC 52")


@pytest.mark.science
@pytest.mark.skipif(shutil.which("tic") is None, reason="tic, which describes terminals, is not installed here")
def test_a_figure_goes_through_to_kitty(socket: Path, tmp_path: Path) -> None:
    """tmux shows the characters that stand for it; the picture itself is passed on."""
    pytest.importorskip("matplotlib")
    described = tmp_path / "kitty.ti"
    described.write_text("xterm-kitty|a terminal like it,\n\tuse=xterm-256color,\n")
    subprocess.run(["tic", "-o", str(tmp_path / "terminfo"), str(described)], check=True)
    with tmux(socket, "xterm-kitty", TERMINFO=str(tmp_path / "terminfo")) as terminal:
        terminal.send("import matplotlib.pyplot as plt; _ = plt.plot([3, 1, 2])\r")
        terminal.wait(lambda: "\x1b_Ga=T,U=1,q=2,f=100,i=16," in terminal.raw, WAIT, "the picture")
        terminal.wait(lambda: "\U0010eeee" in terminal.raw, WAIT, "its characters")
        # The emulator of the tests takes what it does not know for text, which may stand behind that.
        run(terminal, "6 * 7", shows=r"^Out\[2\]: 42")


@pytest.mark.science
def test_a_tmux_without_sixel_shows_half_blocks(socket: Path) -> None:
    pytest.importorskip("matplotlib")
    with tmux(socket, "xterm-256color") as terminal:
        run(terminal, "import matplotlib.pyplot as plt", "_ = plt.plot([3, 1, 2])", shows="^▀▀▀▀▀▀▀▀▀▀")
        terminal.wait_screen(r"saved In \[2\]", WAIT)
        terminal.send("\x1b[15~v")  # F5
        terminal.wait_screen("any key goes back", WAIT)
        terminal.send("qq")
        run(terminal, "6 * 7", shows=r"^Out\[3\]: 42$")


@pytest.mark.skipif(shutil.which("less") is None, reason="less is not installed here")
def test_a_program_gets_the_terminal_and_the_console_takes_it_back(socket: Path) -> None:
    with tmux(socket, "xterm-256color") as terminal:
        run(terminal, "!seq 1000 | less", shows="^29$")
        terminal.send("G")
        terminal.wait_screen("^1000$", WAIT)
        terminal.send("q")
        terminal.wait_screen(r"^In \[2\]:", WAIT)
        run(terminal, "6 * 7", shows=r"^Out\[2\]: 42$")
