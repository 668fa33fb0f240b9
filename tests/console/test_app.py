"""The console on a real pseudo-terminal, with a session that follows a script.

Runs in: tests.
"""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from pyshell.console.theme import THEMES
from tests.console import monkey
from tests.terminal import ANSWERS, Terminal

pytestmark = pytest.mark.scenario
SCRIPT = Path(__file__).with_name("scripted.py")


def start(*arguments: str, size: tuple[int, int] = (80, 24), answers: Mapping[bytes, bytes] = ANSWERS) -> Terminal:
    terminal = Terminal([sys.executable, str(SCRIPT), *arguments], size=size, answers=answers)
    terminal.wait_screen(r"idle · In \[1\]" if size[0] >= 60 and size[1] > 3 else r"\[1\]:|^>")
    return terminal


@pytest.fixture
def console() -> Iterator[Terminal]:
    with start() as terminal:
        yield terminal


def test_a_cell_and_its_value(console: Terminal) -> None:
    console.send("6 * 7\r")
    console.wait_screen(r"^Out\[1\]: 42$")
    console.wait_screen(r"^In \[2\]:")
    console.wait_screen(r"saved In \[1\]")


def test_a_cell_of_several_lines(console: Terminal) -> None:
    console.send("def f(x):\rreturn x + 1\r\rf(41)\r")
    console.wait_screen(r"^   \.\.\.:     return x \+ 1$")
    console.wait_screen(r"^Out\[2\]: 42$")


def test_a_draft_is_put_at_the_prompt(console: Terminal) -> None:
    console.send("draft('6 * 7')\r")
    console.wait_screen(r"^In \[2\]: 6 \* 7$")
    console.send("\r")
    console.wait_screen(r"^Out\[2\]: 42$")


def test_colours_and_carriage_returns(console: Terminal) -> None:
    console.send("for n in range(4): write(f'\\r\\x1b[31m{n}\\x1b[0m of 3')\r\r")
    console.wait_screen(r"^3 of 3$")
    assert "2 of 3" not in console.screen.replace("range", "")


def test_a_question_is_answered_at_the_prompt(console: Terminal) -> None:
    console.send("ask('name? ')\r")
    console.wait_screen(r"^name\? $|^name\?$")
    console.send("Bob")
    console.wait_screen(r"^name\? Bob$")
    console.send("\r")
    console.wait_screen(r"^Out\[1\]: 'Bob'$")


def test_a_password_is_not_shown(console: Terminal) -> None:
    console.send("ask('Password: ', True)\r")
    console.wait_screen("waits for a password")
    console.send("s3cret\r")
    console.wait_screen(r"^Out\[1\]: 's3cret'$")
    assert console.text.count("s3cret") == 1  # in the value, which the cell chose to show


def test_ctrl_d_ends_the_input(console: Terminal) -> None:
    console.send("ask('name? ')\r")
    console.wait_screen("waits for input")
    console.send("\x04")
    console.wait_screen("^EOFError")


def test_type_ahead_waits_its_turn(console: Terminal) -> None:
    console.send("until(lambda: interrupted())\r")
    console.wait_screen(r"In \[1\] running")
    console.send("'second'\r")
    console.wait_screen(r"'second'   \(queued\)")
    console.send("\x03")
    console.wait_screen(r"^Out\[2\]: 'second'$")


def test_a_death_is_told_and_held_cells_wait_for_a_word(console: Terminal) -> None:
    console.send("until(lambda: interrupted()); die('x', 'y')\r")
    console.wait_screen(r"In \[1\] running")
    console.send("'second'\r'third'\r")
    console.wait_screen(r"'third'   \(queued\)")
    console.send("\x03")
    console.wait_screen("killed by SIGSEGV while it ran")
    console.wait_screen(r"═ RESTART: epoch 2 ═")
    console.wait_screen(r"Restored in 50 ms: x, y\.")
    console.wait_screen(r"Not restored: conn \(sqlite3.Connection\)")
    console.wait_screen("2 cells are held after the crash")
    console.send("\r")
    console.wait_screen(r"^Out\[2\]: 'second'$")
    console.wait_screen(r"^Out\[3\]: 'third'$")


def test_held_cells_can_be_dropped(console: Terminal) -> None:
    console.send("until(lambda: interrupted()); die()\r")
    console.wait_screen(r"In \[1\] running")
    console.send("'second'\r")
    console.wait_screen(r"'second'   \(queued\)")
    console.send("\x03")
    console.wait_screen("1 cell is held")
    console.send("\x03")
    console.wait_screen(r"'second'   \(not run\)")
    console.send("'after'\r")
    console.wait_screen(r"^Out\[3\]: 'after'$")


def test_ctrl_c_clears_the_prompt_and_climbs_the_ladder(console: Terminal) -> None:
    console.send("not wanted\x03'wanted'\r")
    console.wait_screen(r"^Out\[1\]: 'wanted'$")
    console.send("until(lambda: interrupted() == 3)\r")
    console.wait_screen(r"In \[2\] running")
    console.send("\x03")
    console.wait_screen("Interrupt sent. Ctrl-C again")
    console.send("\x03")
    console.wait_screen("Ctrl-C again kills")
    console.send("\x03")
    console.wait_screen(r"In \[3\]:")


def test_sigint_is_ctrl_c(console: Terminal) -> None:
    console.send("until(lambda: interrupted())\r")
    console.wait_screen(r"In \[1\] running")
    console.process.send_signal(signal.SIGINT)
    console.wait_screen(r"^In \[2\]:")


def test_a_paste_is_whole_and_not_run(console: Terminal) -> None:
    console.send("\x1b[200~def f():\r    return '漢字'\r\rf()\r\x1b[201~")
    console.wait_screen(r"^   \.\.\.: f\(\)$")
    assert "Out" not in console.screen
    console.send("\r")
    console.wait_screen(r"^In \[2\]:")


def test_completion(console: Terminal) -> None:
    console.send("x = al\t")
    console.wait_screen(r" f alphabet")
    console.send("\t\t\t")
    console.wait_screen(r"^In \[1\]: x = alpine$")
    console.wait_screen(r"Say what alpha is")
    console.send("\x1b")
    console.wait(lambda: "Say what" not in console.screen and " f alpine" not in console.screen, 10)


def test_completions_come_up_unasked_and_steal_no_key(console: Terminal) -> None:
    console.send("al")
    console.wait_screen(r" f alphabet")
    console.send("pha = 3\r")
    console.send("alp")
    console.wait_screen(r" f alpine")
    console.send("ha\r")
    console.wait_screen(r"^Out\[2\]: 3$")


def test_the_call_under_the_cursor_is_shown_with_its_argument(console: Terminal) -> None:
    console.send("print(1, ")
    console.wait_screen(r" alpha\(x: int, y=1, \*rest\)")
    row = next(n for n, line in enumerate(console.screen.split("\n")) if "alpha(" in line)
    line = console.screen.split("\n")[row]
    looks = {part: console._screen.buffer[row][line.index(part)].bg for part in ("alpha", "x: int", "y=1")}
    assert looks["y=1"] != looks["alpha"] == looks["x: int"]


def is_shown(console: Terminal, there: str, gone: str | None) -> bool:
    return there in console.screen and (gone is None or gone not in console.screen)


# What is typed, then the key after which a list or a call comes, changes or goes, and what is and is not there then.
LISTS = [
    ("x = a", "l", " f alpine", "alpha("),
    ("ph", "a", " f alphabet", " f alpine"),
    ("", "(", " alpha(x: int, y=1", " f alphabet"),
    ("a", "l", " f alpine", None),
    ("p", ",", " alpha(x: int, y=1", " f alpine"),
    (" beta=alphabet", ".", " f beta", None),
]


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_a_key_costs_few_bytes_while_lists_come_and_go(size: tuple[int, int]) -> None:
    """Behind a line of 200 ms a screen that is sent anew for a key is felt."""
    with start(size=size) as console:
        console.send("for n in range(100): write(f'line {n} ' + 'words that were printed ' * 4 + '\\n')\r\r")
        console.wait_screen("^line 99 ")
        console.wait_screen(r"saved In \[1\]")
        line, costs = "", {}
        for before, key, there, gone in LISTS:
            for letter in before:
                line += letter
                console.send(letter)
                console.wait_screen(re.escape(line.rstrip()))
            sent, line = len(console.raw), line + key
            console.send(key)
            console.wait(partial(is_shown, console, there, gone), 30)
            costs[line] = len(console.raw) - sent
        assert max(costs.values()) <= 200, costs


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_going_through_a_list_costs_few_bytes_and_moves_nothing(size: tuple[int, int]) -> None:
    with start(size=size) as console:
        console.send("for n in range(100): write(f'line {n} ' + 'words that were printed ' * 4 + '\\n')\r\r")
        console.wait_screen("^line 99 ")
        console.wait_screen(r"saved In \[1\]")
        console.send("al")
        console.wait_screen(" f alpine")
        console.send("\t\t")
        console.wait_screen("Say what alpha is.")  # its documentation comes when the keys rest
        place, costs = list_place(console), []
        for chosen in ("alphabet", "alpine", "alpha", "alphabet"):
            sent = len(console.raw)
            console.send("\t")
            console.wait_screen(rf"^In \[2\]: {chosen}$")
            costs.append(len(console.raw) - sent)
            assert list_place(console) == place
            assert "Say what alpha is." in console.screen
        assert max(costs) <= 200, costs


def list_place(console: Terminal) -> tuple[int, int]:
    """Row and column of the list."""
    rows = console.screen.split("\n")
    return next((y, row.index(" f alphabet")) for y, row in enumerate(rows) if " f alphabet" in row)


def test_history_suggests_how_the_text_goes_on(console: Terminal) -> None:
    console.send("old")
    console.wait_screen(r"^In \[1\]: old = 'cell'$")
    console.send("\x1b[C\r")
    console.send("old\r")
    console.wait_screen(r"^Out\[2\]: 'cell'$")


def test_a_cell_of_another_session_is_searched_and_run(console: Terminal) -> None:
    console.send("\x12far")
    console.wait_screen(r'search: far.* 1 of 1, in session "other"')
    console.wait_screen(r"^   \.\.\.:  'away'\)$")
    console.send("\r\r")
    console.wait_screen(r"^Out\[1\]: \('far', 'away'\)$")


def test_a_cell_is_edited_elsewhere(console: Terminal) -> None:
    console.send("x = 1\x1bOQ")
    console.wait_screen(r"^   \.\.\.: # edited$")


def test_keys_that_come_while_an_editor_runs_are_not_lost(console: Terminal) -> None:
    console.send("x = 41  # wait\x1bOQ")
    console.wait_text("the editor runs")
    console.send("!\rx + 1\r")
    console.wait_screen(r"^   \.\.\.: # edited!$")
    console.wait_screen(r"^Out\[2\]: 42$")


def test_a_paste_right_behind_the_key_of_the_editor_is_whole(console: Terminal) -> None:
    console.send("x = 1\x1bOQ\x1b[200~  # pasted\ry = 2\x1b[201~")
    console.wait_screen(r"# edited.*# pasted$\n^   \.\.\.: y = 2$")


def test_what_is_selected_goes_to_the_clipboard_of_the_terminal(console: Terminal) -> None:
    console.send("one two\x1b[1;2D\x1b[1;2D\x1b[1;2D\x1bw")
    console.wait(lambda: "\x1b]52;c;dHdv\x07" in console.raw, 10)


def test_vi_keys() -> None:
    with start("--vi") as console:
        console.wait_screen(r"^ INSERT · ")
        console.send("x = 'one two'\x1b")
        console.wait_screen(r"^ NORMAL · ")
        console.send("Fodiwifour\x1b")
        console.wait_screen(r"^In \[1\]: x = 'four two'$|^In \[1\]: x = 'one four'$")
        console.send("uu\rx\r")
        console.wait_screen(r"^Out\[2\]: 'one two'$")


def test_history_comes_from_the_session(console: Terminal) -> None:
    console.send("ol\x1b[A")
    console.wait_screen(r"^In \[1\]: old = 'cell'$")


def test_scrolling_back_and_to_the_end(console: Terminal) -> None:
    console.send("for n in range(100): write(f'line {n}\\n')\r\r")
    console.wait_screen("^line 99$")
    console.send("\x1b[5~\x1b[5~")
    console.wait_screen(r"lines below")
    assert "line 99" not in console.screen
    console.send("\x1b[6~\x1b[6~\x1b[6~")
    console.wait_screen("^line 99$")
    console.send("\x1bOA" * 3)  # the wheel, as terminals send it on the alternate screen
    console.wait_screen(r"lines below")
    console.send("x")
    console.wait_screen("^line 99$")


def test_keys_go_straight_to_the_program(console: Terminal) -> None:
    console.send("\x1bOS")
    console.wait_screen("Ctrl-] ends that")
    console.send("a\x1b[A")
    console.wait_screen(r"keys b'a\\x1b\[A'")
    console.send("\x1d")
    console.send("'back'\r")
    console.wait_screen(r"^Out\[1\]: 'back'$")


def test_help_covers_the_transcript_until_a_key(console: Terminal) -> None:
    console.send("\x1bOP")
    console.wait_screen("^ Ctrl-O, Ctrl-J +a new line, always")
    console.send("x")
    console.wait_screen("^scripted banner")


def test_a_lost_host_is_found_again(console: Terminal) -> None:
    console.send("lose()\r")
    console.wait_screen("host went away. Connecting again…")
    console.send("'again'\r")
    console.wait_screen(r"^Out\[2\]: 'again'$")


def test_leaving_keeps_the_transcript_on_the_normal_screen(console: Terminal) -> None:
    console.send("'kept'\r")
    console.wait_screen(r"^Out\[1\]: 'kept'$")
    console.send("\x04")
    while console.read(30):
        continue
    assert console.process.wait(10) == 0
    left = console.text[console.text.rindex("scripted banner") :]
    assert re.search(r"In \[1\]: 'kept'\r\nOut\[1\]: 'kept'\r\n", left)
    assert left.rstrip().endswith("Come back with: pyshell attach -t scripted")
    assert "\x1b[?1049l" not in left


def test_without_colours_there_are_none() -> None:
    with start("--plain") as console:
        console.send("write('\\x1b[31mred\\x1b[0m\\n')\r")
        console.wait_screen("^red$")
        rows = console._screen.buffer
        assert {cell.fg for row in rows.values() for cell in row.values()} == {"default"}


@pytest.mark.parametrize("theme", sorted(THEMES))
def test_themes(theme: str) -> None:
    with start(f"--theme={theme}") as console:
        console.send("alpha = 'text'  # why\ral")
        console.wait_screen(r" f alphabet")
        row = next(n for n, line in enumerate(console.screen.split("\n")) if line.startswith("In [1]"))

        def looks() -> set[str]:
            return {console._screen.buffer[row][column].fg for column in (9, 18, 27)}

        if theme == "contrast":
            assert len(looks()) == 1
        else:
            console.wait(lambda: len(looks()) > 1, 60)  # colours come soon after the first frame


def test_pythons_prompt() -> None:
    with start("--python-prompt") as console:
        console.send("def f():\rreturn 42\r\rf()\r[f()] * 100\r")
        console.wait_screen(r"^\.\.\.     return 42$")
        console.wait_screen(r"^>>> f\(\)\n42$")
        console.wait_screen(r"^\[\n    42, 42")
        assert "Out" not in console.screen


@pytest.mark.parametrize("size", [(10, 3), (1, 1), (3, 2), (300, 100)])
def test_any_size_of_terminal(size: tuple[int, int]) -> None:
    with start(size=(80, 24)) as console:
        console.send("write('漢字' * 30 + '\\n')\r")
        console.wait_screen("漢")
        console.resize(*size)
        console.send("x = 'typed in a small window'\t漢字")
        console.settle(0.3)
        console.resize(80, 24)
        console.send("\x03'alive'\r")
        console.wait_screen(r"^Out\[2\]: 'alive'$")


def test_the_session_learns_the_size() -> None:
    with start("--sizes") as console:
        console.wait_screen(r"\[80x24\]")
        console.resize(70, 20)
        console.wait_screen(r"\[70x20\]")


def test_200_000_lines_arrive_and_an_endless_print_leaves_the_keys_alone(console: Terminal) -> None:
    console.send("for n in range(0, 200000, 500): write(''.join(f'line {m}\\n' for m in range(n, n + 500)))\r\r")
    console.wait_screen(r"^line 199999$", 60)
    console.send("while not interrupted(): write('flood ' * 500 + '\\n')\r\r")
    console.wait_screen(r"^flood flood")
    console.send("typed = 1")
    console.wait_screen(r"^In \[3\]: typed = 1$")
    console.send("\x03")
    console.wait_screen(r"idle · In \[3\]")


def test_output_with_wide_characters_is_aligned(console: Terminal) -> None:
    console.send("write('漢' * 45 + '\\n|\\n')\r")
    console.wait_screen(r"^\|$")
    rows = console.screen.split("\n")
    at = next(n for n, row in enumerate(rows) if row.startswith("漢"))
    assert rows[at].replace(" ", "") == "漢" * 40
    assert rows[at + 1].replace(" ", "") == "漢" * 5


def test_text_from_right_to_left_is_sent_in_its_order_and_the_cursor_counts_its_cells(console: Terminal) -> None:
    """The terminal turns it round, if it can; what stands in which cell is the same for all of them."""
    console.send("x = 'שָׁלוֹם مرحبا'")
    console.wait(lambda: console._screen.cursor.x == len("In [1]: x = 'שלום مرحبا'"), 30, "the cursor")
    console.send("\x1b[D\x7f!\r")
    console.wait_screen(r"^In \[2\]:")
    console.send("x\r")
    console.wait_screen(r"^Out\[2\]: 'שָׁלוֹם مرحب!'$")
    console.send("write(x * 12 + '\\n|\\n')\r")
    console.wait_screen(r"^\|$")
    rows = console.screen.split("\n")
    assert len(rows[rows.index("|") - 2].replace(" ", "")) > 60


@pytest.mark.parametrize("seed", range(2))
def test_no_order_of_keys_breaks_it(console: Terminal, seed: int) -> None:
    """`python -m tests.bench monkey` presses 20,000."""
    monkey.play(console, seed, 1500)
