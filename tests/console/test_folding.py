"""What is folded away, and moving over it.

Runs in: tests.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pyshell import protocol
from pyshell.console import folding
from pyshell.console.folding import Fold, Folded, fold_frames, fold_output, merged
from pyshell.console.model import Model, apply
from pyshell.console.transcript import Transcript

TRACEBACK = """\
Traceback (most recent call last):
  File "<In[3]>", line 1, in <module>
    f()
  File "/usr/lib/python3/dist-packages/pandas/core/frame.py", line 10, in f
    g()
    ~^^
  File "/usr/lib/python3.11/json/decoder.py", line 355, in raw_decode
    raise
  File "/home/me/own.py", line 3, in g
    h()
  File "/venv/lib/python3.11/site-packages/numpy/x.py", line 3, in h
    1 / 0"""


def test_frames_of_libraries_are_folded_where_there_are_several() -> None:
    assert fold_frames(TRACEBACK.split("\n"), 100, 3) == [Fold(103, 108, "  … 2 frames in pandas, json", 3)]
    assert fold_frames([], 0, 1) == []


def test_long_output_is_folded_in_the_middle() -> None:
    assert fold_output(0, folding.MAX_OUTPUT, 1) is None
    fold = fold_output(50, 50 + 5000, 1)
    assert fold is not None and (fold.start, fold.end) == (50 + folding.HEAD, 5050 - folding.TAIL)
    assert "4,700 more lines" in fold.text


spans = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=8)


@given(spans)
def test_moving_up_and_down_meets_the_same_lines(spans: list[tuple[int, int]]) -> None:
    folded = Folded(merged([Fold(start, start + length, "") for start, length in spans]))
    down, line = [], 0
    while line < 100:
        down.append(line)
        line = folded.after(line)
    up = []
    while line > 0:
        line = folded.before(line)
        up.append(line)
    assert up[::-1] == down
    hidden = {n for start, length in spans for n in range(start, start + length)}
    assert set(range(100)) - hidden <= set(down)
    assert all(folded.shown(n) in down for n in range(100))


def events(*bodies: protocol.EventBody) -> Model:
    model = Model()
    for seq, body in enumerate([protocol.Queued("x"), protocol.Started(), *bodies], 1):
        model = apply(model, protocol.Event(seq, 1, 1, "me", 0.0, body))
    return model


def shown(model: Model, *, toggled: list[Fold] | None = None) -> list[str]:
    transcript = Transcript(1)
    transcript.show(model)
    transcript.toggle(toggled or [])
    return [row.decode().rstrip() for row in transcript.render((60, 2000)).text]


def test_a_flood_is_folded_when_it_ends_and_can_be_opened() -> None:
    flood = protocol.Output("".join([f"line {n}\n" for n in range(1500)]))
    running = events(flood)
    assert running.folds == ()
    ended = events(flood, protocol.Finished("ok", 1.0))
    assert len(ended.folds) == 1
    rows = shown(ended)
    assert "… 1,200 more lines. F6 shows all of them." in rows and "line 99" in rows and "line 1300" in rows
    assert "line 100" not in rows and "line 1299" not in rows
    assert "line 700" in shown(ended, toggled=list(ended.folds))


def test_output_in_pieces_is_one_run_and_a_result_ends_it() -> None:
    pieces = [protocol.Output(f"line {n}\n") for n in range(1500)]
    assert len(events(*pieces, protocol.Result("1", "int")).folds) == 1


def test_folds_go_with_their_lines() -> None:
    flood = protocol.Output("".join([f"line {n}\n" for n in range(60_000)]))
    value = protocol.Result("1", "int")
    model = events(flood, value, flood, value, flood, protocol.Finished("ok", 1.0))
    assert all(fold.start >= model.log.first for fold in model.folds)
    assert "line 59999" in shown(model)


def test_a_traceback_is_folded_and_coloured() -> None:
    error = protocol.ErrorInfo("ZeroDivisionError", "no", TRACEBACK + "\nZeroDivisionError: no\n")
    model = events(protocol.Error(error, False))
    assert "  … 2 frames in pandas, json" in shown(model)
    assert not any("decoder.py" in row for row in shown(model))
    transcript = Transcript(256)
    transcript.show(model)
    attributes = {attribute for row in transcript.render((80, 30)).content() for attribute, _, _ in row}
    assert {"traceback.file", "traceback.line", "traceback.name", "code.number", "fold", "error"} <= attributes


def test_what_is_sought_is_marked() -> None:
    from pyshell.console.transcript import found

    assert found([("a", "one t"), (None, "wo two")], "Two") == [
        ("a", "one "), ("marked", "t"), ("marked", "wo"), (None, " "), ("marked", "two"),
    ]  # fmt: skip
