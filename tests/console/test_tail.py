"""The changing end of the output, against a terminal emulator.

Runs in: tests.
"""

from __future__ import annotations

import io

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyshell.console import ansi
from pyshell.console.tail import MAX_LINE, MAX_ROWS, Tail, feed


def written(*pieces: str) -> list[str]:
    """The lines after these pieces of output, colours kept."""
    lines: list[str] = []
    tail = Tail()
    for piece in pieces:
        fed = feed(tail, piece, lines)
        if fed.taken:
            del lines[-fed.taken :]
        lines.extend(fed.lines)
        tail = fed.tail
    return lines + list(tail.rows)


def plain(*pieces: str) -> list[str]:
    return [ansi.plain(line).rstrip() for line in written(*pieces)]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["a\nb"], ["a", "b"]),
        (["a", "b\n", "c"], ["ab", "c"]),
        (["10%\r20%"], ["20%"]),
        (["100%\r9%"], ["9%0%"]),
        (["abc\r", "X"], ["Xbc"]),
        (["abc\b\bX"], ["aXc"]),
        (["abc\r\x1b[K", "x"], ["x"]),
        (["one\ntwo\n\x1b[2A1\n\n"], ["1ne", "two", ""]),
        (["one\ntwo\n", "\x1b[1A\x1b[2Knew\n"], ["one", "new", ""]),
        (["a\nb\nc", "\x1b[2A\r\x1b[J", "only"], ["only"]),
        (["a\tb\x1b[3GX"], ["a X     b"]),
        (["漢字\r", "ab"], ["ab字"]),
        (["e\u0301\rx"], ["x"]),
        (["abc\x1b[2D\x1b[PX"], ["aXc"]),
        (["\x1b[5", "Cx"], ["     x"]),
        (["\x1b", "[1mx"], ["x"]),
        (["\x1b]0;tit", "le\x07x"], ["x"]),
        (["\x1b[99999999Cx\rok"], None),
        (["\x1b[99999Ax"], ["x"]),
        (["a\n\x1b[1Ab\x1b[1Bc"], ["b", " c"]),
        (["one\x1b7two\x1b8three"], ["onethree"]),
        (["a\nb\x1b7\x1b[2A\x1b[1GX\x1b8c"], ["X", "bc"]),
        (["a\n\x1b7\x1b[24;0fProgress: [ 10%]\n\x1b8b"], ["a", "b"]),
        (["\x1b[5;7Hx"], ["x"]),
        (["\x1b]8;;http://e.org\x1b\\link\x1b]8;;\x1b\\ \x1b]8;id=3;http://e.org\x07two\x1b]8;;\x07"], ["link two"]),
        (["a\x1b[>4;2mb\x1b[?25lc\x1bPq#0~-\x1b\\d\x1b_Gf=100;AAAA\x1b\\e\x1b(Bf\x1b[=1;1ug"], ["abcdefg"]),
    ],
)  # fmt: skip
def test_control_characters_do_what_a_terminal_does(pieces: list[str], expected: list[str] | None) -> None:
    lines = plain(*pieces)
    if expected is not None:
        assert lines == expected
    assert max(map(len, lines)) <= MAX_LINE + 1


@pytest.mark.parametrize("colour", ["", "\x1b[32m"])
def test_tqdm_stays_on_its_line(colour: str) -> None:
    frames = [
        f"\r{colour}{n:3}%|{'█' * n:<10}| {n}/10\x1b[0m" if colour else f"\r{n:3}%|{'█' * n:<10}|" for n in range(11)
    ]
    lines = plain(*frames, "\n", "done\n")
    assert len(lines) == 3
    assert lines[0].startswith(" 10%|██████████|")
    assert lines[1] == "done"


def test_two_bars_redraw_in_place() -> None:
    pieces = ["first 0\nsecond 0\n"] + [f"\x1b[2A\r\x1b[Kfirst {n}\n\r\x1b[Ksecond {n}\n" for n in range(1, 50)]
    assert plain("before\n", *pieces) == ["before", "first 49", "second 49", ""]


def test_a_colour_goes_on_over_lines_and_pieces() -> None:
    lines = written("\x1b[31mone\ntwo\n", "three\x1b[0m four")
    assert [ansi.runs(line) for line in lines] == [
        [("31", "one")], [("31", "two")], [("31", "three"), ("", " four")],
    ]  # fmt: skip


def test_a_link_goes_on_over_lines_and_can_be_rewritten() -> None:
    fed = feed(Tail(), "\x1b]8;;http://x\x1b\\one\ntwo\x1b]8;;\x1b\\ off\rT")
    lines = [*fed.lines, *fed.tail.rows]
    assert [ansi.runs(line) for line in lines] == [
        [(" http://x", "one")], [("", "T"), (" http://x", "wo"), ("", " off")]
    ]  # fmt: skip


def test_long_lines_are_cut_and_nothing_of_them_is_lost() -> None:
    text = "x" * (5 * MAX_LINE + 7)
    for pieces in ([text], [text, "\n"], list(map("".join, zip(*[iter("y" * 10_000)] * 10))), ["\x1b[31m" + text]):
        lines = written(*pieces)
        assert all(len(ansi.plain(line)) <= MAX_LINE for line in lines)
        assert "".join(map(ansi.plain, lines)) == "".join(map(ansi.plain, pieces)).replace("\n", "")


def test_a_cursor_cannot_go_up_for_ever() -> None:
    lines = [str(n) for n in range(10 * MAX_ROWS)]
    fed = feed(Tail(), "\x1b[5000AX", lines)
    assert fed.taken == MAX_ROWS


TEXT = st.text(alphabet="ab漢é█ ", max_size=6)
CONTROL = st.sampled_from(
    ["\n", "\r", "\r\n", "\b", "\x1b[A", "\x1b[2A", "\x1b[K", "\x1b[1K", "\x1b[2K", "\x1b[31m",
     "\x1b[0m", "\x1b[3C", "\x1b[D", "\x1b[2G"]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(TEXT, CONTROL), max_size=30), st.integers(1, 5))
def test_it_shows_what_a_terminal_emulator_shows(tokens: list[str], group: int) -> None:
    screen = pyte.Screen(120, 60)
    stream = pyte.Stream(screen)
    pieces = ["".join(tokens[at : at + group]) for at in range(0, len(tokens), group)]
    if any("漢" in token for token in tokens) and any(c in token for token in tokens for c in "\b\r\x1b"):
        return  # what is left of half a wide character differs between terminals
    for piece in pieces:
        stream.feed(piece.replace("\r\n", "\n").replace("\n", "\r\n"))
    expected = [line.rstrip() for line in screen.display]
    lines = plain(*[piece.replace("\r\n", "\n") for piece in pieces])
    width = len(lines)
    assert lines == expected[:width]
    assert not any(expected[width:])


def test_several_bars_are_drawn_in_place() -> None:
    """As tqdm draws them: each bar on a line of its own, the cursor back at the first after each step."""
    pieces = ["\n" * bar + f"\rbar {bar}: {step}/9" + "\x1b[A" * bar for step in range(10) for bar in range(3)]
    assert plain(*pieces) == plain("".join(pieces)) == ["bar 0: 9/9", "bar 1: 9/9", "bar 2: 9/9"]


def test_bars_of_rich_are_drawn_in_place() -> None:
    """pip brings rich along, and draws its own bars with it."""
    live = pytest.importorskip("pip._vendor.rich.progress")
    consoles = pytest.importorskip("pip._vendor.rich.console")
    file = io.StringIO()
    console = consoles.Console(file=file, force_terminal=True, width=60, color_system="truecolor")
    with live.Progress(console=console, auto_refresh=False) as progress:
        tasks = [progress.add_task(name, total=4) for name in ("down", "up")]
        for step in range(4):
            for task in tasks:
                progress.advance(task)
            progress.refresh()
            if step == 1:
                console.print("between")
    lines = [line for line in plain(*file.getvalue()) if line]
    assert [line.split()[0] for line in lines] == ["between", "down", "up"]
    assert all("100%" in line for line in lines[1:])
    assert lines == [line for line in plain(file.getvalue()) if line]
