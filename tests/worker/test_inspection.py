"""What inspection tells of calls, sources and values; what values consist of; windows of arrays and frames.

Runs in: tests.
"""

from __future__ import annotations

import collections
import dataclasses
import enum
import functools
import linecache
import os
from inspect import signature as inspect_signature
from pathlib import Path
from typing import Any

import numpy
import pytest

from pyshell import Session
from pyshell.protocol import Call, Children, Inspection, ReadChildren, Table, Variable
from pyshell.worker.introspection.describing import MAX_CELLS, MAX_PAGE, children_of, list_variables, page, table_of
from pyshell.worker.introspection.inspection import inspect
from pyshell.worker.introspection.resolving import follow
from tests.sessions import becomes_true, started, until, until_computing, until_output

CELL = '''\
import functools
def outer(a, b=1, *rest, key=None, **options):
    """What it does."""
    return a

@functools.wraps(outer)
def wrapped(*args):
    return outer(*args)

class Point:
    """A place."""
    size = 2

    def __init__(self, x: int, y: int = 0) -> None:
        self.x, self.y = x, y

    @property
    def length(self):
        """How far it is."""
        1 / 0

    def moved(self, dx):
        return self

@functools.lru_cache
class Empty:
    pass
'''


@pytest.fixture
def names() -> dict[str, Any]:
    """A namespace that a cell has made."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    linecache.cache["<In[7]>"] = (len(CELL), None, CELL.splitlines(keepends=True), "<In[7]>")
    exec(compile(CELL, "<In[7]>", "exec", dont_inherit=True), namespace)
    namespace["point"] = namespace["Point"](3)
    namespace["part"] = functools.partial(namespace["outer"], 5, key=6)
    namespace["data"] = {"a": [1, {"deep": (1, 2)}], 2: "two", "it's": None, (1, 2): 3.5}
    return namespace


def at(names: dict[str, Any], code: str, detail: int = 0) -> Inspection:
    """Inspect where the bar is."""
    before, _, after = code.partition("|")
    return inspect(names, before + after, len(before), detail)


# --- calls --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code, current",
    [
        ("outer(|", "a"), ("outer(1|", "a"), ("outer(1, |", "b=1"), ("outer(1, 2, |", "*rest"),
        ("outer(1, 2, 3, 4, |", "*rest"), ("outer(1, key=|", "key=None"), ("outer(1, b=2, |", "key=None"),
        ("outer(1, other=|", "**options"), ("outer(*args, |", None), ("outer((1, 2), [3, 4|", "b=1"),
        ("outer(outer(1, 2), |", "b=1"), ("outer(1,\n      2,\n      |", "*rest"), ("outer('a, b', |", "b=1"),
        ("wrapped(1, |", "b=1"), ("part(|", "b=1"), ("Point(|", "x: int"), ("Point(1, |", "y: int = 0"),
        ("point.moved(|", "dx"), ("Point.moved(point, |", "dx"), ("[outer(1, |", "b=1"),
        ("x = outer(1, |) + outer(3)", "b=1"), ("if outer(b=|", "b=1"),
    ],
)  # fmt: skip
def test_the_argument_at_the_cursor(names: dict[str, Any], code: str, current: str | None) -> None:
    call = at(names, code).call
    assert isinstance(call, Call)
    assert (call.parameters[call.current] if call.current is not None else None) == current


@pytest.mark.parametrize(
    "code", ["outer|(1)", "outer(1)|", "def outer(|", "(|", "'outer(|", "# outer(|", "unknown(|", "3(|", "|", "if (|"]
)
def test_where_there_is_no_call(names: dict[str, Any], code: str) -> None:
    assert at(names, code).call is None


def test_in_a_call_what_is_under_the_cursor_comes_first(names: dict[str, Any]) -> None:
    assert at(names, "outer(poi|nt, 2)").name == "point"
    assert at(names, "outer(point, |2)").name == "outer"
    assert at(names, "outer(unknown|").name == "outer"


# --- definitions --------------------------------------------------------------------------------------------------


def test_definitions_of_a_cell(names: dict[str, Any]) -> None:
    found = at(names, "out|er", 1)
    assert found.signature == "(a, b=1, *rest, key=None, **options)"
    assert (found.type, found.doc, found.file, found.line) == ("function", "What it does.", "<In[7]>", 2)
    assert found.source == "".join(CELL.splitlines(keepends=True)[1:4])
    assert at(names, "outer").source == ""
    wrapped = at(names, "wrapped|", 1)
    assert (wrapped.signature, wrapped.line) == (found.signature, 2)
    cls = at(names, "Point|", 1)
    assert (cls.signature, cls.doc, cls.line) == ("(x: int, y: int = 0) -> None", "A place.", 10)
    assert cls.source.startswith("class Point:\n") and cls.source.endswith("        return self\n")
    assert at(names, "point|", 1).source == cls.source
    method = at(names, "point.moved|", 1)
    assert (method.signature, method.type, method.source.strip()[:3]) == ("(dx)", "method", "def")
    prop = at(names, "point.length|", 1)
    assert (prop.type, prop.doc, prop.line) == ("property", "How far it is.", 17)
    assert at(names, "part|").signature == "(b=1, *rest, key=6, **options)"


def test_a_class_without_methods_is_found_in_its_cell(names: dict[str, Any]) -> None:
    names["Empty"] = names["Empty"].__wrapped__
    found = at(names, "Empty|", 1)
    assert (found.file, found.line, found.source) == ("<In[7]>", 25, "".join(CELL.splitlines(keepends=True)[24:]))


def test_definitions_of_the_library() -> None:
    names = {"functools": functools, "dataclasses": dataclasses, "collections": collections}
    found = at(names, "functools.wraps|", 1)
    assert found.file == functools.__file__ and found.source.startswith("def wraps(wrapped,")
    found = at(names, "collections.Counter|", 1)
    assert found.file == collections.__file__ and found.source.startswith("class Counter(dict):")
    module = at(names, "dataclasses|", 1)
    assert module.file == dataclasses.__file__ and module.source.startswith("import re")


def test_what_is_no_function_has_no_signature_and_what_is_one_is_found() -> None:
    class Colour(enum.Enum):
        RED = 1

    names = {"number": 5, "text": "x", "array": numpy.zeros(3), "red": Colour.RED, "os": os, "collections": collections,
             "generator": numpy.random.default_rng(0), "wrapped": stated(len), "line": numpy.arange(3)}  # fmt: skip
    assert [at(names, f"{name}|").signature for name in ("number", "text", "array")] == ["", "", ""]
    assert at(names, "generator.normal|").signature == "(loc=0.0, scale=1.0, size=None)"
    assert at(names, "red.name|").found and at(names, "line[1]|").preview == "1"
    assert at(names, "os.makedirs|", 1).file == os.__file__
    assert at(names, "collections.abc.Mapping|", 1).source.startswith("class Mapping(Collection)")
    found = at(names, "wrapped|", 1)
    assert (found.signature, found.source) == ("(stated)", "def inner(*args: Any) -> Any:\n    return args\n")


def inner(*args: Any) -> Any:
    return args


def stated(_: Any) -> Any:
    @functools.wraps(inner)
    def outer(*args: Any) -> Any:
        return inner(*args)

    outer.__signature__ = inspect_signature(lambda stated: None)  # type: ignore[attr-defined]
    return outer


def test_a_file_that_changed_and_a_source_that_is_cut(names: dict[str, Any]) -> None:
    linecache.cache["<In[7]>"] = (5, None, ["x = 1\n", "def f(a='''\n"], "<In[7]>")
    assert at(names, "outer|", 1).source == "def f(a='''\n"
    del linecache.cache["<In[7]>"]
    assert at(names, "outer|", 1).source == ""


# --- values -------------------------------------------------------------------------------------------------------


def test_containers_are_shown_with_their_first_items(names: dict[str, Any]) -> None:
    found = at(names, "data|")
    assert (found.shape, found.type) == ("4", "dict") and found.size > 200
    assert [(child.name, child.type, child.preview) for child in found.children] == [
        ("['a']", "list", "[1, {'deep': <tuple>}]"), ("[2]", "str", "'two'"), ('["it\'s"]', "NoneType", "None"),
        ("[(1, 2)]", "float", "3.5"),
    ]  # fmt: skip
    assert at(names, "data['a'][1]|").preview == "{'deep': (1, 2)}"


def paths(found: Children) -> list[str]:
    return [child.path for child in found.children]


def test_arrays_consist_of_rows_and_columns_of_cells() -> None:
    numpy, pandas = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    names = {
        "cube": numpy.arange(24).reshape(2, 3, 4),
        "records": numpy.zeros(5, dtype=[("a", "i4"), ("b", "f8")]),
        "frame": pandas.DataFrame({"x": [1, 2], "y z": ["u", "v"]}, index=["one", "two"]),
        "objects": numpy.array([[1], None], dtype=object),
    }
    found = {path: children_of(follow(names, path), path, 0, 10) for path in ("cube", "cube[1]", "cube[1][2]")}
    assert [(one.indexed, one.total, one.children[0].indexed) for one in found.values()] == [
        (True, 2, 3), (True, 3, 4), (True, 4, 0),
    ]  # fmt: skip
    assert [(one.path, one.preview) for one in found["cube[1][2]"].children[2:]] == [
        ("cube[1][2][2]", "22"), ("cube[1][2][3]", "23"),
    ]  # fmt: skip
    for path, columns, rows in (("records", ("a", "b"), 5), ("frame", ("x", "y z"), 2)):
        parts = children_of(names[path], path, 0, 10)
        assert (
            not parts.indexed
            and paths(parts) == [f"{path}['{one}']" for one in columns]
            and {one.indexed for one in parts.children} == {rows}
        )
    cells = children_of(follow(names, "frame['y z']"), "frame['y z']", 1, 10)
    assert [(one.name, one.path, one.preview) for one in cells.children] == [("[two]", "", "v")] and cells.total == 2
    assert [one.preview for one in children_of(names["objects"], "objects", 0, 10).children] == ["[1]", "None"]


def test_children_lead_to_their_own(names: dict[str, Any]) -> None:
    seen = []
    waiting = ["data", "point", "Point"]
    while waiting:
        path = waiting.pop()
        seen.append(path)
        found = children_of(follow(names, path), path, 0, 100)
        assert found.found and found.total == len(found.children)
        waiting += [child.path for child in found.children if child.path and (child.indexed or child.named)]
    assert "data['a'][1]['deep']" in seen
    assert paths(children_of(names["point"], "point", 0, 10)) == ["point.x", "point.y"]
    assert "Point.size" in paths(children_of(names["Point"], "Point", 0, 10))


@pytest.mark.parametrize(
    "value, start, count, expected",
    [
        (list(range(100)), 98, 5, ["[98]", "[99]"]), (tuple(range(3)), -5, 1, ["[0]"]), ([1], 5, 5, []),
        (range(10**12), 10**11, 1, [f"[{10**11}]"]), (collections.deque("abc"), 1, 9, ["[1]", "[2]"]),
        ({1}, 0, 5, [""]), (dict.fromkeys(range(10)), 8, 9, ["[8]", "[9]"]), ("text", 0, 5, []), (5, 0, 5, []),
        (collections.OrderedDict(b=1), 0, 1, ["['b']"]), (collections.Counter("a"), 0, 1, ["['a']"]),
        (list(range(5000)), 0, 10**9, [f"[{n}]" for n in range(MAX_PAGE)]), ([1, 2], 0, -1, []),
    ],
)  # fmt: skip
def test_pages(value: Any, start: int, count: int, expected: list[str]) -> None:
    assert [child.name for child in children_of(value, "v", start, count).children] == expected


def test_slots_are_attributes() -> None:
    @dataclasses.dataclass
    class Slotted:
        __slots__ = ("full", "empty")
        full: int

    assert paths(children_of(Slotted(1), "s", 0, 10)) == ["s.full"]


def test_sizes_are_honest_where_they_can_be() -> None:
    values = {
        "array": numpy.zeros((1000, 100)), "view": numpy.zeros(1000)[:10], "text": "x" * 10**6,
        "many": ["x" * 100 for _ in range(1000)], "nested": {n: list(range(100)) for n in range(1000)},
    }  # fmt: skip
    sizes = {row.name: row.size for row in list_variables(values, ()).variables}
    assert (sizes["array"], sizes["view"]) == (800_000, 80)
    assert sizes["text"] > 10**6 and 140_000 < sizes["many"] < 200_000 and 800_000 < sizes["nested"] < 2_000_000


# --- arrays and frames --------------------------------------------------------------------------------------------


def text(table: Table) -> list[list[str]]:
    assert table.found
    return [[row.label, *row.cells] for row in table.rows]


def test_arrays_by_window() -> None:
    array = numpy.arange(12).reshape(4, 3)
    table = table_of(array, range(2, 9), range(1, 9))
    assert text(table) == [["2", "7", "8"], ["3", "10", "11"]]
    assert (table.total_rows, table.total_columns) == (4, 3)
    assert [(column.name, column.dtype) for column in table.columns] == [("1", "int64"), ("2", "int64")]
    assert text(table_of(numpy.array([1.5, 2]), range(5), range(5))) == [["0", "1.5"], ["1", "2.0"]]
    assert text(table_of(numpy.array(5), range(5), range(5))) == [["0", "5"]]
    assert text(table_of(numpy.zeros((2, 2, 3)), range(1), range(1))) == [["0", "array(3,)"]]
    records = numpy.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f4")])
    table = table_of(records, range(5), range(5))
    assert text(table) == [["0", "1", "2.5"]] and [column.dtype for column in table.columns] == ["int32", "float32"]
    days = numpy.array(["2020-01-02", "NaT"], dtype="datetime64[ns]")
    assert text(table_of(days, range(5), range(1))) == [["0", "2020-01-02T00:00:00.000000000"], ["1", "NaT"]]
    assert not table_of([1], range(5), range(5)).found


def test_a_window_has_a_bound() -> None:
    table = table_of(numpy.zeros((100_000, 100)), range(10**9), range(10**9))
    assert len(table.rows) * len(table.columns) == MAX_CELLS and len(table.columns) == 100


def test_arrays_are_described() -> None:
    found = at({"array": numpy.zeros((2, 3), "f4")}, "array|")
    assert (found.shape, found.dtype, found.size) == ("(2, 3)", "float32", 24)
    assert found.preview == "<numpy.ndarray 2 × 3>"
    assert at({"line": numpy.arange(20)}, "line|").preview == "[0, 1, 2, 3, 4, 5, 6, 7, …]"
    assert at({"number": numpy.float32(0.1)}, "number|").preview == "0.1"
    assert at({"array": numpy.zeros((2, 3))}, "array.T|").shape == "(3, 2)"


@pytest.mark.science
def test_frames_by_window() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "n": [1, 2, 3], "x": [0.5, None, 2.5], "s": ["a", "b", None], "t": pandas.to_datetime(["2020-01-02"] * 3),
            "z": pandas.to_datetime(["2020-01-02"] * 3, utc=True), "c": pandas.Categorical(["u", "v", "u"]),
            "i": pandas.array([1, None, 3], dtype="Int64"), "o": [[1], {"k": 1}, None], "b": [True, False, True],
            "d": pandas.to_timedelta(["1h"] * 3), "p": pandas.period_range("2020-01", periods=3, freq="M"),
        },
        index=["one", "two", "three"],
    )  # fmt: skip
    table = table_of(frame, range(1, 2), range(20))
    assert (table.total_rows, table.total_columns, table.type) == (3, 11, type_of(frame))
    (row,) = table.rows
    cells = dict(zip([column.name for column in table.columns], row.cells))
    assert row.label == "two"
    assert cells == {
        "n": "2", "x": "nan", "s": "b", "t": cells["t"], "z": cells["z"], "c": "v", "i": "<NA>", "o": "{'k': 1}",
        "b": "False", "d": "0 days 01:00:00", "p": "2020-02",
    }  # fmt: skip
    assert cells["t"].startswith("2020-01-02 00:00:00") and cells["z"] == "2020-01-02 00:00:00+00:00"
    kinds = [column.dtype for column in table.columns]
    assert (kinds[0], kinds[1], kinds[5], kinds[6]) == ("int64", "float64", "category", "Int64")
    found = at({"frame": frame}, "frame|")
    assert found.shape == "(3, 11)" and found.size > 200
    assert [child.name for child in found.children[:2]] == ["[n]", "[x]"]
    assert text(table_of(frame["n"], range(2), range(1))) == [["one", "1"], ["two", "2"]]
    assert text(table_of(frame.index, range(1, 3), range(1))) == [["1", "two"], ["2", "three"]]
    wide = frame.set_index(["n", "s"])
    assert table_of(wide, range(1), range(1)).rows[0].label == "1, a"


@pytest.mark.science
def test_columns_have_paths() -> None:
    pandas, polars, pyarrow = [pytest.importorskip(name) for name in ("pandas", "polars", "pyarrow")]
    frame = pandas.DataFrame([[1, 2.5, "x", 3]], columns=["a", 7, "it's", "a"])
    record = numpy.array([(1, 2.5)], dtype=[("m", "i4"), ("s", "f4")])
    variables = {
        "box": {"frame": frame}, "other": [polars.DataFrame({"p": [1, 2]})], "table": pyarrow.table({"t": [1, 2]}),
        "record": record, "dates": pandas.DataFrame([[1]], columns=pandas.to_datetime(["2020-01-01"])),
    }  # fmt: skip

    def columns(path: str) -> list[str]:
        return paths(children_of(follow(variables, path), path, 0, 10))

    assert columns("box['frame']") == ["", "box['frame'][7]", "box['frame'][\"it's\"]", ""], "two are called a"
    assert columns("other[0]") == ["other[0]['p']"] and columns("table") == ["table['t']"]
    assert columns("record") == ["record['m']", "record['s']"] and columns("dates") == [""]
    found = at(variables, "box['frame'][7]|")
    assert (found.type, found.shape, found.dtype, found.preview) == (
        type_of(frame["it's"]), "(1,)", "float64", "[2.5]",
    )  # fmt: skip
    assert text(table_of(follow(variables, "other[0]['p']"), range(1, 9), range(9))) == [["1", "2"]]
    assert text(table_of(follow(variables, "table['t']"), range(9), range(9))) == [["0", "1"], ["1", "2"]]
    assert at(variables, "record['m']|").type == "numpy.ndarray"
    assert not at(variables, "box['frame']['a']|").found, "that is a frame"
    sizes = {path: [child.size for child in children_of(follow(variables, path), path, 0, 10).children]
             for path in ("box['frame']", "other[0]", "table", "record")}  # fmt: skip
    (*_, of_texts, _) = sizes.pop("box['frame']")
    assert of_texts > 0 and sizes == {"other[0]": [16], "table": [16], "record": [4, 4]}


@pytest.mark.science
def test_columns_of_several_levels_have_paths() -> None:
    pandas = pytest.importorskip("pandas")
    labels = [("a", 1), ("a", 2), ("b", 1), ("b", True), ("b", None)]
    variables = {"frame": pandas.DataFrame([[1, 2, 3, 4, 5]], columns=pandas.MultiIndex.from_tuples(labels))}
    found = children_of(variables["frame"], "frame", 0, 10).children
    assert [child.path for child in found[:2]] == ["frame[('a', 1)]", "frame[('a', 2)]"] and found[4].path == ""
    assert at(variables, "frame[('a', 2)]|").preview == "[2]" and not at(variables, "frame['a']|").found
    plain = pandas.DataFrame([[7, 8]], columns=pandas.MultiIndex.from_product([["x"], range(2)]))
    assert at({"plain": plain}, 'plain["x", 1]|').preview == at({"plain": plain}, "plain[('x', 1)]|").preview == "[8]"


def test_keys_of_several_parts_have_paths() -> None:
    values = {(1, "a"): 1, (1, (2,)): 2, (1.5,): 3, tuple(range(20)): 4}
    assert paths(children_of(values, "v", 0, 9)) == ["v[(1, 'a')]", "", "", ""]
    assert follow({"v": values}, "v[(1, 'a')]") == 1


@pytest.mark.science
def test_methods_of_what_only_the_class_is_known_of() -> None:
    pandas = pytest.importorskip("pandas")
    variables = {"frame": pandas.DataFrame({"a": [1]}), "Path": Path}
    call = at(variables, "frame['a'].clip(1, |").call
    assert call is not None and call.parameters[call.current or 0].startswith("upper")
    found = at(variables, "Path('a.b').read_text|")
    assert (found.type, found.signature[:9]) == ("method", "(encoding")
    call = at(variables, "'a'.join(|").call
    assert call is not None and call.parameters == ("iterable",)
    assert at(variables, "Path('x')|").name == "" and not children_of_path(variables, "Path('x')").found


def children_of_path(variables: dict[str, Any], path: str) -> Children:
    return page(variables, ReadChildren(path, 0, 10))


def type_of(frame: Any) -> str:
    return f"{type(frame).__module__}.{type(frame).__qualname__}"


@pytest.mark.science
def test_frames_of_other_libraries() -> None:
    polars, pyarrow = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    frame = polars.DataFrame({"a": [1, None], "b": ["x", "y"]})
    table = table_of(frame, range(5), range(5))
    assert text(table) == [["0", "1", "x"], ["1", "None", "y"]]
    assert [column.dtype for column in table.columns] == ["Int64", "String"]
    table = table_of(pyarrow.table({"a": [1, 2], "b": ["x", "y"]}), range(1, 5), range(1, 5))
    assert text(table) == [["1", "y"]] and table.columns[0].dtype == "string"


# --- in a session -------------------------------------------------------------------------------------------------


def rows_of(variables: tuple[Variable, ...]) -> dict[str, Variable]:
    return {variable.name: variable for variable in variables}


def wait_until_asked(session: Session, name: str) -> None:
    """Until the worker itself answers: on a busy machine the host may have to for a while."""
    assert becomes_true(lambda: session.inspect(name, len(name)).answered == "live")


def test_variables_of_a_session() -> None:
    with started() as session:
        session.run("x = 1; data = {'a': [1, 2]}\ndef f(a, b=2): return a")
        last = session.run("x = 2; gen = (i for i in range(3)); data['b'] = 3").cell
        session.wait_saved(last)
        wait_until_asked(session, "x")
        rows = rows_of(session.variables())
        assert [(rows[name].cell, rows[name].changed, rows[name].saved) for name in ("x", "data", "f", "gen")] == [
            (2, True, True), (1, True, True), (1, False, True), (2, True, False),
        ]  # fmt: skip
        session.run("for n in range(2500): globals()[f'v{n}'] = n")
        assert becomes_true(lambda: len(session.variables()) == 2505)
        assert "generator" in rows["gen"].reason and rows["x"].reason == ""
        assert [child.path for child in session.children("data").children] == ["data['a']", "data['b']"]
        assert session.children("data['a']", 1, 5).children[0].preview == "2"
        assert session.children("nothing").found is False and session.table("x").found is False
        found = session.inspect("f(1, ", 5, 1)
        assert found.call is not None and found.call.current == 1
        assert (found.file, found.source) == ("<In[1]>", "def f(a, b=2): return a\n")


def test_a_session_answers_while_it_computes() -> None:
    with started() as session:
        session.run("data = list(range(1000))")
        cell = session.execute("print('runs', flush=True)\nn = 0\nwhile True: n += 1")
        until_output(session, "runs", cell)
        until_computing(session)
        wait_until_asked(session, "data")
        assert session.inspect("data", 4).shape == "1000"
        assert session.children("data", 998).total == 1000
        rows = rows_of(session.variables())
        assert rows["data"].shape == "1000" and rows["n"].cell is None
        session.interrupt()
        until(session, lambda event: event.kind == "finished" and event.cell == cell)
