"""Completion of pandas' frames: their columns are read, not asked for.

Runs in: tests.
"""

from __future__ import annotations

from typing import Any

import pytest

from pyshell.worker.introspection.completion import complete

pytestmark = pytest.mark.science
pandas = pytest.importorskip("pandas")
import numpy  # noqa: E402  (pandas needs it)

calls: list[str] = []


class Frame(pandas.DataFrame):  # type: ignore[misc, name-defined]
    """One whose every method would be the user's."""

    @property
    def columns(self) -> Any:
        calls.append("columns")
        raise RuntimeError


def variables() -> dict[str, Any]:
    frame = pandas.DataFrame({"column a": [1, 2], "column_b": ["x", "y"], 5: [1.0, 2.0]}, index=["first", "second"])
    times = pandas.DataFrame({"t": pandas.to_datetime(["2020-01-01"])})
    numbers = pandas.DataFrame(numpy.zeros((2, 3)))
    strings = pandas.DataFrame([[1]], columns=pandas.Index(["old"], dtype=object))
    mine = Frame.__new__(Frame)
    object.__setattr__(mine, "_mgr", frame._mgr)
    table = numpy.zeros(2, dtype=[("field_a", int), ("field_b", float)])
    return {
        "frame": frame, "times": times, "numbers": numbers, "strings": strings, "mine": mine, "pandas": pandas,
        "table": table, "numpy": numpy, "series": frame["column_b"], "box": {"frame": frame, "list": [table]},
    }  # fmt: skip


@pytest.mark.parametrize(
    "code, expected",
    [
        ('frame["co', ["column a", "column_b"]),
        ("frame[5", ["5"]),
        ('frame[["column a", "column_', ["column_b"]),
        ('frame.loc[:, "co', ["column a", "column_b"]),
        ('frame.loc["fi', ["first"]),
        ('series["fi', ["first"]),
        ("frame.column", ["column_b", "columns"]),
        ("frame.column_b.str.capi", ["capitalize"]),
        ('frame["column_b"].str.capi', ["capitalize"]),
        ("frame.column_b.value_c", ["value_counts"]),
        ("frame[1:2].column", ["columns"]),
        ("numbers[1", ["1"]),
        ('strings["o', ["old"]),
        ('times["', ["t"]),
        ("pandas.read_cs", ["read_csv"]),
        ("pandas.DataFrame(col", ["columns="]),
        ("table['fie", ["field_a", "field_b"]),
        ('box["frame"]["column_', ["column_b"]),
        ('box["frame"]["column_b"].str.capi', ["capitalize"]),
        ('box["list"][0]["field_', ["field_a", "field_b"]),
        ('box["list"][0]["field_a"].resh', ["reshape"]),
        ("table.T.resh", ["reshape"]),
        ("table.dtype.fie", ["fields"]),
        ("numpy.linalg.no", ["norm"]),
    ],
)
def test_columns(code: str, expected: list[str]) -> None:
    assert [match.text for match in complete(variables(), code, len(code)).matches] == expected


def test_columns_of_other_libraries() -> None:
    polars, pyarrow = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    named = {"frames": [polars.DataFrame({"pear": [1]})], "table": pyarrow.table({"thing": [1]})}
    for code, expected in {
        'frames[0]["pe': ["pear"], 'table["th': ["thing"], 'frames[0]["pear"].value_c': ["value_counts"],
        'table["thing"].num_ch': ["num_chunks"],
    }.items():  # fmt: skip
        assert [match.text for match in complete(named, code, len(code)).matches] == expected


def test_a_frame_of_the_users_own_class_is_not_asked() -> None:
    calls.clear()
    for code in ("mine.", 'mine["', "mine.column", 'mine.loc[:, "'):
        complete(variables(), code, len(code))
    assert calls == []


def test_a_very_wide_and_a_very_long_frame() -> None:
    wide = pandas.DataFrame(numpy.zeros((1, 50_000)), columns=[f"c{i}" for i in range(50_000)])
    long = pandas.DataFrame({"a": numpy.zeros(10_000_000)})
    for code in ("wide.c1", 'wide["c12', 'long["', "long.loc["):
        assert complete({"wide": wide, "long": long}, code, len(code)).matches


def test_functions_of_libraries_are_functions() -> None:
    names = {"numpy": numpy}
    (found,) = complete(names, "numpy.linspac", 13).matches
    assert (found.kind, found.signature[:20]) == ("function", "(start, stop, num=50")
    assert complete(names, "numpy.arctan2", 13).matches[0].kind == "function"
    assert complete(names, "numpy.newaxis", 13).matches[0].kind == "instance"
