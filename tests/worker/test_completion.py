"""Completion on everyday objects, on what lies on the disk, and where it must not run, hang or fail.

Runs in: tests.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import os
import sys
import threading
import types
from pathlib import Path
from typing import Any

import pytest

from pyshell.protocol import MAX_MATCHES, Completions, Match
from pyshell.worker.introspection import completion, finding
from pyshell.worker.introspection.completion import complete
from pyshell.worker.introspection.hurrying import MAX_LOOKS, SWITCH_INTERVAL, hurry, looking


@dataclasses.dataclass
class Point:
    """A class that is no more than its fields."""

    x: int
    y: int = 0

    def moved(self, dx: int, *, dy: int = 0) -> Point:
        return self

    @property
    def text(self) -> str:
        raise AssertionError

    @classmethod
    def origin(cls, scale: int = 1) -> Point:
        return cls(0)


def decorated(function: Any) -> Any:
    @functools.wraps(function)
    def inner(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return inner


@decorated
def area(width: int, height: int = 1) -> float:
    return width * height


def everyday() -> dict[str, Any]:
    table = {"name": "n", "nation": {"inner": 1}, 5: "five", -3: "three", ("a", "b"): 1, b"bytes": 2, "it's": 3}
    return {
        "point": Point(1), "Point": Point, "area": area, "table": table, "rows": [table, "x"], "os": os, "sys": sys,
        "ordered": collections.OrderedDict(o=1), "counted": collections.Counter("c"), "_private": 1,
        "words": ("a", "b"),
        "half": functools.partial(area, height=2), "cached": functools.lru_cache(len), "Path": Path, "number": 7,
    }  # fmt: skip


def texts(code: str, variables: dict[str, Any] | None = None) -> list[str]:
    return [match.text for match in complete(everyday() if variables is None else variables, code, len(code)).matches]


def match(code: str, text: str) -> Match:
    return next(m for m in complete(everyday(), code, len(code)).matches if m.text == text)


@pytest.mark.parametrize(
    "code, expected",
    [
        ('table["na', "name nation"),
        ("table['na", "name nation"),
        ('table["nation"]["', "inner"),
        ('table.get("na', "name nation"),
        ("table[b'", "bytes"),
        ("table[5", "5"),
        ('table["it', "it's"),
        ("table['it", "it\\'s"),
        ("table[r'it", ""),
        ('ordered["', "o"),
        ('counted["', "c"),
        ('rows[0]["nat', "nation"),
        ("rows[0].setd", "setdefault"),
        ("rows[1].capi", "capitalize"),
        ("rows[9].", ""),
        ("rows[-1].capi", "capitalize"),
        ('table["nation"].fromk', "fromkeys"),
        ("table[5].capi", "capitalize"),
        ("rows[:1].exte", "extend"),
        ("words[1].capi", "capitalize"),
        ("point.mo", "moved"),
        ("point.moved(1).mo", "moved"),
        ("point.text.capi", "capitalize"),
        ("Point.origin().mo", "moved"),
        ("Point(1).mo", "moved"),
        ("Path('x').read_t", "read_text"),
        ("Path.cwd().", ""),
        ("'x'.capi", "capitalize"),
        ("'x'.upper().", ""),
        ("[].app", "append"),
        ("{}.setd", "setdefault"),
        ("(5).bit_l", "bit_length"),
        ("number.bit_l", "bit_length"),
        ("None.__bo", "__bool__"),
        ("os.path.jo", "join"),
        ("point.zzz", ""),
        ("unknown.", ""),
        ("point.moved(dx", "dx="),
        ("point.moved(1, d", "dx= dy= *"),
        ("point.moved(dy=1, d", "dx= def del delattr dict dir divmod DeprecationWarning"),
        ("Point.origin(sca", "scale="),
        ("Point(1, y", "y= yield"),
        ("area(wid", "width="),
        ("half(wid", "width="),
        ("print(en", "end= enumerate EncodingWarning EnvironmentError"),
        ("sorted([], rev", "reverse= reversed"),
        ("unknown(a=1, zzz", ""),
        ("def area(wid", ""),
        ("poit", "Point point *"),
        ("PRIN", "print"),
        ("_pri", "_private"),
        ("number if num", "number"),
        ("number i", "if import in is"),
        ("from os imp", "import"),
        ("total = 1\nprint(tota", "total"),
        ("def f(alpha):\n    alp", "alpha"),
        ("def f(point):\n    point.mo", ""),
        ("import os as o", ""),
        ("import xml.etr", "etree"),
        ("from xml import etr", "etree"),
        ("from xml.etree import ElementT", "ElementTree"),
        ("from os.path import joi", "join"),
        ("from nowhere.at_all import x", ""),
        ("import nowhere.at_all.", ""),
        ("for wor", "words"),
        ("f'{point.mo", "moved"),
        ("f'point.mo", ""),
        ("# point.mo", ""),
        ("'''point.mo", ""),
        ("%timei", "%timeit"),
        ("%%timei", "%%timeit"),
        ("x = 1\n%timei", "%timeit"),
        ("%timeit point.mo", "moved"),
    ],
)  # fmt: skip
def test_what_is_found(code: str, expected: str) -> None:
    found = texts(code)
    wanted = expected.removesuffix("*").split()
    assert (found[: len(wanted)] if expected.endswith("*") else found) == wanted


def test_keys_and_places_come_before_names() -> None:
    assert texts("table[")[:5] == ["'name'", "'nation'", "5", "-3", "b'bytes'"]
    assert texts("rows[")[:2] == ["0", "1"] and {"table", "abs"} <= set(texts("rows["))
    assert texts("os.environ['PA")[0].startswith("PA")
    assert texts("rows[", {"rows": list(range(10**6))})[99] == "99"


def test_what_a_match_says() -> None:
    assert match("point.mo", "moved") == Match("moved", "function", "function", "(dx, *, dy=0)")
    assert match("Point.mo", "moved").signature == "(self, dx, *, dy=0)"
    assert match("Point.ori", "origin").signature == "(scale=1)"
    assert match("Poi", "Point") == Match("Point", "class", "type", "(x, y=0)")
    assert match("are", "area").signature == "(width, height=1)"
    assert match("hal", "half") == Match("half", "function", "functools.partial", "(width)")
    assert match("'x'.jo", "join").signature == "(iterable, /)"
    assert match("import o", "os") == Match("os", "module", "module", "")
    assert match("area(wid", "width=").kind == "param"
    assert match("%tim", "%time").kind == "command" and match("%tim", "%time").signature
    assert match("table['na", "name") == Match("name", "key", "str", "")
    assert match("poi", "point").type.endswith("Point")


SOURCE = """raise SystemExit

def inside(): ...
CONSTANT = 1
class Thing:
    pass
"""


def test_modules_are_found_without_importing_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "some_package"
    package.mkdir()
    (package / "__init__.py").write_text(SOURCE)
    (package / "some_part.py").write_text("raise SystemExit\n")
    (tmp_path / "some_module.py").write_text("raise SystemExit\n")
    (tmp_path / "some_directory").mkdir()
    (tmp_path / "not-a-module.py").touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path), 5, *sys.path])
    assert texts("import some_") == ["some_module", "some_package"]
    assert texts("import some_package.") == ["some_part"]
    assert texts("from some_package import ") == ["CONSTANT", "inside", "some_part", "Thing"]
    (tmp_path / "some_new.py").touch()
    os.utime(tmp_path, ns=(1, 1))
    assert "some_new" in texts("import some_")
    assert "some_package" not in sys.modules


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data one.csv").touch()
    (tmp_path / "dates").mkdir()
    (tmp_path / ".hidden").touch()
    monkeypatch.chdir(tmp_path)
    assert texts("open('dat") == ["data one.csv", "dates/"]
    assert texts("open('") == ["data one.csv", "dates/"]
    assert texts("open('.h") == [".hidden"]
    assert texts(f"open('{tmp_path}/da") == ["data one.csv", "dates/"]
    assert texts("!cat dat") == ["data one.csv", "dates/"]
    assert texts("open('nowhere/a") == texts("open('a\0/b") == []
    assert complete({}, "open('dates/", 12).start == 12
    assert match("open('dat", "dates/") == Match("dates/", "path", "directory", "")


def test_a_file_system_that_hangs_takes_no_longer_than_its_time() -> None:
    hung, go_on = threading.Event(), threading.Event()

    def hang() -> str:
        hung.set()
        go_on.wait()
        return "late"

    try:
        for _ in range(finding.MAX_HANGING):
            assert finding.within(0.01, hang, "nothing") == "nothing"
        assert finding.within(10, lambda: "soon", "nothing") == "nothing", "too many hang"
    finally:
        go_on.set()
    for thread in list(finding._hanging):
        thread.join()
    assert finding.within(10, lambda: "soon", "nothing") == "soon"
    assert finding.within(10, lambda: os.stat("/nowhere"), None) is None


@pytest.mark.parametrize("interval", [0.005, 0.5, SWITCH_INTERVAL, 0.0001])
def test_the_switch_interval_is_put_back(interval: float) -> None:
    before = sys.getswitchinterval()
    try:
        sys.setswitchinterval(interval)
        mine = sys.getswitchinterval()
        with pytest.raises(KeyError), hurry():
            assert sys.getswitchinterval() <= SWITCH_INTERVAL
            raise KeyError
        assert sys.getswitchinterval() == mine
        with hurry():
            sys.setswitchinterval(0.25)
        assert sys.getswitchinterval() == 0.25, "what a cell sets meanwhile stays"
    finally:
        sys.setswitchinterval(before)


@pytest.mark.parametrize("failures", [0, MAX_LOOKS, MAX_LOOKS + 1])
def test_what_a_cell_breaks_is_looked_at_again(failures: int) -> None:
    left = [SystemError("bad argument to internal function")] * failures

    def look(request: str) -> str:
        if left:
            raise left.pop()
        return request

    if failures > MAX_LOOKS:
        with pytest.raises(SystemError):
            looking(look)("x")
    else:
        assert looking(look)("x") == "x"


def test_an_answer_comes_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError

    monkeypatch.setattr(completion, "asked", broken)
    assert complete({}, "na", 2) == Completions((), 2, 2, "live")


def test_many_names_and_attributes() -> None:
    big = types.SimpleNamespace(**{f"attribute_{i}": i for i in range(5000)})
    variables = {"big": big, **{f"variable_{i}": i for i in range(5000)}}
    assert len(texts("variab", variables)) == len(texts("big.", variables)) == MAX_MATCHES
    assert texts("big.attribute_4999", variables) == ["attribute_4999"]
    assert texts("big.a4999", variables) == ["attribute_4999"]
