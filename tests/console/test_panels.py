"""The panels' models, without a terminal, and how a sheet is drawn.

Runs in: tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import urwid
from hypothesis import given, settings
from hypothesis import strategies as st

from pyshell import listing
from pyshell import protocol as p
from pyshell.console.asking import Asking
from pyshell.console.bindings import BINDINGS, BROWSING
from pyshell.console.keymap import Keymap
from pyshell.console.known import Cell, Model
from pyshell.console.panels import timeline, variables, waiting
from pyshell.console.panels.keys import Keys
from pyshell.console.panels.panel import Panel
from pyshell.console.panels.remaking import Remaking
from pyshell.console.panels.sessions import Sessions
from pyshell.console.panels.sheet import Column, Place, Sheet
from pyshell.console.panels.table import Table
from pyshell.console.panels.timeline import Timeline
from pyshell.console.panels.variables import Known, Variables, arranged, nodes
from pyshell.console.panels.view import Cover, draw
from pyshell.console.panels.waiting import Waiting
from tests.console.test_screen import screen, text, with_lines
from tests.console.told import Frame, Told

urwid.set_encoding("utf-8")
PANELS = (Variables, Table, Timeline, Waiting, Sessions, Remaking, Keys)


class Session:
    """Answers at once, and keeps what it was asked."""

    name = "scripted"

    def __init__(self, **namespace: Any) -> None:
        self.namespace = namespace
        self.calls: list[tuple[object, ...]] = []
        self.head = 4

    def variables(self) -> tuple[p.Variable, ...]:
        return Told().variables(self.namespace)

    def children(self, path: str, start: int, count: int) -> p.Children:
        self.calls.append(("children", path, count))
        return Told().children(eval(path, self.namespace), path, start, count)

    def table(self, path: str, rows: range, columns: range) -> p.Table:
        self.calls.append(("table", rows, columns))
        return Told().table(self.namespace.get(path), rows, columns)

    def checkpoints(self) -> tuple[p.Checkpoint, ...]:
        return Told().checkpoints(self.head)

    def diff(self, before: int, after: int) -> p.Difference:
        self.calls.append(("diff", before, after))
        return Told().diff(before, after)

    def history(self, limit: int) -> tuple[p.HistoryEntry, ...]:
        return (p.HistoryEntry(3, "\nx = 3\ny = 4", "ok", 0.0, "test"),)

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            self.calls.append((verb, *given))
            if verb in ("restore", "undo", "redo"):
                self.head = given[0] if given else 2
                return p.CheckedOut(self.head, 4, 2, (), (), (), 0.0)
            return None

        return call


class Desk:
    is_connected = True

    def __init__(self, session: Session) -> None:
        self._session = session
        self.late: list[Callable[[], None]] | None = None
        """Answers that wait to be given; None: they come at once."""

    def ask(self, work: Any, then: Any = None, lane: Any = "", refused: Any = None) -> None:
        result = work(self._session)
        if self.late is not None:
            self.late.append(lambda: then(result))
        else:
            then(result)


class Around:
    def __init__(self, **namespace: Any) -> None:
        self.session = Session(**namespace)
        self.desk = Desk(self.session)
        self.keymap = Keymap()
        self.model = Model()
        self.panels: list[Panel] = []
        self.drafted = ""
        self.attached = ""

    def refresh(self) -> None: ...

    def open(self, panel: Panel) -> None:
        self.panels.append(panel)
        panel.opened()

    def close(self) -> None:
        self.panels.pop()

    def show_keys(self, bindings: Any) -> None:
        self.open(Keys(self, bindings))

    def replay(self, panel: Panel, keys: Any) -> None:
        for key in keys:
            self.panels[-1].key(key)

    def draft(self, code: str) -> None:
        self.drafted = code

    def attach(self, name: str) -> None:
        self.attached = name


def opened(panel: Panel) -> Panel:
    panel.around.open(panel)
    return panel


def press(panel: Panel, *keys: str) -> None:
    for key in keys:
        assert panel.key(key)


def names(panel: Panel, column: int = 0) -> list[str]:
    return [cells[column].strip() for cells in panel.sheet.rows]


def drawn(panel: Panel, width: int = 80, height: int = 12) -> list[str]:
    return [text.decode().rstrip() for text, _ in draw(panel, width, height)]


# --- what all have ----------------------------------------------------------------------------------


@pytest.mark.parametrize("panel", PANELS)
def test_every_key_of_a_panel_has_one_command_that_it_knows(panel: type[Panel]) -> None:
    bindings = Keymap().inside(panel.name)
    keys = [key for binding in bindings for key in binding.keys]
    assert len(keys) == len(set(keys))
    assert all(callable(getattr(panel, f"do_{binding.command}")) for binding in bindings)


def test_the_selected_row_stays_in_view() -> None:
    place = Place()
    assert place.window(100, 10) == range(10)
    place.move(15, 100)
    assert place.window(100, 10) == range(6, 16)
    place.move(-3, 100)
    assert place.window(100, 10) == range(6, 16)
    place.move(-99, 100)
    assert place.window(100, 10) == range(10)
    place.move(1000, 100)
    assert place.window(100, 10) == range(90, 100)
    assert (place.window(3, 10), place.at) == (range(3), 2)
    assert place.window(0, 10) == range(0)


def test_a_question_is_typed_or_answered_by_one_key() -> None:
    said: list[str] = []
    asking = Asking()
    asking.ask("name: ", "ab", said.append)
    for key in ("backspace", "c", "漢", "up"):
        asking.key(key)
    assert asking.line == "name: ac漢▏"
    asking.key("enter")
    assert (said, asking.is_on) == (["ac漢"], False)
    for key in ("n", "esc", "y"):
        asking.confirm("Sure?", lambda: said.append("yes"))
        asking.key(key)
    assert said == ["ac漢", "yes"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40)), max_size=30),
    st.integers(1, 120), st.integers(1, 40),
)  # fmt: skip
def test_any_sheet_can_be_drawn_at_any_size(rows: list[tuple[str, ...]], width: int, height: int) -> None:
    class Anything(Panel):
        name = "help"
        title = "any 漢字"  # type: ignore[assignment]
        sheet = Sheet((Column("a", True), Column("b"), Column("c")), rows)  # type: ignore[assignment]
        detail = ["漢字" * 30]  # type: ignore[assignment]

    found = draw(Anything(Around()), width, height)
    assert len(found) == height
    canvas = urwid.TextCanvas([text for text, _ in found], [attributes for _, attributes in found], maxcol=width)
    assert canvas.rows() == height


@pytest.mark.parametrize("panel", [Variables, Timeline, Waiting])
def test_a_panel_can_be_drawn_before_anything_is_known(panel: type[Panel]) -> None:
    heads = drawn(panel(Around()))[1].split()
    assert heads == [column.head for column in panel(Around()).sheet.columns if column.head]


def test_a_panel_covers_the_transcript_and_the_prompt_has_no_cursor() -> None:
    shown = screen(with_lines(30))
    panel = Keys(Around(), BINDINGS)
    shown.cover = Cover(panel)
    rows = text(shown, (60, 10))
    assert rows[0] == " Keys"
    assert rows[-2] == "In [1]:"
    assert rows[-1].endswith(panel.status)
    assert shown.render((60, 10), focus=True).cursor is None
    shown.cover = None
    assert text(shown, (60, 10))[0] == "line 23"
    assert shown.render((60, 10), focus=True).cursor is not None


# --- variables --------------------------------------------------------------------------------------


def variable(name: str, type_: str = "int", size: int = 1, cell: int | None = None) -> p.Variable:
    return p.Variable(name, type_, "", size, "", cell)


def test_variables_are_put_in_order_and_searched() -> None:
    known = [variable("b", "str", 5, 1), variable("A", "int", 9, 3), variable("c", "dict", 7, 2)]

    def order(by: str, is_reversed: bool = False, sought: str = "") -> str:
        return "".join([one.name for one in arranged(known, by, is_reversed=is_reversed, sought=sought)])

    assert [order(by) for by in variables.ORDERS] == ["bAc", "Abc", "cAb", "Acb", "Acb"]
    assert order("name", is_reversed=True) == "cbA"
    assert (order("bound", sought="a"), order("bound", sought="DIC")) == ("A", "c")


def test_what_was_opened_lies_below_its_name() -> None:
    child = p.Child("[0]", "a[0]", "list", "1", 1, "[7]", 1, 0)
    inside = {"a": p.Children(True, 150, (child,))}
    found = nodes(Known((variable("a"), variable("b")), inside), [variable("a"), variable("b")])
    assert [(node.name, node.depth) for node in found] == [
        ("a", 0), ("[0]", 1), ("… 149 more", 1), ("b", 0)
    ]  # fmt: skip


def test_containers_open_by_page_and_shut() -> None:
    around = Around(a=[[1, 2], 3], many=list(range(250)), 漢字="text")
    panel = opened(Variables(around))
    assert names(panel) == ["▸ a", "▸ many", "漢字"]
    press(panel, "enter", "down", "right")
    assert names(panel) == ["▾ a", "▾ [0]", "[0]", "[1]", "[1]", "▸ many", "漢字"]
    press(panel, "down", "left", "left")
    assert names(panel) == ["▾ a", "▸ [0]", "[1]", "▸ many", "漢字"]
    press(panel, "left", "left", "down", "enter")
    assert len(names(panel)) == 2 + 100 + 1 + 1
    assert names(panel)[102] == "… 150 more"
    panel.place.at = 102
    press(panel, "enter")
    assert names(panel)[202] == "… 50 more"
    panel.place.at = 2
    press(panel, "e")
    assert around.drafted == "many[0]"
    panel.place.at = 0
    press(panel, "home", "end", "enter")
    assert "nothing to open" in panel.status


def test_the_selection_stays_with_its_name_when_others_come() -> None:
    around = Around(b=1, c=2)
    panel = opened(Variables(around))
    press(panel, "s", "down")
    assert panel.selected.name == "c"
    around.session.namespace["a"] = 0
    around.model = Model(running=7)
    panel.followed()
    assert (names(panel), panel.selected.name) == (["a", "b", "c"], "c")


def test_no_second_question_is_asked_before_the_first_is_answered() -> None:
    around = Around(a=1)
    around.desk.late = []
    panel = opened(Variables(around))
    for running in (1, 2, 3):
        around.model = Model(running=running)
        panel.followed()
    assert len(around.desk.late) == 1
    around.desk.late.pop()()
    assert len(around.desk.late) == 1
    around.desk.late.pop()()
    assert around.desk.late == []


def test_what_is_opened_while_an_answer_is_on_its_way_is_opened_by_the_next() -> None:
    around = Around(a=[1, 2])
    panel = opened(Variables(around))
    around.desk.late = []
    around.model = Model(running=1)
    panel.followed()
    press(panel, "enter")
    around.desk.late.pop()()
    around.desk.late.pop()()
    assert names(panel) == ["▾ a", "[0]", "[1]"]


def test_a_frame_opens_as_a_table() -> None:
    around = Around(frame=Frame(3, 2))
    press(opened(Variables(around)), "enter")
    assert isinstance(around.panels[-1], Table)
    assert names(around.panels[-1], 1) == ["0.0", "1.0", "2.0"]


# --- tables -----------------------------------------------------------------------------------------


def table(rows: int, columns: int) -> tuple[Around, Table]:
    around = Around(f=Frame(rows, columns))
    panel = Table(around, "f")
    panel.size = (80, 10)
    opened(panel)
    return around, panel


def test_what_is_typed_before_the_table_has_come_is_not_lost() -> None:
    around = Around(f=Frame(1000, 30))
    around.desk.late = []
    panel = opened(Variables(around))
    press(panel, "enter", "right", ":", "5", "enter", "down")
    around.desk.late.pop()()
    frame = around.panels[-1]
    assert isinstance(frame, Table)
    around.desk.late.pop()()
    assert "row 6, from column 1" in frame.title


def test_a_table_asks_for_the_rows_around_its_window_only() -> None:
    around, panel = table(10_000_000, 3)
    assert names(panel) == [str(n) for n in range(10)]
    press(panel, "end")
    assert (names(panel)[-1], names(panel, 2)[-1]) == ("9999999", "9999999.1")
    press(panel, ":", *"5000000", "enter")
    assert "5000000.0" in names(panel, 1)
    asked = [call[1] for call in around.session.calls if call[0] == "table"]
    assert all(len(rows) == 40 for rows in asked)
    count = len(asked)
    press(panel, "down", "down", "up")
    assert len([call for call in around.session.calls if call[0] == "table"]) == count
    assert "row 5,000,001" in panel.title


def test_a_table_scrolls_by_columns() -> None:
    _, panel = table(4, 50)
    press(panel, *["right"] * 15)
    assert (panel.sheet.columns[1].head, panel.sheet.rows[3][1]) == ("c15 int64", "3.15")
    press(panel, ">")
    assert [column.head for column in panel.sheet.columns] == ["", "c49 int64", ""]
    press(panel, "<", "left")
    assert panel.sheet.columns[1].head == "c0 int64"


def test_columns_of_a_table_are_cut_off_and_not_squeezed() -> None:
    _, panel = table(4, 50)
    heads, first = drawn(panel, 40)[1:3]
    assert heads == "    c0 int64  c1 int64  c2 int64  c3 int"
    assert first == " 0       0.0       0.1       0.2       0"


def test_a_page_down_moves_what_is_in_view_at_once() -> None:
    panel = opened(Keys(Around(), BINDINGS))
    before = drawn(panel, 80, 10)
    press(panel, "page down")
    after = drawn(panel, 80, 10)
    assert after[2] == before[-1] or after[2] not in before
    _, frame = table(1000, 4)
    drawn(frame)
    top = frame.sheet.rows[0][0]
    press(frame, "page down")
    assert frame.sheet.rows[0][0] != top


def test_a_table_that_is_gone_says_so_and_asks_no_more() -> None:
    around, panel = table(4, 4)
    around.session.namespace["f"] = None
    around.model = Model(running=1)
    panel.followed()
    assert "no array and no frame" in panel.title
    assert panel.sheet.rows == []
    drawn(panel)


def test_a_table_that_gives_less_than_was_asked_for_is_not_asked_for_ever() -> None:
    around, panel = table(1000, 4)
    around.session.table = lambda *_: p.Table(True, "Frame", 1000, 4, (), ())  # type: ignore[method-assign]
    press(panel, "end", "page up")
    assert len(panel.sheet.rows) == 10


# --- the timeline -----------------------------------------------------------------------------------


def test_the_timeline_draws_branches_and_says_what_each_state_changed() -> None:
    around = Around()
    panel = opened(Timeline(around))
    drawn(panel, 120, 20)
    assert names(panel) == ["@", "| *", "|-'", "*", "*"]
    assert names(panel, 1) == ["4", "3", "", "2", "1"]
    assert names(panel, 6) == ["+ n4  - n2", "+ n3  - n2", "", "+ n2", ""]
    assert panel.sheet.rows[1][8] == "x = 3 …"
    assert panel.detail == ["From 2 to 4:", "  added: n4 (int)", "  removed: n2 (str)"]
    press(panel, "down", "d")
    assert panel.detail[0] == "From 3 to now:"
    press(panel, "end")
    press(panel, "d")
    assert panel.detail == ["The first saved state."]
    calls = [call for call in around.session.calls if call[0] == "diff"]
    assert len(calls) == len(set(calls))


def test_going_to_a_state_asks_first_and_undo_does_not() -> None:
    around = Around()
    panel = opened(Timeline(around))
    press(panel, "enter")
    assert "there already" in panel.status
    press(panel, "down", "enter", "n")
    assert around.session.head == 4
    press(panel, "enter")
    assert "state 3 (after In [3])?" in panel.status
    press(panel, "y")
    assert around.session.head == 3
    assert "at state 3" in panel.status
    press(panel, "u")
    assert ("undo",) in around.session.calls
    press(panel, "home", "l", *"good", "enter", "down", "down", "down", "l", "ctrl u", "enter")
    assert ("label", 2, None) in around.session.calls
    assert ("label", 4, "good") in around.session.calls
    press(panel, "home", "down", "e")
    assert around.drafted == "\nx = 3\ny = 4"


def test_a_difference_in_words() -> None:
    change = p.NameChange("x", "int", "int", 1)
    other = p.NameChange("y", "int", "str", 1)
    difference = p.Difference((), (change, other), ())
    assert timeline.described(difference) == ["changed: x (int), y (int → str)"]
    assert timeline.described(p.Difference((), (), ())) == ["nothing differs"]
    assert timeline.changed(difference) == "~ x, y"


# --- the queue --------------------------------------------------------------------------------------


def with_queue() -> Around:
    around = Around()
    cells = {number: Cell(number, f"cell {number}\nmore", "me") for number in (1, 2, 3, 4)}
    around.model = Model(cells=cells, running=1, queue=(2, 3, 4))
    return around


def test_the_queue_is_cancelled_and_reordered() -> None:
    around = with_queue()
    panel = opened(Waiting(around))
    assert names(panel, 1) == ["In [1]", "In [2]", "In [3]", "In [4]"]
    press(panel, "K")
    assert "Only cells that wait" in panel.status
    press(panel, "d")
    assert "Interrupt In [1]?" in panel.status
    press(panel, "y", "down", "K", "J", "d", "end", "J")
    assert around.session.calls == [("interrupt",), ("move", 2, 1), ("cancel", 2)]
    assert panel.detail == ["cell 4", "more"]
    press(panel, "e")
    assert (around.drafted, around.session.calls[-1]) == ("cell 4\nmore", ("cancel", 4))


def test_keys_that_are_faster_than_the_session_move_on_from_where_it_will_be() -> None:
    around = with_queue()
    panel = opened(Waiting(around))
    press(panel, "end", "K", "K", "K")
    assert around.session.calls == [("move", 4, 1), ("move", 4, 0)]
    around.model = around.model._replace(queue=(4, 2, 3))
    panel.followed()
    press(panel, "J")
    assert around.session.calls[2:] == [("move", 4, 1)]


def test_the_selected_cell_stays_selected_when_the_queue_changes() -> None:
    around = with_queue()
    panel = opened(Waiting(around))
    press(panel, "end", "r")
    assert "not held" in panel.status
    around.model = around.model._replace(running=2, queue=(4, 3), held=True)
    panel.followed()
    assert panel.selected.number == 4
    assert "2 cells are held" in panel.title
    press(panel, "r")
    assert around.session.calls == [("release",)]
    assert waiting.cells(Model()) == []


def test_help_is_of_the_keys_that_are_in_force() -> None:
    panel = Keys(Around(), Keymap({"undo": ("f9",), "redo": ()}).bindings)
    found = dict(panel.sheet.rows)
    assert found["F9"] == "undo"
    assert "redo" not in found.values()
    assert len(found) == len(BINDINGS) - 2
    assert names(panel)[0] == "Enter"


def test_a_panels_keys_are_the_persons() -> None:
    around = Around(b=1, a="x")
    around.keymap = Keymap({"variables_sort": ("S",), "panel_next": ("s",)})
    panel = opened(Variables(around))
    press(panel, "S", "s")
    assert "by name" in panel.title
    assert panel.selected is not None and panel.selected.name == "b"
    assert "S sort" in panel.status


# --- sessions and keys ------------------------------------------------------------------------------


def test_sessions_are_gone_to_and_only_running_ones_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "rows_of", Told().sessions)
    around = Around()
    panel = opened(Sessions(around, "scripted"))
    assert names(panel) == ["model", "notes", "@ scripted"]
    assert "2 running, 1 saved" in panel.title
    press(panel, "enter")
    assert (around.attached, "This is that session" in panel.status) == ("", True)
    press(panel, "up", "x")
    assert "does not run" in panel.status
    press(panel, "enter", "up", "x", "n")
    assert around.attached == "notes"
    press(panel, "end", "x", "y")
    assert around.session.calls == [("kill",)]


def test_keys_are_searched_and_any_other_key_goes_back() -> None:
    around = Around()
    panel = Keys(around, (*BINDINGS, *BROWSING))
    around.open(panel)
    press(panel, "/", *"scroll the", "enter")
    assert names(panel) == ["PgUp, Alt-V"]
    press(panel, "down", "x")
    assert around.panels == []


# --- cells that could run again -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "code"), [("y", "%replay -y"), ("ay", "%replay -a"), ("v", "%replay --never 3 5"), ("n", "")]
)
def test_what_is_said_to_running_cells_again_is_a_cell_of_its_own(keys: str, code: str) -> None:
    steps = (
        p.Rerun(3, "rows = read(path)", ("rows",), ("path",), 2, (), False),
        p.Rerun(5, "db = connect(url)", ("db",), (), 4, ("connected to db:5432",), False),
    )
    around = Around()
    panel = opened(Remaking(around, p.Remakeable(steps)))
    assert "rows, db" in panel.title and names(panel, 2) == ["path of state 2", ""] and "y yes" in panel.status
    press(panel, "j")
    assert panel.detail == ["It connected to db:5432.", "db = connect(url)"]
    press(panel, *keys)
    assert around.panels == [] and around.session.calls == ([("execute", code)] if code else [])


def test_what_was_done_outside_is_done_again_after_a_question_only() -> None:
    """The panel comes by itself, perhaps while somebody begins to type."""
    around = Around()
    steps = (p.Rerun(5, "db = connect(url)", ("db",), (), 4, ("connected to db:5432",), False),)
    panel = opened(Remaking(around, p.Remakeable(steps)))
    press(panel, "a")
    assert "Do again what In[5] did outside?" in panel.status
    press(panel, "x")
    assert around.panels == [panel] and around.session.calls == []
    within = (p.Rerun(5, "rows = (n for n in 'ab')", ("rows",), (), 4, (), False),)
    panel = opened(Remaking(around, p.Remakeable(within)))
    press(panel, "a")
    assert around.session.calls == [("execute", "%replay -a")]
