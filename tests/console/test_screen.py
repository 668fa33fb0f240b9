"""What is drawn, without a terminal.

Runs in: tests.
"""

from __future__ import annotations

from typing import Any

import pytest
import urwid
import urwid.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from pyshell import protocol as p
from pyshell.console import buffer as edit
from pyshell.console.commands import Commands
from pyshell.console.completion import Menu
from pyshell.console.editor import Editor
from pyshell.console.lines import Line, Log
from pyshell.console.model import Cell, Model, without_prompt
from pyshell.console.popups import call_runs
from pyshell.console.rows import fit, place, width_of, words, wrap
from pyshell.console.screen import Screen
from pyshell.console.tail import Tail

urwid.set_encoding("utf-8")


class Desk:
    is_connected = True

    def ask(self, *_: Any, **__: Any) -> None: ...

    def later(self, *_: Any) -> None: ...

    def tell(self, *_: Any) -> None: ...


def screen(model: Model | None = None) -> Screen:
    editor = Editor(Desk())
    shown = Screen(editor, 256)
    shown.commands = Commands(Desk(), None, editor, shown)  # type: ignore[arg-type]
    shown.session_name = "fit"
    show(shown, model or Model())
    return shown


def show(shown: Screen, model: Model) -> None:
    shown._editor.model = model
    shown.transcript.show(without_prompt(model))


def text(shown: Screen, size: tuple[int, int] = (60, 10)) -> list[str]:
    return urwid.testing.render_text(shown, size, focus=True, strip=True)


def cursor(shown: Screen, size: tuple[int, int] = (60, 10)) -> tuple[int, int]:
    found = shown.render(size, focus=True).cursor
    assert found is not None
    return found


def with_lines(count: int) -> Model:
    return Model(state="idle", log=Log().extend(Line("output", f"line {n}", 1) for n in range(count)))


def test_the_prompt_follows_the_text_and_sinks_to_the_bottom() -> None:
    assert text(screen(with_lines(2)))[:4] == ["line 0", "line 1", "", "In [1]:"]
    lines = text(screen(with_lines(100)))
    assert lines[-3:-1] == ["", "In [1]:"]
    assert lines[-1].startswith(" fit · epoch 1 · idle")
    assert lines[0] == "line 93"


def test_scrolling_stays_where_it_is_while_more_is_printed() -> None:
    shown = screen(with_lines(100))
    text(shown)
    shown.scroll(-10)
    before = text(shown)
    assert before[0] == "line 83"
    show(shown, with_lines(500))
    assert text(shown)[:7] == before[:7]
    assert "lines below" in text(shown)[-1]
    shown.scroll(10_000)
    assert text(shown)[6] == "line 499"
    assert shown.transcript.is_following


def test_scrolling_up_ends_at_the_first_line() -> None:
    shown = screen(with_lines(100))
    text(shown)
    shown.scroll(-10_000)
    assert text(shown)[0] == "line 0"


def test_a_view_whose_lines_are_gone_shows_the_oldest_that_are_left() -> None:
    shown = screen(with_lines(100))
    text(shown)
    shown.scroll(-10_000)
    log = with_lines(3000).log
    show(shown, Model(log=log._replace(dropped=1000)))
    assert text(shown)[0] == "line 0"


def test_a_long_line_is_wrapped_at_the_width_and_again_at_another() -> None:
    model = Model(log=Log().extend([Line("output", "x" * 100, 1)]))
    assert text(screen(model), (40, 10))[:3] == ["x" * 40, "x" * 40, "x" * 20]
    assert text(screen(model), (60, 10))[:2] == ["x" * 60, "x" * 40]


def test_a_line_that_was_rewritten_is_drawn_again() -> None:
    shown = screen(with_lines(3))
    text(shown)
    show(shown, Model(log=Log().extend([Line("output", "other", 1)])))
    assert text(shown)[0] == "other"


def test_the_cursor_is_where_the_next_character_goes() -> None:
    shown = screen()
    for typed, place_ in [("", (8, 0)), ("abc", (11, 0)), ("漢字", (12, 0)), ("a\nbc", (10, 1)), ("e\u0301", (9, 0))]:
        shown._editor.code = edit.filled(typed)
        assert cursor(shown) == place_
    shown._editor.code = edit.filled("x" * 52)  # the row is full
    assert cursor(shown) == (0, 1)


def test_a_long_cell_shows_the_lines_around_the_cursor() -> None:
    shown = screen()
    code = "\n".join(f"line {n}" for n in range(100))
    for at in (0, 50, 99):
        shown._editor.code = edit.Buffer(code, code.index(f"line {at}"))
        lines = text(shown)
        column, row = cursor(shown)
        assert column == 8
        assert lines[row].endswith(f"line {at}")


def test_a_question_stands_where_it_was_printed() -> None:
    model = Model(running=1, tail=Tail(("\x1b[1mname?\x1b[0m ",)), input=p.InputRequest("other", False))
    shown = screen(model)
    shown._editor.answer = edit.filled("Bob")
    assert text(shown)[0] == "name? Bob"
    assert cursor(shown) == (9, 0)


def test_a_password_is_not_drawn() -> None:
    shown = screen(Model(running=1, input=p.InputRequest("Password: ", True)))
    shown._editor.answer = edit.filled("secret")
    assert text(shown)[0] == "Password:"
    assert cursor(shown) == (10, 0)


def test_between_two_questions_no_other_prompt_flashes() -> None:
    shown = screen(Model(running=1, tail=Tail(("(Pdb) ",)), input=p.InputRequest("(Pdb) ", False)))
    shown._editor.code = edit.filled("the next cell")
    shown._editor.do("enter")
    show(shown, Model(running=1))
    assert (text(shown)[0], cursor(shown)) == ("", (0, 0))
    shown._editor.holding.end()
    assert text(shown)[0] == "In [1]: the next cell"


def test_waiting_and_held_cells_stand_above_the_prompt() -> None:
    cells = {2: Cell(2, "one\nmore", "me"), 3: Cell(3, "two", "me")}
    shown = screen(Model(state="idle", epoch=2, cells=cells, queue=(2, 3), held=True, next_cell=4))
    assert text(shown, (100, 10))[:5] == [
        "In [2]: one …   (queued)", "In [3]: two   (queued)",
        "2 cells are held after the crash: Enter on an empty prompt runs them, Ctrl-C drops them.", "", "In [4]:",
    ]  # fmt: skip


def test_a_submitted_cell_looks_as_it_will_in_the_transcript() -> None:
    shown = screen(Model(state="idle"))
    shown._editor.submitted = ["x = 1\ny"]
    waiting = urwid.testing.render_runs(shown, (60, 10))[:2]
    log = Log().extend([Line("code", "In [1]: x = 1", 1, 0), Line("code", "   ...: y", 1, 1)])
    show(shown, Model(state="idle", cells={1: Cell(1, "x = 1\ny", "me")}, log=log, next_cell=2))
    shown._editor.submitted = []
    assert urwid.testing.render_runs(shown, (60, 10))[:2] == waiting


def test_the_list_of_completions_is_below_the_prompt_and_scrolls() -> None:
    shown = screen()
    shown._editor.code = edit.filled("n")
    matches = tuple(p.Match(f"name_{n}", "function", "", f"name_{n}(x)") for n in range(50))
    menu = Menu(edit.filled("n"), 0, matches, matches)
    for _ in range(31):
        menu = menu.moved(1)
    shown._editor.assistant.menu = menu
    lines = text(shown, (60, 20))
    assert lines[0] == "In [1]: n"
    assert any(" f name_30" in line for line in lines)
    assert any(" 50 in all" in line for line in lines)


def test_rules_reach_over_the_screen() -> None:
    model = Model(log=Log().extend([Line("rule", " RESTART: epoch 2 ", None)]))
    assert width_of(text(screen(model))[0]) == 60


def test_the_hint_has_the_right_of_way_in_the_status_line() -> None:
    shown = screen()
    shown.hint = "A sentence that is rather long and still must be read by somebody."
    assert shown.hint[:50] in text(shown)[-1]


WIDE = st.text(alphabet="ab \n漢字é\u0301\u200d👩🏽\t█", max_size=60)


@settings(max_examples=200, deadline=None)
@given(WIDE, st.data(), st.integers(1, 30), st.integers(1, 12))
def test_anything_can_be_drawn_at_any_size(typed: str, data: st.DataObject, width: int, height: int) -> None:
    shown = screen(Model(log=Log().extend(Line("output", line, 1) for line in typed.split("\n"))))
    shown._editor.code = edit.Buffer(typed, data.draw(st.integers(0, len(typed))))
    canvas = shown.render((width, height), focus=True)
    assert (canvas.cols(), canvas.rows()) == (width, height)
    for row in canvas.content():
        assert sum(width_of(part.decode()) for _, _, part in row) == width
    column, row = cursor(shown, (width, height))
    assert 0 <= column < width and 0 <= row < height


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab 漢字é\u0301█", max_size=60), st.integers(2, 20))
def test_wrapping_loses_nothing_and_agrees_with_the_cursor(line: str, width: int) -> None:
    rows = wrap([("prompt", line[:5]), (None, line[5:])], width)
    assert all(sum(length for _, length in attributes) == len(row) for row, attributes in rows)
    column, down = place(line, width)
    assert down in (len(rows) - 1, len(rows))
    assert column < width


@pytest.mark.parametrize("width", [1, 2, 5, 80])
def test_a_fitted_row_has_the_width(width: int) -> None:
    row, _ = fit([("status", "漢字 text that may be too long for it")], width, "status")
    assert width_of(row.decode()) == width


CALL = p.Call("read", "(path, sep=',', *, names)", ("path", "sep=','", "*", "names"), 1)


def test_the_call_stands_above_the_text_and_the_list_beside_the_cursor() -> None:
    shown = screen(with_lines(100))
    shown._editor.code = edit.filled("x = read(al")
    matches = tuple(p.Match(name, "function", "", "(x)") for name in ("alpha", "alphabet"))
    shown._editor.assistant.menu = Menu(shown._editor.code, 9, matches, matches, is_unasked=True)
    shown._editor.assistant.call = CALL
    lines = text(shown)
    assert lines[-2] == "In [1]: x = read(al"
    assert lines[-3] == " read(path, sep=',', *, names)"
    assert [line.split()[-2:] for line in lines[-5:-3]] == [["f", "alpha"], ["f", "alphabet"]]
    assert cursor(shown) == (19, 8)


def test_nothing_moves_when_a_list_comes_up() -> None:
    shown = screen(with_lines(100))
    shown._editor.code = edit.filled("al")
    before = text(shown)
    matches = (p.Match("alpha", "function", "", "(x)"), p.Match("alter", "keyword", "", ""))
    shown._editor.assistant.menu = Menu(shown._editor.code, 0, matches, matches, is_unasked=True)
    after = text(shown)
    assert [n for n in range(10) if before[n] != after[n]] == [6, 7]


def test_a_signature_that_has_no_room_shows_the_argument_that_is_typed() -> None:
    parameters = tuple(f"parameter_{n}=None" for n in range(50))
    call = p.Call("f", "", parameters, 30)
    line = "".join(text for _, text in call_runs(call, 60))
    assert len(line) <= 60 and "parameter_30=None" in line and line.startswith(" f(…, ") and line.endswith("…) ")
    assert ("menu.selected", "parameter_30=None") in call_runs(call, 60)


def test_what_is_suggested_and_selected_and_the_brackets_have_their_looks() -> None:
    shown = screen()
    shown._editor.history.add("f(x) + 1")
    shown._editor.code = edit.filled("f(x)")
    runs = urwid.testing.render_runs(shown, (60, 4))[0]
    assert [(text, look) for look, text in runs if look in ("suggestion", "bracket")] == [
        ("(", "bracket"), (")", "bracket"), (" + 1", "suggestion"),
    ]  # fmt: skip
    shown._editor.code = edit.Buffer("f(x)", 4, 1)
    runs = urwid.testing.render_runs(shown, (60, 4))[0]
    assert [text for look, text in runs if look == "selected"] == ["(x)"]


def test_a_suggestion_never_needs_another_row() -> None:
    shown = screen()
    shown._editor.history.add("f(" + "x" * 200 + ")")
    shown._editor.code = edit.filled("f(")
    lines = text(shown)
    assert lines[0].endswith("…") and width_of(lines[0]) <= 60 and not lines[1]


@settings(max_examples=150, deadline=None)
@given(WIDE, st.data(), st.integers(1, 40), st.integers(1, 12))
def test_popups_can_be_drawn_at_any_size(typed: str, data: st.DataObject, width: int, height: int) -> None:
    shown = screen(with_lines(5))
    code = shown._editor.code = edit.Buffer(typed, data.draw(st.integers(0, len(typed))))
    matches = tuple(p.Match(typed[n:] + "x", "key", "", "(漢, x)") for n in range(12))
    chosen = data.draw(st.sampled_from([None, 0, 11]))
    shown._editor.assistant.menu = Menu(code, data.draw(st.integers(0, code.cursor)), matches, matches, chosen)
    shown._editor.assistant.call = data.draw(st.sampled_from([None, CALL, p.Call("漢" * 30, "(…)", (), None)]))
    drawn = shown.render((width, height), focus=True)
    for row in drawn.content():
        assert sum(width_of(part.decode()) for _, _, part in row) == width
    column, row_number = cursor(shown, (width, height))
    assert 0 <= column < width and 0 <= row_number < height


def test_sentences_break_between_words() -> None:
    assert words("one two three", 8) == ["one two", "three"]
    assert words("漢字 漢字", 5) == ["漢字", "漢字"]
    assert words("  endless-word", 4) == ["  endless-word"]
    shown = screen(Model(log=Log().extend([Line("failure", "The worker was killed by SIGSEGV.", None)])))
    assert text(shown, (20, 8))[:2] == ["The worker was", "killed by SIGSEGV."]
