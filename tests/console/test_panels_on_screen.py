"""Panels, links and bars, on a real pseudo-terminal with a session that follows a script.

Runs in: tests.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.console.test_app import start
from tests.console.test_gallery import two_halves
from tests.sessions import becomes_true
from tests.terminal import Terminal

pytestmark = pytest.mark.scenario
F1, F5, F7, F8, F9, F10 = "\x1bOP", "\x1b[15~", "\x1b[18~", "\x1b[19~", "\x1b[20~", "\x1b[21~"
DOWN = "\x1b[B"


@pytest.fixture
def console() -> Iterator[Terminal]:
    with start(size=(100, 24)) as terminal:
        yield terminal


def runs(console: Terminal, cell: int, code: str) -> None:
    console.send(code + "\r")
    console.wait_screen(rf"saved In \[{cell}\]")


def test_variables_are_sorted_searched_and_opened(console: Terminal) -> None:
    runs(console, 1, "zebra = [1, {'k': 2}]; ape = 'text'")
    console.send(F7)
    console.wait_screen(r"^ ▸ zebra .*\n^   ape ")
    console.send("s")
    console.wait_screen(r"^   ape .*\n^ ▸ zebra ")
    console.send("r")
    console.wait_screen(r"^ ▸ zebra .*\n^   ape ")
    console.send("\r")
    console.wait_screen(r"^ ▾ zebra .*\n^     \[0\] .*\n^   ▸ \[1\] ")
    console.send("/ap\r")
    console.wait_screen("Variables: 1 of 2")
    assert "zebra" not in console.screen.split("\n")[2]
    console.send("e")
    console.wait_screen(r"^In \[2\]: ape$")


def test_a_frame_scrolls_by_window(console: Terminal) -> None:
    runs(console, 1, "from tests.console.told import Frame; frame = Frame(10_000_000, 300)")
    console.send(F7)
    console.wait_screen(r"frame +Frame")
    console.send("/frame\r" + DOWN + "\r")
    console.wait_screen(r"0\.0 +0\.1 +0\.2")
    console.send(":9999990\r")
    console.wait_screen(r"9999990\.0 +9999990\.1")
    console.send(">")
    console.wait_screen(r"9999990\.299")
    console.send("G")
    console.wait_screen(r"9999999\.299")
    console.send("qq")
    console.wait_screen("^scripted banner")


def test_the_timeline_goes_back_on_and_compares(console: Terminal) -> None:
    runs(console, 1, "x = 1")
    console.send(F8)
    console.wait_screen(r"@ +4 +\[4\]")
    console.send("u")
    console.wait_screen(r"@ +3 +\[3\]")
    console.send("r")
    console.wait_screen(r"@ +4 +\[4\]")
    console.send(DOWN + "d")
    console.wait_screen("From 3 to now:")
    console.send("l")
    console.wait_screen("label")
    console.send("\x15named so\r")
    console.send("\x1b[F\r")
    console.wait_screen(r"after In \[1\]\)\?")
    console.send("y")
    console.wait_screen("The session is at state 1")
    console.send("q")
    console.send("session.calls[-1]\r")
    console.wait_screen(r"^Out\[2\]:")
    console.send("('label', 3, 'named so') in session.calls\r")
    console.wait_screen(r"^Out\[3\]: True$")


def test_waiting_cells_are_reordered_taken_out_and_taken_back(console: Terminal) -> None:
    console.send("until(interrupted)\r'one'\r'two'\r'three'\r")
    console.wait_screen(r"'three' +\(queued\)")
    console.send(F9)
    console.wait_screen("Queue: 3 waiting")
    console.send("GKK")
    console.wait_screen(r"^ +In \[4\] .*\n +In \[2\] .*\n +In \[3\] ")
    console.send("d")
    console.wait_screen("Queue: 2 waiting")
    console.send("Ge")
    console.wait_screen(r"'two'$|'one'$")
    console.send("\x15\x03")
    console.wait_screen(r"^Out\[\d\]: '(one|two)'$")


def test_sessions_are_listed_and_help_is_searched(console: Terminal) -> None:
    console.send(F10)
    console.wait_screen(r"^   model +runs In\[12\]")
    console.send(F1)
    console.wait_screen("leave this session, which goes on")
    console.send("\x1b\x1b")
    console.wait_screen(r"^scripted banner")
    console.send(F1 + "/undo\r")
    console.wait_screen(r"^ Ctrl-_, Ctrl-- +undo")
    assert "Ctrl-R" not in console.screen


def test_a_link_is_a_link(console: Terminal) -> None:
    console.send("write('see \\x1b]8;;http://example.org/\\x1b\\\\the page\\x1b]8;;\\x1b\\\\ now\\n')\r")
    console.wait_screen(r"^see the page now$")
    assert "http://example.org/" not in console.screen.replace("8;;http", "")
    console.wait(lambda: "\x1b]8;" in console.raw and "http://example.org/" in console.raw, 30)


def test_bars_that_move_the_cursor_up_are_drawn_in_place(console: Terminal) -> None:
    console.send("write('\\n\\n')\r")
    console.wait_screen(r"^In \[2\]:")
    console.send("for n in range(50): write(f'\\x1b[2A\\r\\x1b[Kfirst {n}\\n\\x1b[Ksecond {2 * n}\\n')\r\r")
    console.wait_screen(r"^first 49$\n^second 98$")
    console.wait_screen(r"saved In \[2\]")
    assert "first 48" not in console.screen and "second 96" not in console.screen


def test_a_traceback_is_coloured_and_its_library_frames_are_opened() -> None:
    with start(size=(120, 60)) as console:
        console.send("import json; json.loads('{')\r")
        console.wait_screen(r"^  … \d frames in json$")
        console.wait_screen(r"^json\.decoder\.JSONDecodeError")
        rows = console.screen.split("\n")
        error = next(n for n, row in enumerate(rows) if row.startswith("json.decoder.JSON"))
        assert console._screen.buffer[error][0].fg == "red"
        console.send(F5 + "\r")
        console.wait_screen(r"json/decoder\.py")


def test_a_picture_is_opened_in_the_systems_viewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer, seen = tmp_path / "xdg-open", tmp_path / "seen"
    viewer.write_text(f'#!/bin/sh\ncp "$1" {seen}.part && mv {seen}.part {seen}; rm "$1"\n')
    viewer.chmod(viewer.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with start("--no-images", size=(100, 24)) as console:  # what is only named can be opened, too
        console.send(f"picture({two_halves()!r})\r")
        console.wait_screen(r"saved In \[1\]")
        console.send(F5 + "i")
        console.wait_screen("is opened by")
        assert becomes_true(seen.exists)
    assert seen.read_bytes() == two_halves()
