"""What names share, they share again after a restore; what they do not share stays apart.

Runs in: tests.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

MOODY = """
class Moody:
    count = 0
    def __reduce__(self):
        Moody.count += 1
        if Moody.count > 1:
            raise OSError("not again")
        return object.__reduce__(self)
"""


def test_names_that_share_come_back_sharing(session: Any) -> None:
    session.run("a = [1]; b = a; c = {'a': a}; d = ((a,),)")
    session.run("e = [1]")
    assert session.save() == {}
    assert session.groups() == [("a", "b", "c", "d"), ("e",)]
    session.restart()
    assert session.ask("a is b is c['a'] is d[0][0], a is e") == "(True, False)"


def test_sharing_across_cells_and_a_second_life(session: Any) -> None:
    session.run("class Node:\n  def __init__(self): self.links = []\na = Node()")
    session.run("b = Node(); b.links.append(a)")
    session.run("a.links.append(b)")
    session.save()
    session.restart()
    session.run("c = a.links[0]; c.mark = 1")
    session.save()
    assert session.groups() == [("Node",), ("a", "b", "c")]
    session.restart()
    assert session.ask("b.mark, c is b, type(a) is Node") == "(1, True, True)"


def test_what_cannot_change_glues_nothing(session: Any) -> None:
    session.run("import re, enum, datetime, logging, sys\nclass Color(enum.Enum):\n  RED = 1")
    session.run("s = 'text' * 9; n = 2 ** 99; t = (1, 2); p = re.compile('a'); d = datetime.date(2020, 1, 1)")
    session.run("class C: pass\nc = C()\nlog = logging.getLogger('x')")
    session.run("one = [s, n, t, p, d, Color.RED, C, log, len, C()]")
    session.run("two = [s, n, t, p, d, Color.RED, C, log, len, C()]")
    assert session.save() == {}
    assert all(len(group) == 1 for group in session.groups())
    session.restart()
    assert session.ask("one[5] is two[5] is Color.RED, type(one[9]) is C") == "(True, True)"


def test_arrays_and_their_views_share_memory(session: Any) -> None:
    session.run("import numpy as np")
    session.run("a = np.arange(100_000.); b = a[10:20]; c = a.reshape(100, -1).T; d = a[::-2]")
    session.run("f = np.asfortranarray(np.arange(12).reshape(3, 4)); g = f[1:, 2]")
    session.run("h = np.arange(3); h.flags.writeable = False")
    session.run("big = np.arange(100_000); small = big[5:7]; del big")
    assert session.save() == {}
    assert session.groups() == [("a", "b", "c", "d"), ("f", "g"), ("h",), ("np",), ("small",)]
    size = next(g.size for g in session.store.groups(session.store.head).values() if "small" in g.names)
    assert size < 1000
    session.restart()
    session.run("a[10] = -1; a[99_999] = -2; f[1, 2] = 77")
    assert session.ask("[float(b[0]), float(c[10, 0]), float(d[0]), int(g[0]), c.shape]") == (
        "[-1.0, -1.0, -2.0, 77, (1000, 100)]"
    )
    assert session.ask("h.flags.writeable, a.flags.writeable, small.tolist()") == "(False, True, [5, 6])"
    session.save()
    session.restart()
    assert session.ask("a[10] == -1, np.shares_memory(a, d)").count("True") == 2


def test_large_buffers_lie_outside_of_the_stream(session: Any) -> None:
    session.run("import numpy as np\na = np.arange(1_000_000); b = [a, 1]")
    session.run("r = np.arange(100_000); r.flags.writeable = False")
    session.save()
    groups = session.store.groups(session.store.head).values()
    buffers = {group.names: [(buffer.size, buffer.readonly) for buffer in group.buffers] for group in groups}
    assert buffers[("a", "b")] == [(8_000_000, False)]
    assert buffers[("r",)] == [(800_000, True)]
    first = session.store.head.written
    session.run("x = 1")
    session.save()
    assert session.store.head.written < first / 100
    session.restart()
    assert session.ask("a is b[0], int(a.sum()), r.flags.writeable") == "(True, 499999500000, False)"


def test_definitions_are_records_of_their_own(session: Any) -> None:
    session.run("class A: pass\nclass B(A): pass\ndef f(): return A()\na = [A() for _ in range(3)]; b = B(); g = [f]")
    session.save()
    groups = {group.names: group for group in session.store.groups(session.store.head).values()}
    assert {names: set(group.references) for names, group in groups.items()} == {
        ("A",): set(), ("B",): {"A"}, ("f",): set(), ("a",): {"A"}, ("b",): {"B"}, ("g",): {"f"},
    }  # fmt: skip
    assert {names for names, group in groups.items() if group.kind == "definition"} == {("A",), ("B",), ("f",)}
    assert {names for names, group in groups.items() if group.code_version} == {("f",)}


def test_definitions_in_a_circle_are_one_record(session: Any) -> None:
    session.run("class A: pass\nclass B:\n  partner = A\nA.partner = B\nclass C(B): pass\na = A()")
    session.save()
    assert session.groups() == [("A", "B"), ("C",), ("a",)]
    session.restart()
    assert session.ask("A.partner is B, B.partner is A, C.partner is A, type(a) is A") == "(True, True, True, True)"


def test_data_in_a_definition_is_shared_with_names(session: Any) -> None:
    session.run("cache = {}\ndef f(k, seen=cache): seen[k] = 1\nclass C:\n  all = cache")
    session.run("f('x')")
    session.save()
    session.restart()
    session.run("f('y')")
    assert session.ask("cache, C.all is cache") == "({'x': 1, 'y': 1}, True)"


def test_one_that_spoils_a_group_does_not_take_the_others_along(session: Any) -> None:
    session.run("shared = []\na = [shared]; b = [shared]")
    session.run(MOODY)
    session.run("c = Moody(); c.shared = shared")
    missing = session.save()
    assert missing.keys() == {"c"}
    assert missing["c"] == "it shares values with shared, a, b, and they cannot be saved together"
    session.restart()
    assert session.ask("a[0] is b[0] is shared") == "True"


def test_an_unsaved_class_takes_its_instances_along_and_says_so(session: Any) -> None:
    session.run("class C: pass\nc = C(); l = [c]; x = 1")
    missing = session.save(set_aside=("C",))
    assert missing.keys() == {"C", "c", "l"}
    assert missing["c"].startswith("it needs C, which is not saved")


def test_the_order_of_names_survives(session: Any) -> None:
    session.run("z = 1; y = 2")
    session.run("import os\nx = [y]; del y")
    session.run("y = 3; w = x")
    session.save()
    session.restart()
    assert session.names == ["z", "os", "x", "y", "w"]
    session.run("v = 1")
    session.save()
    session.restart()
    assert session.ask("[n for n in globals() if not n.startswith('_')]") == "['z', 'os', 'x', 'y', 'w', 'v']"


def test_the_cell_of_each_name_is_known(session: Any) -> None:
    session.run("a = 1")
    session.run("b = [2]")
    session.run("a = 'again'; g = iter(open('/dev/null', 'w').close, 1); h = (i for i in '')")
    session.save()
    cells = {group.names[0]: group.cell for group in session.store.groups(session.store.head).values()}
    assert (cells["a"], cells["b"]) == (3, 2)
    session.restart()
    assert session.missing["h"][2] == 3
    session.run("c = 1")
    session.save()
    cells = {group.names[0]: group.cell for group in session.store.groups(session.store.head).values()}
    assert (cells["a"], cells["b"], cells["c"]) == (3, 2, 4)


@pytest.mark.parametrize("count", [5000])
def test_many_names_cost_bytes_only_when_they_change(session: Any, count: int) -> None:
    session.run(f"for i in range({count}): globals()[f'n{{i}}'] = [i]")
    session.save()
    session.run("n7.append(1)")
    session.save()
    assert session.store.head.written < 5000
    assert len(session.store.head.added) == 1
    session.restart()
    assert session.ask("n7, n4999") == "([7, 1], [4999])"


def test_what_a_library_shares_glues_nothing(session: Any, xdg: Path) -> None:
    (xdg / "library.py").write_text(
        "default = {}\nclass Frame:\n  marks = []\n  def __init__(self): self.m = self.marks"
    )
    session.run(f"import sys; sys.path.insert(0, {str(xdg)!r})\nimport library")
    session.run("a = library.Frame(); b = library.Frame(); c = [library.default]; d = [library.default]")
    assert session.save() == {}
    assert session.groups() == [("a",), ("b",), ("c",), ("d",), ("library",), ("sys",)]
