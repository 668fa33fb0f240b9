"""What keys do at the prompt, without a terminal and without a session.

Runs in: tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pyshell import protocol as p
from pyshell.console import buffer as edit
from pyshell.console import selection
from pyshell.console.bindings import BINDINGS
from pyshell.console.completion import Menu
from pyshell.console.editor import Editor
from pyshell.console.history import Entry
from pyshell.console.model import Model
from pyshell.console.options import Options
from pyshell.errors import ConnectionLost


class Session:
    """Answers at once, and remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.names = ("alpha", "alphabet", "beta")

    def execute(self, code: str) -> int:
        self.calls.append(("execute", code))
        return len(self.calls)

    def input(self, text: str) -> None:
        self.calls.append(("input", text))

    def release(self) -> None:
        self.calls.append(("release",))

    def inspect(self, code: str, cursor_pos: int) -> p.Inspection:
        self.calls.append(("inspect", code[:cursor_pos]))
        call = p.Call("f", "(a, b)", ("a", "b"), code[:cursor_pos].rpartition("(")[2].count(","))
        return p.Inspection(True, "alpha", "", "", "doc", "", 0, "", "", call=call if "(" in code else None)

    def complete(self, code: str, cursor_pos: int) -> p.Completions:
        typed = code[:cursor_pos].split()[-1]
        matches = tuple(p.Match(name, "function", "", "") for name in self.names if name.startswith(typed))
        return p.Completions(matches, cursor_pos - len(typed), cursor_pos, "live")


class Desk:
    """Plays the threads: answers come when `settle` is called, or when the time is up."""

    def __init__(self) -> None:
        self.session = Session()
        self.is_connected = True
        self.waiting: list[Callable[[], None]] = []
        self.alarms: list[Callable[[], None]] = []
        self.told: list[str] = []
        self.copied: list[str] = []
        self.fails: Exception | None = None

    def ask(self, work: Any, then: Any = None, lane: str = "control", refused: Any = None) -> None:
        def answer() -> None:
            result = self.fails or work(self.session)
            if then is not None:
                then(result)
            elif self.fails and refused is not None:
                refused(result)

        self.waiting.append(answer)

    def copy(self, text: str) -> None:
        self.copied.append(text)

    def edit_outside(self, text: str, then: Callable[[str], None]) -> None:
        then(text + "edited")

    def expect(self) -> None:
        pass

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self.alarms.append(call)

    def tell(self, text: str) -> None:
        self.told.append(text)

    def settle(self) -> None:
        while self.waiting:
            self.waiting.pop(0)()


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def editor(desk: Desk) -> Editor:
    return Editor(desk)


def rest(desk: Desk) -> None:
    """Nothing is typed for a moment."""
    while desk.alarms:
        desk.alarms.pop(0)()
        desk.settle()


def texts(editor: Editor) -> list[str]:
    return [match.text for match in editor.menu.matches] if editor.menu is not None else []


def press(editor: Editor, *keys: str) -> None:
    """Type: a key's name, or text character by character, a line feed being Enter."""
    desk: Any = editor._desk
    for key in keys:
        if editor.keymap.command(key) is not None:
            editor.key(key)
        else:
            for character in key:
                editor.key("enter" if character == "\n" else character)
                desk.settle()
        desk.settle()


def executed(desk: Desk) -> list[str]:
    return [call[1] for call in desk.session.calls if call[0] == "execute"]


def test_enter_runs_what_is_complete(editor: Editor, desk: Desk) -> None:
    press(editor, "1 + 1\n")
    assert executed(desk) == ["1 + 1"]
    assert editor.code.text == ""


def test_enter_goes_on_with_what_is_not_and_an_empty_line_ends_it(editor: Editor, desk: Desk) -> None:
    press(editor, "def f(x):\nreturn x\n")
    assert editor.code.text == "def f(x):\n    return x\n"
    press(editor, "\n")
    assert executed(desk) == ["def f(x):\n    return x"]


def test_enter_inside_a_cell_breaks_the_line(editor: Editor, desk: Desk) -> None:
    editor.code = edit.Buffer("a = 1\nb = 2", 2)
    press(editor, "enter")
    assert editor.code.text == "a \n= 1\nb = 2"
    assert executed(desk) == []


def test_what_is_wrong_runs_so_that_the_error_is_shown(editor: Editor, desk: Desk) -> None:
    press(editor, "1 +* 2\n")
    assert executed(desk) == ["1 +* 2"]


def test_alt_enter_runs_anything_and_ctrl_o_never_does(editor: Editor, desk: Desk) -> None:
    press(editor, "if x:", "ctrl o", "y", "meta enter")
    assert executed(desk) == ["if x:\n    y"]


def test_keys_typed_behind_enter_belong_to_the_next_cell(editor: Editor, desk: Desk) -> None:
    for key in "a=1":
        editor.key(key)
    editor.key("enter")
    for key in "b=2":
        editor.key(key)
    desk.settle()
    assert executed(desk) == ["a=1"]
    assert editor.code.text == "b=2"


def test_two_cells_typed_in_one_go_are_two_cells(editor: Editor, desk: Desk) -> None:
    for key in ["a", "enter", "b", "enter"]:
        editor.key(key)
    desk.settle()
    assert executed(desk) == ["a", "b"]


def test_cells_may_be_typed_before_the_session_is_there(editor: Editor, desk: Desk) -> None:
    desk.is_connected = False
    for key in ["x", "enter"]:
        editor.key(key)
    assert editor.submitted == ["x"]
    editor.arrived("x")
    assert editor.submitted == []


def test_a_cell_that_was_refused_comes_back(editor: Editor, desk: Desk) -> None:
    press(editor, "x = 1")
    desk.fails = ConnectionLost("gone")
    press(editor, "meta enter")
    assert editor.code.text == "x = 1"
    assert editor.submitted == []
    assert desk.told == ["The cell was not accepted: gone"]


def test_history_goes_back_by_what_was_typed(editor: Editor) -> None:
    for code in ["import os", "x = 1", "import sys", "import sys"]:
        editor.history.add(code)
    press(editor, "imp", "up")
    assert editor.code.text == "import sys"
    press(editor, "up")
    assert editor.code.text == "import os"
    press(editor, "up")
    assert editor.code.text == "import os"
    press(editor, "down", "down")
    assert editor.code.text == "imp"


def test_history_leaves_lines_of_a_cell_alone(editor: Editor) -> None:
    editor.history.add("old")
    editor.code = edit.filled("a\nb")
    press(editor, "up")
    assert editor.code == edit.Buffer("a\nb", 1)
    press(editor, "up")
    assert editor.code.text == "a\nb"  # nothing starts with "a"
    press(editor, "ctrl a", "up")
    assert editor.code.text == "old"


def test_older_history_comes_before_what_was_typed_meanwhile(editor: Editor) -> None:
    editor.history.add("new")
    editor.history.put_before([Entry("old"), Entry("older?")])
    press(editor, "up", "up")
    assert editor.code.text == "older?"


def test_a_paste_is_inserted_whole_and_not_run(editor: Editor, desk: Desk) -> None:
    editor.paste("    def f():\r\n        return 1\r\n\r\n    f()\r\n")
    desk.settle()
    assert editor.code.text == "def f():\n    return 1\n\nf()\n"
    assert executed(desk) == []
    press(editor, "ctrl _")
    assert editor.code.text == ""


def test_tab_indents_at_the_start_of_a_line_and_completes_elsewhere(editor: Editor) -> None:
    press(editor, "tab")
    assert editor.code.text == "    "
    press(editor, "al", "tab")
    assert editor.code.text == "    alpha"
    assert editor.menu is not None and [match.text for match in editor.menu.matches] == ["alpha", "alphabet"]


def test_a_single_completion_is_inserted(editor: Editor) -> None:
    press(editor, "b", "tab")
    assert (editor.code.text, editor.menu) == ("beta", None)


def test_a_match_in_another_case_is_listed_and_does_not_hinder(editor: Editor, desk: Desk) -> None:
    reply = p.Completions((p.Match("import", "keyword", "", ""), p.Match("ImportError", "class", "", "")), 0, 3, "live")
    desk.session.complete = lambda code, cursor_pos: reply  # type: ignore[method-assign]
    press(editor, "imp", "tab")
    assert editor.code.text == "import"
    assert editor.menu is not None and len(editor.menu.matches) == 2


def test_the_list_is_walked_and_taken_or_left(editor: Editor, desk: Desk) -> None:
    press(editor, "al", "tab", "tab")
    assert editor.code.text == "alpha"
    press(editor, "tab")
    assert editor.code.text == "alphabet"
    press(editor, "tab", "shift tab", "enter")
    assert (editor.code.text, editor.menu, executed(desk)) == ("alphabet", None, [])
    press(editor, "ctrl u", "al", "tab", "down", "esc")
    assert (editor.code.text, editor.menu) == ("alpha", None)


def test_typing_narrows_the_list_until_nothing_fits(editor: Editor) -> None:
    press(editor, "al", "tab", "b")
    assert isinstance(editor.menu, Menu) and [match.text for match in editor.menu.matches] == ["alphabet"]
    press(editor, "x")
    assert editor.menu is None


def test_completions_for_a_text_that_has_changed_are_dropped(editor: Editor, desk: Desk) -> None:
    press(editor, "al")
    editor.key("tab")
    editor.key("x")
    desk.settle()
    assert (editor.code.text, editor.menu) == ("alx", None)


def test_a_list_comes_up_when_the_keys_rest_and_steals_none(editor: Editor, desk: Desk) -> None:
    press(editor, "x = al")
    assert editor.menu is None
    rest(desk)
    assert texts(editor) == ["alpha", "alphabet"]
    press(editor, "pha\n")
    assert executed(desk) == ["x = alpha"] and editor.menu is None
    editor.history.add("x = beta")
    press(editor, "al")
    rest(desk)
    press(editor, "up")
    assert editor.code.text == "al"  # the history's key, which has nothing that begins so
    assert editor.menu is None


def test_tab_moves_into_a_list_that_came_up_by_itself(editor: Editor, desk: Desk) -> None:
    press(editor, "al")
    rest(desk)
    press(editor, "tab")
    assert editor.code.text == "alpha" and texts(editor) == ["alpha", "alphabet"]
    press(editor, "tab", "down", "enter")
    assert (editor.code.text, executed(desk)) == ("alphabet", [])
    press(editor, "\n")
    assert executed(desk) == ["alphabet"]


def test_a_list_that_was_sent_away_stays_away(editor: Editor, desk: Desk) -> None:
    press(editor, "al")
    rest(desk)
    press(editor, "esc")
    rest(desk)
    assert editor.menu is None
    press(editor, "p")
    rest(desk)
    assert texts(editor) == ["alpha", "alphabet"]


def test_no_list_comes_up_for_what_is_whole_or_no_name(editor: Editor, desk: Desk) -> None:
    for text in ("beta", "a", "12", "x = ", "zz"):
        press(editor, "ctrl u", text)
        rest(desk)
        assert editor.menu is None, text


def test_late_answers_to_the_keys_rest_are_dropped(editor: Editor, desk: Desk) -> None:
    press(editor, "al")
    desk.alarms.pop(0)()
    editor.key("x")
    desk.settle()
    assert editor.menu is None


def test_what_is_chosen_is_described(editor: Editor, desk: Desk) -> None:
    press(editor, "al", "tab", "tab")
    assert editor.assistant.about is None
    rest(desk)
    assert editor.assistant.about is not None and editor.assistant.about.doc == "doc"
    assert ("inspect", "alpha") in desk.session.calls


def test_the_call_follows_the_cursor_and_goes_with_its_bracket(editor: Editor, desk: Desk) -> None:
    press(editor, "f(1")
    rest(desk)
    assert editor.assistant.call is not None and editor.assistant.call.current == 0
    press(editor, ", ")
    rest(desk)
    assert editor.assistant.call.current == 1
    press(editor, "2)")
    assert editor.assistant.call is None


def test_a_suggestion_is_taken_whole_or_by_the_word(editor: Editor, desk: Desk) -> None:
    editor.history.add("import numpy as np")
    press(editor, "imp")
    assert editor.suggestion == "ort numpy as np"
    press(editor, "meta f")
    assert editor.code.text == "import"
    press(editor, "meta f")
    assert editor.code.text == "import numpy"
    press(editor, "right")
    assert editor.code.text == "import numpy as np" and editor.suggestion == ""
    press(editor, "ctrl u", "imp", "left", "ctrl e")
    assert editor.code.text == "imp"
    press(editor, "ctrl e")
    assert editor.code.text == "import numpy as np"


def test_searching_shows_takes_and_leaves(editor: Editor, desk: Desk) -> None:
    for code in ("one = 1", "two = 2", "one + two"):
        editor.history.add(code)
    press(editor, "draft", "ctrl r", "ctrl u")
    assert editor.code.text == ""  # nothing was found, and the key is the cell's
    press(editor, "draft", "ctrl r")
    press(editor, "backspace", "backspace", "backspace", "backspace", "backspace", "one")
    assert editor.buffer.text == "one + two"
    press(editor, "ctrl r")
    assert editor.buffer.text == "one = 1"
    press(editor, "esc")
    assert editor.code.text == "draft" and editor.search is None
    press(editor, "ctrl u", "ctrl r", "one", "enter")
    assert editor.code == edit.filled("one + two") and executed(desk) == []
    press(editor, "enter")
    assert executed(desk) == ["one + two"]
    press(editor, "ctrl r", "two", "ctrl r", "right", "x")
    assert editor.code.text.startswith("txwo = 2")


def test_cells_of_other_sessions_are_found_while_the_search_is_open(editor: Editor) -> None:
    press(editor, "ctrl r", "far")
    editor.learn([Entry("far", "other")])
    assert editor.buffer.text == "far"


def test_what_is_selected_is_copied_cut_and_replaced(editor: Editor, desk: Desk) -> None:
    press(editor, "one two", "shift left", "shift left", "shift left", "meta w")
    assert desk.copied == ["two"] and editor.code == edit.filled("one two")._replace(cursor=4)
    press(editor, "ctrl space", "ctrl e", "ctrl x", "ctrl a", "ctrl y")
    assert editor.code.text == "twoone "
    press(editor, "meta a", "x")
    assert editor.code.text == "x"
    press(editor, "shift home", "delete")
    assert editor.code.text == ""
    press(editor, "abc", "ctrl space", "ctrl a", "esc", "right")
    assert editor.code.mark is None


def test_lines_that_are_selected_are_indented_and_commented(editor: Editor) -> None:
    editor.code = edit.filled("a\nb")
    press(editor, "shift up", "ctrl a")
    editor.code = edit.filled("a\nb")
    press(editor, "meta a", "tab")
    assert editor.code.text == "    a\n    b"
    press(editor, "shift tab", "meta ;")
    assert editor.code.text == "# a\n# b"
    press(editor, "meta ;", "ctrl _", "meta _")
    assert editor.code.text == "a\nb"


def test_the_cell_is_edited_elsewhere(editor: Editor) -> None:
    press(editor, "x", "f2")
    assert editor.code == edit.filled("xedited")
    press(editor, "ctrl _")
    assert editor.code.text == "x"


def test_vi_keys_are_at_the_prompt_only_if_they_are_wanted(desk: Desk) -> None:
    editor = Editor(desk, Options(is_vi=True))
    press(editor, "x = 1", "esc", "r4")
    assert editor.code == edit.Buffer("x = 4", 4)
    press(editor, "u", "meta a")  # in normal mode Alt and a letter are the table's
    assert editor.code.text == "x = 1"
    press(editor, "A", "0")
    editor.key("meta 0")  # in insert mode they are Esc and the letter
    assert editor.code == edit.Buffer("x = 10", 0)
    assert editor.vi is not None and editor.vi.sign == "NORMAL"
    press(editor, "2d")
    assert editor.vi.sign == "NORMAL 2d"
    press(editor, "esc", "enter")
    assert executed(desk) == ["x = 10"] and editor.vi.sign == "INSERT"
    press(editor, "y", "esc", "k")
    assert editor.code == edit.Buffer("x = 10", 5)


def test_a_question_takes_the_prompt_and_gives_it_back(editor: Editor, desk: Desk) -> None:
    press(editor, "half typed")
    editor.model = Model(running=1, input=p.InputRequest("name? ", False))
    press(editor, "Bob\n")
    assert desk.session.calls == [("input", "Bob")]
    editor.model = Model()
    assert editor.code.text == "half typed"


def test_pasted_answers_are_given_line_by_line(editor: Editor, desk: Desk) -> None:
    editor.model = Model(running=1, input=p.InputRequest("", False))
    editor.paste("one\ntwo")
    press(editor, "enter")
    editor.model = Model(running=1, input=p.InputRequest("", False))
    editor.holding.end()
    press(editor, "enter")
    desk.settle()
    assert desk.session.calls == [("input", "one"), ("input", "two")]


def test_what_follows_an_answer_is_no_second_answer(editor: Editor, desk: Desk) -> None:
    """The terminal echoes a line before the cell has read it; only a new question asks for another."""
    editor.model = Model(running=1, input=p.InputRequest("name? ", False))
    press(editor, "Bob\n")
    press(editor, "x = 1\n")
    editor.model = Model(running=1)
    editor.holding.begin()
    desk.alarms.pop()()
    desk.settle()
    assert desk.session.calls[0] == ("input", "Bob")
    assert ("input", "x = 1") not in desk.session.calls


def test_an_answer_that_did_not_arrive_can_be_given_again(editor: Editor, desk: Desk) -> None:
    editor.model = Model(running=1, input=p.InputRequest("name? ", False))
    desk.fails = ConnectionLost("nobody reads")
    press(editor, "Bob\n")
    desk.settle()
    assert editor.is_answering and editor.answer.text == "Bob"


@pytest.mark.parametrize("after", [None, p.InputRequest("Password: ", True)], ids=["nothing", "a password"])
def test_half_an_answer_is_for_no_other_question(editor: Editor, after: p.InputRequest | None) -> None:
    """The cell was interrupted, or the program did not wait any longer, or somebody else has answered."""
    editor.model = Model(running=1, input=p.InputRequest("name? ", False))
    press(editor, "half")
    editor.follow(Model(running=1, input=after))
    editor.follow(Model(running=2, input=p.InputRequest("name? ", False)))
    assert editor.is_answering and editor.answer.text == ""


def test_keys_behind_an_answer_wait_for_the_next_question(editor: Editor, desk: Desk) -> None:
    question = Model(running=1, input=p.InputRequest("(Pdb) ", False))
    editor.model = question
    press(editor, "n\n")
    editor.model = Model(running=1)
    editor.holding.begin()
    press(editor, "c\n")
    editor.model = Model(running=1, input=p.InputRequest("(Pdb) ", False))
    editor.holding.end()
    desk.settle()
    assert desk.session.calls == [("input", "n"), ("input", "c")]


def test_keys_behind_the_last_answer_are_the_next_cell(editor: Editor, desk: Desk) -> None:
    editor.model = Model(running=1)
    editor.holding.begin()
    press(editor, "x")
    assert editor.code.text == ""
    desk.alarms.pop()()
    assert editor.code.text == "x"
    press(editor, "y")
    assert editor.code.text == "xy"


def test_enter_on_nothing_releases_a_held_queue(editor: Editor, desk: Desk) -> None:
    press(editor, "enter")
    assert desk.session.calls == []
    editor.model = Model(held=True, queue=(3,))
    press(editor, "enter")
    assert desk.session.calls == [("release",)]


def test_what_was_cut_comes_back(editor: Editor) -> None:
    press(editor, "one two", "ctrl w", "ctrl a", "ctrl y")
    assert editor.code.text == "twoone "
    press(editor, "ctrl e", "ctrl u", "ctrl y")
    assert editor.code.text == "twoone "


def test_undo_goes_back_step_by_step(editor: Editor) -> None:
    press(editor, "ab", "ctrl u", "ctrl _")
    assert editor.code.text == "ab"
    press(editor, "ctrl _", "ctrl _", "ctrl _")
    assert editor.code.text == ""


def test_every_key_has_one_meaning_and_every_command_somebody_who_knows_it() -> None:
    keys = [key for binding in BINDINGS for key in binding.keys]
    assert len(keys) == len(set(keys)) > 30
    from pyshell.console.commands import Commands

    selecting = {f"select_{name}" for name in edit.MOVES}
    known = {*edit.EDITS, *edit.KILLS, *edit.MOVES, *selection.BLOCKS, *selecting, "search_newer", "raw_end"}
    for binding in BINDINGS:
        mine, ours = f"_do_{binding.command}", f"do_{binding.command}"
        assert binding.command in known or hasattr(Editor, mine) or hasattr(Commands, ours), binding.command
