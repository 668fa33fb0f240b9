"""Editing at the prompt, on a real pseudo-terminal with a session that follows a script.

Runs in: tests.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest

from tests.console.test_app import start
from tests.terminal import Terminal

pytestmark = pytest.mark.scenario
ALT, UNDO, REDO, LEFT, UP, SHIFT_TAB = "\x1b", "\x1f", "\x1b_", "\x1b[D", "\x1b[A", "\x1b[Z"


@pytest.fixture
def console() -> Iterator[Terminal]:
    with start() as terminal:
        yield terminal


@pytest.fixture
def vi() -> Iterator[Terminal]:
    with start("--vi", size=(100, 24)) as terminal:
        yield terminal


def prompt(console: Terminal) -> int:
    """The row in which the text begins."""
    rows = console.screen.split("\n")
    return max([number for number, row in enumerate(rows) if row.startswith("In [")])


def types(console: Terminal, keys: str, *lines: str) -> None:
    """Press keys, and wait until the lines stand at the prompt."""
    console.send(keys)
    first, *more = lines
    pattern = rf"^In \[\d+\]: {re.escape(first)}$" + "".join([rf"\n^ *\.\.\.: ?{re.escape(line)}$" for line in more])
    console.wait_screen(pattern, 30)


def test_the_bracket_at_the_cursor_and_its_partner_are_marked(console: Terminal) -> None:
    types(console, "f(a[0])", "f(a[0])")
    begin = len("In [1]: ")

    def marked() -> list[int]:
        row = console._screen.buffer[prompt(console)]
        return [column - begin for column in range(begin, begin + 7) if row[column].underscore]

    console.wait(lambda: marked() == [1, 6], 30, "the round brackets")
    console.send(LEFT * 2)
    console.wait(lambda: marked() == [3, 5], 30, "the square ones")


def test_undo_and_redo(console: Terminal) -> None:
    types(console, "one two", "one two")
    types(console, "\x17", "one")
    types(console, UNDO, "one two")
    types(console, REDO, "one")
    types(console, "!" + UNDO + UNDO, "one two")


def test_cut_and_put_back(console: Terminal) -> None:
    types(console, "one two", "one two")
    types(console, LEFT * 3 + "\x00\x05\x18", "one")  # Ctrl-Space, Ctrl-E, Ctrl-X
    types(console, "\x01\x19", "twoone")  # Ctrl-A, Ctrl-Y
    types(console, "\x0b\x19", "twoone")  # Ctrl-K cuts, too
    console.wait(lambda: "\x1b]52;c;dHdv\x07" in console.raw, 30, "OSC 52 with what was cut")


def test_lines_are_indented_dedented_and_commented(console: Terminal) -> None:
    types(console, "if x:\ra\rb", "if x:", "    a", "    b")
    types(console, ALT + "a" + "\t", "    if x:", "        a", "        b")
    types(console, ALT + "a" + SHIFT_TAB, "if x:", "    a", "    b")
    types(console, ALT + "a" + ALT + ";", "# if x:", "#     a", "#     b")
    types(console, ALT + "a" + ALT + ";", "if x:", "    a", "    b")


def test_enter_indents_and_dedents(console: Terminal) -> None:
    types(console, "def f():\rif x:\rreturn 1\rpass", "def f():", "    if x:", "        return 1", "    pass")


def test_a_paste_loses_its_prompts(console: Terminal) -> None:
    console.send("\x1b[200~>>> def f():\r...     return 6 * 7\r...\r>>> f()\r42\r\x1b[201~")
    console.wait_screen(r"^ *\.\.\.: f\(\)$")
    assert ">>>" not in console.screen
    console.send("\r")
    console.wait_screen(r"^In \[2\]:")
    types(console, "f()", "f()")
    console.send("\r")
    console.wait_screen(r"^Out\[2\]: 42$")
    console.send("\x1b[200~In [7]: x = 8\r\rIn [8]: x\rOut[8]: 8\r\x1b[201~\r")
    console.wait_screen(r"^In \[4\]:")
    console.send("x + 1\r")
    console.wait_screen(r"^Out\[4\]: 9$")


def test_440_kilobytes_are_pasted_whole(console: Terminal) -> None:
    lines = [f"x_{number:05} = 'a line of what is pasted at once, {number}'" for number in range(8800)]
    data = ("\x1b[200~" + "\r".join(lines) + "\x1b[201~").encode()
    assert len(data) > 440_000
    while data:  # a terminal that does not read what it is answered would stand still
        data = data[os.write(console.master, data[:4000]) :]
        console.read(0)
    console.wait_screen(r"x_08799 = .*, 8799'$", 60)
    console.send("  # typed")
    console.wait_screen(r"8799'  # typed$", 60)
    console.send(ALT + "\r")
    console.wait_screen(r"saved In \[1\]", 60)
    console.send("x_00000, x_08799\r")
    console.wait_screen(r"^    'a line of what is pasted at once, 0',$", 60)


def test_a_cell_of_a_thousand_lines_is_coloured_where_one_types(console: Terminal) -> None:
    console.send("\x1b[200~" + "\r".join([f"def f{n}(): return {n}" for n in range(1000)]) + "\x1b[201~")
    console.wait_screen(r"def f999\(\): return 999$", 60)
    console.send("; import os")
    console.wait_screen(r"return 999; import os$", 60)

    def looks() -> list[str]:
        row = next(n for n, line in enumerate(console.screen.split("\n")) if line.endswith("import os"))
        text = console.screen.split("\n")[row]
        return [console._screen.buffer[row][text.index(word)].fg for word in ("def", "import", "os")]

    console.wait(lambda: looks()[0] == looks()[1] != looks()[2], 60)  # colours come soon after the first frame


def test_a_string_that_begins_far_above_colours_what_one_types(console: Terminal) -> None:
    console.send("\x1b[200~text = '''\r" + "\r".join(["word"] * 300) + "\x1b[201~")
    console.wait_screen(r"^ *\.\.\.: word$")
    console.send(" import")
    console.wait_screen(r"word import$")
    row = console._screen.buffer[next(n for n, line in enumerate(console.screen.split("\n")) if "import" in line)]
    console.wait(lambda: row[len("   ...: ")].fg != "default", 60)  # colours come soon after the first frame
    assert len({row[column].fg for column in range(len("   ...: "), len("   ...: word import"))}) == 1


def test_an_emoji_of_several_and_combining_marks_are_edited_whole(console: Terminal) -> None:
    console.send("x = '\U0001f469\u200d\U0001f4bbe\u0301漢'")
    console.wait(lambda: console._screen.cursor.x > len("In [1]: x = '"), 30)
    console.send(LEFT + "\x7f\x7f\x7f" + "ok\r")
    console.wait_screen(r"^In \[2\]:")
    console.send("x\r")
    console.wait_screen(r"^Out\[2\]: 'ok'$")


def test_vi_operators_objects_counts_and_the_dot(vi: Terminal) -> None:
    vi.send("f(one, two) + three + four\x1b")
    vi.wait_screen("NORMAL")
    types(vi, "0f(lci(x\x1b", "f(x) + three + four")
    types(vi, "W2dW", "f(x) + four")
    types(vi, "0fxr7", "f(7) + four")
    types(vi, "u", "f(x) + four")
    types(vi, "0cwg\x1bfxcwy\x1b$b.", "g(y) + y")
    types(vi, "u", "g(y) + four")  # what a command has changed is undone whole
    types(vi, "uu", "f(x) + four")


def test_vi_selects_and_repeats(vi: Terminal) -> None:
    vi.send("alpha beta gamma\x1b")
    vi.wait_screen("NORMAL")
    vi.send("0gve")
    vi.wait_screen("VISUAL")
    types(vi, "d", " beta gamma")
    types(vi, "xdw.iabc\x1b0", "abc")
    vi.wait_screen("NORMAL")
    types(vi, "3~", "ABC")
    types(vi, "yyp", "ABC", "ABC")
    types(vi, "V>", "ABC", "    ABC")
    types(vi, "kdd", "    ABC")
    vi.send("v")  # in the editor of F2
    vi.wait_screen(r"# edited$", 60)


def test_a_key_of_vis_waits_for_the_next_one_and_is_shown(vi: Terminal) -> None:
    vi.send("one two three\x1b0")
    vi.wait_screen("NORMAL")
    vi.send("2d")
    vi.wait_screen("NORMAL 2d")
    types(vi, "w", "three")
    vi.send("i\x17replaced")
    vi.wait_screen("INSERT")
