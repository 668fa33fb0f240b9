"""Saving what the cells have touched, and nothing else: the state that comes back is the state that was.

Runs in: tests.
"""

from __future__ import annotations

from typing import Any

import pytest

from pyshell.worker.checkpoints.pages import open_watch
from pyshell.worker.touched import Known, KnownGroup, names_in, uses_of


def group(*names: str, uses: str = "", references: str = "") -> KnownGroup:
    refers = frozenset(references.split())
    return KnownGroup("-".join(names), names, frozenset(uses.split()) | refers, refers)


def closure(known: Known, names: str, rebound: str = "") -> set[str] | None:
    return known.closure(set(names.split()), set(rebound.split()), lambda _: ())


def test_names_of_code_are_those_of_the_code_inside_of_it_too() -> None:
    code = compile("x = y\ndef f(a=p):\n  class C:\n    b = q.r\n  return lambda: s", "<cell>", "exec")
    assert {"x", "y", "f", "p", "q", "s"} <= names_in(code)
    assert "a" not in names_in(code)


def test_what_a_class_looks_up_is_what_its_functions_do() -> None:
    namespace: dict[str, Any] = {}
    code = (
        "class C:\n  def m(self): return one\n  @staticmethod\n  def s(): return two\n"
        "  @property\n  def p(self): return three\n  @classmethod\n  def c(cls): return four"
    )
    exec(code, namespace)
    assert set(uses_of(namespace["C"])) >= {"one", "two", "three", "four"}


def test_a_group_is_reached_as_a_whole_and_through_its_functions() -> None:
    known = Known([group("a", "b"), group("f", uses="c"), group("c", references="D"), group("D"), group("e")], [])
    assert closure(known, "a") == {"a", "b"}
    assert closure(known, "f") == {"f", "c", "D"}
    assert closure(known, "new", "new") == {"new"}


def test_who_refers_to_what_is_rebound_is_touched() -> None:
    known = Known([group("C"), group("c", references="C"), group("d")], [])
    assert closure(known, "x", "C") == {"x", "C", "c"}
    assert known.referred({"C"}) == {"C"}
    assert known.referred({"C", "c"}) == set()


@pytest.mark.parametrize("names", ["globals", "thread"])
def test_what_may_reach_anything_means_everything(names: str) -> None:
    assert closure(Known([], ["thread"]), names) is None


def test_what_is_saved_anew_replaces_what_was_known() -> None:
    known = Known([group("a", "b"), group("c", references="D"), group("D")], ["lost"])
    known.replace({"a", "b", "lost"}, [group("a"), group("b", references="D")], ["worse"])
    assert [found.names for found in known.groups_of(["a", "b", "c"])] == [("a",), ("b",), ("c",)]
    assert known.users_of(["D"]) == {"b", "c"}
    assert known.lost == {"worse"}


# --- with a real worker: cells, the check after all were run, and what the last save may have looked at ------------

FOUND = {
    "assignment": (["x = [1]", "y = [2]", "x.append(3)"], "(x, y) == ([1, 3], [2])", {"x"}),
    "rebinding": (["x = [1]", "x = [2]"], "x == [2]", {"x"}),
    "deletion": (["x = 1; y = 2", "del x"], "'x' not in globals() and y == 2", {"x"}),
    "augmented": (["x = 1; y = 1", "x += 1"], "(x, y) == (2, 1)", {"x"}),
    "alias": (["x = [1]", "y = x", "y.append(2)"], "x is y and x == [1, 2]", {"x", "y"}),
    "alias made by a function": (
        ["x = [1]", "def same(v): return v", "y = same(x)", "y.append(2)"], "x is y and x == [1, 2]", {"x", "y"},
    ),
    "nested sharing": (
        ["x = [1]", "d = {}", "d['k'] = x", "x.append(2)"], "d['k'] is x and x == [1, 2]", {"x", "d"},
    ),
    "sharing ends": (["x = [1]; y = [x]", "y.clear()", "x.append(2)"], "(x, y) == ([1, 2], [])", {"x"}),
    "a function that changes a global": (
        ["x = [1]", "def f(): x.append(2)", "f()"], "x == [1, 2]", {"x"},
    ),
    "through two functions": (
        ["x = []", "def f(): x.append(1)", "def g(): f()", "g()"], "x == [1]", {"x"},
    ),
    "a function in a list": (["x = []", "fs = [lambda: x.append(1)]", "fs[0]()"], "x == [1]", {"fs", "x"}),
    "a method": (
        ["x = []", "class C:\n  def m(self): x.append(1); self.n = 2", "c = C()", "c.m()"],
        "x == [1] and c.n == 2", {"c", "x"},
    ),
    "a closure": (
        ["def make():\n  n = [0]\n  def up(): n[0] += 1; return n[0]\n  return up", "a = make(); b = make()",
         "a(); a()"],
        "(a(), b()) == (3, 1)", {"a"},
    ),
    "closures that share": (
        ["def make():\n  n = [0]\n  return (lambda: n.append(1)), (lambda: len(n))", "a, b = make()", "a()"],
        "b() == 2", {"a", "b"},
    ),
    "a class attribute": (["class C: seen = []", "c = C()", "c.seen.append(1)"], "C.seen == [1]", {"C", "c"}),
    "a class made anew": (
        ["class C:\n  v = 1", "c = C()", "class C:\n  v = 2"], "(c.v, C.v, type(c) is C) == (1, 2, False)", {"C", "c"},
    ),
    "a class that is gone": (["class C:\n  v = 1", "c = C()", "del C"], "c.v == 1", {"C", "c"}),
    "a function made anew": (["def f(): return 1", "def g(): return f()", "def f(): return 2"], "g() == 2", {"f"}),
    "a new name for a class": (["class C: pass", "c = C()", "D = type(c)"], "D is C and type(c) is D", {"C", "D"}),
    "a base class": (
        ["class A:\n  def m(self): return 1", "class B(A): pass", "b = B()", "A.m = lambda self: 2"],
        "b.m() == 2", {"A"},
    ),
    "a default argument": (["def f(v=[]): v.append(1); return v", "f()", "f()"], "f() == [1, 1, 1]", {"f"}),
    "a bound method": (["x = []", "push = x.append", "push(1)"], "x == [1]", {"push", "x"}),
    "a partial": (
        ["import functools", "x = []", "p = functools.partial(x.append, 1)", "p()"], "x == [1]", {"p", "x"},
    ),
    "an instance that holds another": (
        ["class N: pass", "a = N(); b = N()", "a.next = b", "a.next.v = 1"], "a.next is b and b.v == 1", {"a", "b"},
    ),
    "a loop over names": (["a = []; b = []", "for v in (a, b): v.append(1)"], "(a, b) == ([1], [1])", {"a", "b"}),
    "unpacking": (["a, b = [1], [2]", "a, b = b, a"], "(a, b) == ([2], [1])", {"a", "b"}),
    "a failing cell": (["x = []", "y = 1", "x.append(1); 1 / 0"], "x == [1]", {"x"}),
    "an import": (["import math", "x = 1"], "math.pi > 3", {"x"}),
    "a global statement": (["n = 0", "def f():\n  global n\n  n += 1", "f()"], "n == 1", {"n"}),
    "a generator function": (
        ["x = []", "def g():\n  x.append(1)\n  yield", "list(g())"], "x == [1]", {"x"},
    ),
    "a comprehension": (["x = []", "[x.append(n) for n in range(3)]"], "x == [0, 1, 2]", {"x"}),
    "walrus": (["x = 1", "(y := [x])"], "y == [1]", {"x", "y"}),
}  # fmt: skip
"""name: (cells, what must hold after the death, names that the last save has to look at). Others may be looked at if
their names occur in the code."""

EVERYTHING = {
    "globals()": (["x = []", "globals()['x'].append(1)"], "x == [1]"),
    "exec": (["x = []", "exec('x.append(1)')"], "x == [1]"),
    "a generator": (["x = []", "def g():\n  while True:\n    x.append(1); yield", "it = g()", "next(it)"], "x == [1]"),
    "a generator in a list": (
        ["x = []", "def g():\n  while True:\n    x.append(1); yield", "l = [g()]", "next(l[0])"], "x == [1]",
    ),
    "a thread": (
        ["import threading", "x = []", "go = threading.Event(); done = threading.Event()",
         "def run():\n  go.wait(); x.append(1); done.set(); stay.wait()", "stay = threading.Event()",
         "t = threading.Thread(target=run, daemon=True); t.start()", "go.set(); done.wait()"],
        "x == [1]",
    ),
    "a frame": (["x = []", "import sys\nsys._getframe().f_globals['x'].append(1)"], "x == [1]"),
    "main": (["x = []", "import __main__\n__main__.x.append(1)"], "x == [1]"),
}  # fmt: skip

ONLY_BY_AUDIT = {
    "a callback that a library keeps": (
        ["import logging", "x = []", "class H(logging.Handler):\n  def emit(self, record): x.append(1)",
         "logging.getLogger('t').addHandler(H()); del H", "logging.getLogger('t').error('e')"],
        "x == [1]",
    ),
}  # fmt: skip


def play(session: Any, cells: list[str], how: str = "forked") -> list[str] | None:
    """Run and save cell after cell, then die and come back; what the last save looked at."""
    session.call("incremental")
    if how == "forked":
        session.call("forked")
    session.call("run", 0, "")
    session.save()
    for code in cells:
        session.cell += 1
        session.call("run", session.cell, code)
        session.save()
    return session.call("saved_anew")


@pytest.mark.parametrize("how", ["forked", "inline"])
@pytest.mark.parametrize("name", FOUND)
def test_what_was_touched_is_saved(session: Any, name: str, how: str) -> None:
    cells, check, expected = FOUND[name]
    looked_at = play(session, ["bystander = [1]", *cells], how)
    assert looked_at is not None and expected <= set(looked_at) and "bystander" not in looked_at
    assert session.ask(check) == "True"
    session.restart()
    assert session.ask(f"({check}) and bystander == [1]") == "True"
    assert session.store.check() == []


@pytest.mark.parametrize("name", EVERYTHING)
def test_what_may_have_touched_anything_saves_everything(session: Any, name: str) -> None:
    cells, check = EVERYTHING[name]
    assert play(session, cells) is None
    session.restart()
    assert session.ask(check) == "True"


@pytest.mark.parametrize("name", ONLY_BY_AUDIT)
def test_the_audit_finds_what_the_rule_misses(session: Any, name: str) -> None:
    cells, check = ONLY_BY_AUDIT[name]
    assert play(session, cells) is not None
    session.save(scope="audit")
    session.restart()
    assert session.ask(check) == "True"


KEEPER = """
import sys, types
keeper = types.ModuleType("keeper")
exec("kept = []\\ndef write(): kept[0][1 << 20] += 1", vars(keeper))
sys.modules["keeper"] = keeper
"""


def test_an_array_that_only_a_library_knows_is_saved_when_its_pages_were_written(session: Any) -> None:
    pytest.importorskip("numpy")
    if open_watch() is None:
        pytest.skip("the kernel does not tell which pages were written")
    play(session, [KEEPER, "import numpy as np\nbig = np.zeros(4 << 20); other = [1]; import keeper"])
    session.run("keeper.kept.append(big)")
    session.save()
    for number in range(3):  # saved and calm for long enough to be watched
        session.run(f"big.sum(); n = {number}")
        session.save()
    session.run("keeper.write()")
    session.save()
    assert "big" in session.call("saved_anew") and "other" not in session.call("saved_anew")
    session.run("n = 'plain'")
    session.save()
    assert session.call("saved_anew") == ["n"]
    session.restart()
    assert session.ask("float(big[1 << 20]), float(big.sum()), n") == "(1.0, 1.0, 'plain')"


def test_an_audit_that_finds_nothing_leaves_nothing(session: Any) -> None:
    play(session, ["x = [1]", "y = x"])
    head, packs = session.store.head.sequence, sorted((session.store.path / "packs").iterdir())
    name, reason = session.propose(scope="audit")
    assert reason == "" and session.store.waiting() == [] and session.store.parts() == []
    assert sorted((session.store.path / "packs").iterdir()) == packs
    session.run("x.append(2)")
    session.save()
    assert session.call("saved_anew") == ["x", "y"]
    assert session.store.manifest(session.store.head.sequence).parent == head


def test_a_save_that_was_refused_leaves_its_names_touched(session: Any) -> None:
    play(session, ["x = [1]", "y = [1]"])
    session.run("x.append(2)")
    name, _ = session.propose()
    session.store.discard(name)
    session.call("refused")
    session.run("y.append(2)")
    session.save()
    assert set(session.call("saved_anew")) >= {"x", "y"}
    session.restart()
    assert session.ask("(x, y)") == "([1, 2], [1, 2])"


def test_a_definition_that_cannot_be_saved_any_more_takes_its_users_along(session: Any) -> None:
    play(session, ["class C:\n  pass", "c = C(); x = 1"])
    session.run("C.k = 1")
    assert session.save(set_aside=("C",)).keys() == {"C", "c"}
    assert session.call("saved_anew") is None
    session.restart()
    assert session.names == ["x"]


def test_what_was_lost_before_stays_told(session: Any) -> None:
    play(session, ["g = (n for n in ())", "x = 1", "x = 2"])
    assert session.call("saved_anew") == ["x"]
    assert [lost.name for lost in session.store.head.missing] == ["g"]
    session.run("del g")
    assert session.save() == {}


# --- definitions that are only used ----------------------------------------------------------------------------

USED = {
    "a function": ("def f(a, b=2, *, c='x') -> int: return a", "f(1)"),
    "a class": (
        "class f:\n  n = 1\n  def __init__(self): super().__init__()\n  @property\n  def p(self): return 1", "f().p",
    ),
    "an instance's class": ("class C:\n  n = 1\n  def m(self): return 1\nc = C()\ndef f(): return c.m()", "f()"),
    "its parts": ("class f:\n  @staticmethod\n  def s(): pass\n  @classmethod\n  def c(cls): pass", "f.s(), f.c()"),
    "a closure over a number": ("def make(n):\n  return lambda: n\nf = make(3)", "f()"),
    "a subclass": ("class base: pass\nclass f(base): pass", "f()"),
}

CHANGES = {
    "code": ("def f(): return 1", "f.__code__ = (lambda: 2).__code__", "f() == 2"),
    "a default": ("def f(v=1): return v", "f.__defaults__ = (2,)", "f() == 2"),
    "a keyword's default": ("def f(*, v=1): return v", "f.__kwdefaults__['v'] = 2", "f() == 2"),
    "an attribute": ("def f(): pass", "f.n = 2", "f.n == 2"),
    "an attribute's content": ("def f(): pass\nf.n = {'a': 1}", "f.n['a'] = 2", "f.n == {'a': 2}"),
    "a mutable default": ("def f(v=[]): v.append(1); return v", "f()", "len(f()) > 1"),
    "an annotation": ("def f(v: int): pass", "f.__annotations__['v'] = str", "f.__annotations__ == {'v': str}"),
    "a closed-over number": (
        "def make():\n  n = 0\n  def f():\n    nonlocal n\n    n += 1\n    return n\n  return f\nf = make()",
        "f()~f()", "f() > 2",
    ),
    "a class attribute": ("class f:\n  n = 1", "f.n += 1", "f.n == 2"),
    "a method": ("class f:\n  def m(self): return 1", "f.m = lambda self: 2", "f().m() == 2"),
    "a method's code": ("class f:\n  def m(self): return 1", "f.m.__code__ = (lambda s: 2).__code__", "f().m() == 2"),
    "a property": ("class f:\n  p = property(lambda self: 1)", "f.p = property(lambda self: 2)", "f().p == 2"),
    "a static method's default": (
        "class f:\n  @staticmethod\n  def s(v=1): return v", "f.s.__defaults__ = (2,)", "f.s() == 2",
    ),
    "a list of a class": ("class f:\n  v = []", "f.v.append(1)", "f.v == [1]"),
    "a base made anew": ("class A:\n  n = 1\nclass f(A): pass", "class A:\n  n = 2\nf", "(f.n, A.n) == (1, 2)"),
    "a base that is gone": ("class A:\n  n = 1\nclass f(A): pass", "del A; f", "f.n == 1"),
    "a method that had a name": (
        "def m(self): return 1\nclass f: pass\nf.m = m", "m = 5; f", "(f().m(), m) == (1, 5)",
    ),
    "another name": ("def f(): return 1", "g = f", "g is f"),
    "a class of its own": (
        "def make():\n  class K:\n    n = 1\n  def f(k=K): return k.n\n  return f\nf = make()",
        "f.__defaults__[0].n = 2", "f() == 2",
    ),
    "there and back": (
        "def f(): return 1\nc = f.__code__", "f.__code__ = (lambda: 2).__code__; globals()~f.__code__ = c", "f() == 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", USED)
def test_a_definition_that_is_used_is_not_saved_each_time(session: Any, name: str) -> None:
    definition, use = USED[name]
    looked_at = play(session, ["bystander = 1", definition, use, use])
    assert looked_at is not None and "f" not in looked_at and "C" not in looked_at
    session.restart()
    assert session.ask(f"[{use}] is not None") == "True"


@pytest.mark.parametrize("how", ["forked", "inline"])
@pytest.mark.parametrize("name", CHANGES)
def test_a_definition_that_changed_is_saved(session: Any, name: str, how: str) -> None:
    definition, change, check = CHANGES[name]
    play(session, ["bystander = 1", definition, "f", "f", *change.split("~")], how)
    assert session.ask(check) == "True"
    session.restart()
    assert session.ask(check) == "True"
