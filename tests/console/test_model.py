"""The fold of a session's events.

Runs in: tests.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from pyshell import protocol as p
from pyshell.console import lines as lines_module
from pyshell.console import model as module
from pyshell.console import timeline
from pyshell.console.model import Model, apply, needs_gap, note


def fold(bodies: Iterable[tuple[int | None, Any]], model: Model | None = None, epoch: int = 1) -> Model:
    model = model or Model()
    for cell, body in bodies:
        model = apply(model, p.Event(model.seq + 1, epoch, cell, "me", 1000.0 + model.seq, body))
    return model


def shown(model: Model) -> list[str]:
    return [model.line(number).text for number in range(model.log.first, model.end)]


def kinds(model: Model) -> list[str]:
    return [model.line(number).kind for number in range(model.log.first, model.end)]


def cell(number: int, code: str, *bodies: Any, status: p.CellStatus = "ok") -> list[tuple[int | None, Any]]:
    return [
        (number, p.Queued(code)), (number, p.Started()), *((number, body) for body in bodies),
        (number, p.Finished(status, 0.5)),
    ]  # fmt: skip


EXIT = p.ExitInfo("The worker was killed by SIGSEGV.", "SIGSEGV", None, False, 51_234_567, "Thread 1\n  File x", 2)
ERROR = p.ErrorInfo("ValueError", "no", "Traceback (most recent call last):\n  File x\nValueError: no\n")


def test_a_cell_with_output_and_a_value() -> None:
    model = fold(cell(1, "print(1)\n2", p.Output("1\n"), p.Result("2", "int")))
    assert shown(model) == ["In [1]: print(1)", "   ...: 2", "1", "Out[1]: 2"]
    assert kinds(model) == ["code", "code", "output", "result"]
    assert model.cells[1].status == "ok"
    assert (model.cells[1].result, model.cells[1].seconds, model.next_cell) == ("2", 0.5, 2)
    assert needs_gap(model)


def test_going_to_another_checkpoint_is_told_in_a_line_or_two() -> None:
    lost = p.Unsaved("gen", "generator", "it cannot be saved", 2)
    back = p.CheckedOut(3, 5, 2, ("Frame", "x"), ("late",), (lost,), 0.0123)
    model = fold([(None, back)])
    assert shown(model) == [
        "The state is that after In [2] (checkpoint 3), in 12 ms. Back: Frame, x; removed: late.",
        "Not restored: gen (generator): it cannot be saved. In [2] made it.",
    ]
    assert (model.saved_cell, model.unsaved) == (2, (lost,))
    same = p.CheckedOut(3, 5, None, (), (), (), 2.5)
    assert shown(fold([(None, same)])) == [
        "The state is that before the first cell (checkpoint 3), in 2.5 s. Nothing differs."
    ]
    many = p.CheckedOut(3, 5, 1, (), tuple(f"n{n}" for n in range(25)), (), 0.1)
    assert shown(fold([(None, many)]))[0].endswith("Removed: " + ", ".join(f"n{n}" for n in range(20)) + " and 5 more.")


def test_loading_single_names_and_failing_are_told() -> None:
    lost = p.Unsaved("y", "list", "damaged", None)
    bodies = [(None, p.Loaded(4, ("x",), (lost,), 0.1)), (None, p.CheckoutFailed("StoreError", "the disk is full"))]
    assert shown(fold(bodies)) == [
        "Loaded from checkpoint 4: x.", "Not restored: y (list): damaged.", "Not done: the disk is full.",
    ]  # fmt: skip


def test_output_that_does_not_end_its_line_is_ended_by_what_follows() -> None:
    assert shown(fold(cell(1, "x", p.Output("a"), p.Output("b"), p.Result("2", "int"))))[1:] == ["ab", "Out[1]: 2"]


def test_values_of_several_lines_keep_their_columns() -> None:
    assert shown(fold(cell(1, "x", p.Result("[[1 2]\n [3 4]]", "ndarray"))))[1:] == ["Out[1]:", "[[1 2]", " [3 4]]"]


def test_cells_are_set_apart_by_a_blank_line_where_something_was_shown() -> None:
    model = fold([*cell(1, "a = 1"), *cell(2, "b = 2", p.Output("x\n")), *cell(3, "c = 3")])
    assert shown(model) == ["In [1]: a = 1", "In [2]: b = 2", "x", "", "In [3]: c = 3"]


def test_type_ahead_waits_and_appears_when_it_starts() -> None:
    model = fold([(1, p.Queued("a")), (1, p.Started()), (2, p.Queued("b")), (1, p.Output("x\n"))])
    assert (model.running, model.queue, model.next_cell) == (1, (2,), 3)
    assert shown(model) == ["In [1]: a", "x"]
    model = fold([(1, p.Finished("ok", 0.1)), (2, p.Started())], model)
    assert (model.running, model.queue) == (2, ())
    assert shown(model)[-1] == "In [2]: b"


def test_an_error_shows_its_traceback_unless_the_user_did() -> None:
    model = fold(cell(1, "x", p.Error(ERROR, False), status="error"))
    assert kinds(model)[1:] == ["traceback", "traceback", "error"]
    assert shown(model)[-1] == "ValueError: no"
    assert len(shown(fold(cell(1, "x", p.Error(ERROR, True), status="error")))) == 1


def test_a_death_says_why_and_the_restart_what_came_back() -> None:
    model = fold([(None, p.StateChanged("idle", 10)), (2, p.Queued("boom()")), (3, p.Queued("next")), (2, p.Started())])
    model = fold([(2, p.Output("last words")), (2, p.Died(EXIT)), (None, p.StateChanged("restarting", None))], model)
    assert (model.state, model.running, model.pid) == ("restarting", None, None)
    assert "The worker was killed by SIGSEGV." in shown(model)
    assert "  It had used at most 51 MB of memory." in shown(model)
    lost = p.Unsaved("conn", "Connection", "it is a socket", 1)
    again = [
        (None, p.Restored(4, ("x", "_", "_3", "y"), (lost,), 0.123)), (2, p.Finished("died", 1.0)),
        (None, p.Held((3,))), (None, p.StateChanged("idle", 11)),
    ]  # fmt: skip
    model = fold(again, model, epoch=2)
    text = shown(model)
    assert " RESTART: epoch 2 " in text
    assert "Restored in 123 ms: x, y." in text
    assert "Not restored: conn (Connection): it is a socket. In [1] made it." in text
    assert text.index("last words") < text.index("The worker was killed by SIGSEGV.") < text.index(" RESTART: epoch 2 ")
    assert (model.epoch, model.held, model.queue, model.unsaved) == (2, True, (3,), (lost,))
    assert not model.saving
    assert not fold([(None, p.Released())], model, epoch=2).held


def test_a_restart_is_told_even_if_nothing_else_is() -> None:
    model = fold(cell(1, "x"))
    model = fold([(None, p.StateChanged("idle", 5))], model, epoch=3)
    assert " RESTART: epoch 3 " in shown(model)


def test_the_first_epoch_is_no_restart() -> None:
    model = fold([(None, p.StateChanged("idle", 1)), (None, p.Restored(None, (), (), 0.0))])
    assert shown(model) == []


def test_a_stack_is_cut() -> None:
    long = EXIT.__class__(**{**EXIT.__dict__, "stack": "\n".join(map(str, range(500)))})
    model = fold([(1, p.Queued("x")), (1, p.Started()), (1, p.Died(long))])
    assert len(shown(model)) < 50
    assert "  … 470 more lines" in shown(model)


def test_saving_and_what_is_unsaved() -> None:
    model = fold(cell(1, "x"))
    assert model.saving
    lost = p.Unsaved("f", "generator", "it cannot be", 1)
    model = fold([(1, p.Saved(1, (lost,), 0.01, 10))], model)
    assert (model.saving, model.saved_cell, model.unsaved) == (False, 1, (lost,))
    model = fold([*cell(2, "y"), (2, p.SaveFailed("the disk is full"))], model)
    assert (model.saving, model.save_failure, model.saved_cell) == (False, "the disk is full", 1)
    assert shown(model)[-1] == "not saved: the disk is full"


def test_input_is_asked_for_until_it_is_there() -> None:
    request = p.InputRequest("name? ", False)
    model = fold([(1, p.Queued("x")), (1, p.Started()), (1, request)])
    assert model.input == request
    assert fold([(1, p.InputDone())], model).input is None
    assert fold([(1, p.Finished("interrupted", 1.0))], model).input is None
    assert fold([(1, p.Died(EXIT))], model).input is None


def test_a_cell_that_never_ran_is_not_forgotten() -> None:
    model = fold([(1, p.Queued("forgotten()\nmore")), (1, p.Finished("aborted", 0.0))])
    assert shown(model) == ["In [1]: forgotten()   (not run)"]
    assert (model.queue, model.cells[1].status) == ((), "aborted")


def test_dropping_the_last_held_cell_ends_the_hold() -> None:
    model = fold([(1, p.Queued("a")), (2, p.Queued("b")), (None, p.Held((1, 2))), (1, p.Finished("aborted", 0.0))])
    assert model.held
    assert not fold([(2, p.Finished("aborted", 0.0))], model).held


def test_an_event_counts_once() -> None:
    model = fold(cell(1, "x", p.Output("a\n")))
    assert apply(model, p.Event(3, 1, 1, "me", 0.0, p.Output("a\n"))) is model


def test_it_folds_the_same_in_one_go_and_in_pieces() -> None:
    events = [
        *cell(1, "a", p.Output("1\n")),
        *cell(2, "b", p.Output("x"), p.Result("2", "int")),
        (None, p.Notice("hm")),
    ]
    whole = fold(events)
    for cut in range(len(events)):
        assert fold(events[cut:], fold(events[:cut])) == whole


def test_a_progress_bar_of_this_cell_may_be_rewritten_but_nothing_above_it() -> None:
    model = fold([*cell(1, "a", p.Output("kept\n")), (2, p.Queued("b")), (2, p.Started())])
    model = fold([(2, p.Output("bar\n")), (2, p.Output("\x1b[9A\x1b[2Knew\n"))], model)
    assert shown(model) == ["In [1]: a", "kept", "", "In [2]: b", "new"]


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "MAX_LINES", 1000)
    monkeypatch.setattr(module, "MAX_CELLS", 10)
    model = Model()
    for number in range(1, 200):
        model = fold(cell(number, "x", p.Output("line\n" * 50)), model)
    assert len(model.cells) == 10
    assert model.end - model.log.first < 2000
    assert model.end == 199 * 52 - 1
    assert model.code(1) == ""


def test_every_event_has_its_fold() -> None:
    bodies = set(p.EventBody.__args__)  # type: ignore[attr-defined]
    assert bodies == set(module._FOLDS)


def test_the_console_may_add_lines_of_its_own() -> None:
    model = note(fold([(1, p.Queued("x")), (1, p.Started()), (1, p.Output("half"))]), "hello\nworld")
    assert shown(model) == ["In [1]: x", "half", "hello", "world"]


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (51_234_567, "51 MB"), (10**13, "10 TB")]
)
def test_sizes_are_for_people(count: int, text: str) -> None:
    assert timeline.size(count) == text


def test_the_model_knows_nothing_of_the_screen() -> None:
    import subprocess
    import sys

    names = ("variables", "timeline", "waiting", "sessions", "keys")
    panels = ", ".join([f"pyshell.console.panels.{name}" for name in names])
    program = (
        f"import sys, pyshell.console.model, pyshell.console.editor, {panels}; print('urwid.canvas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "False\n"


def test_a_cell_in_the_background_has_blocks_of_its_own() -> None:
    model = fold(
        [*cell(1, "f() ;;"), (None, p.Background((1,))), (1, p.Output("one\n")), *cell(2, "g()", p.Output("two\n"))]
    )
    model = fold([(1, p.Output("three\n")), (1, p.Output("four\n")), (3, p.Queued("h()")), (3, p.Started())], model)
    model = fold(
        [(1, p.Output("five\n")), (3, p.Output("six\n")), (1, p.Result("7", "int")), (None, p.Background(()))], model
    )
    expected = ["In [1]: f() ;;", "one", "", "In [2]: g()", "two", "— In [1] —", "three", "four", "", "In [3]: h()"]
    assert shown(model)[: len(expected)] == expected
    assert shown(model)[len(expected) :] == ["— In [1] —", "five", "— In [3] —", "six", "Out[1]: 7"]
    assert model.background == ()
