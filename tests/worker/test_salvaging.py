"""What holds a value that cannot be saved comes back with a placeholder that says so.

Runs in: tests.
"""

from __future__ import annotations

from typing import Any

import pytest

from pyshell.worker.pickles import placeholders

OPEN = "open('/dev/null', 'w')"

HOLDERS = {
    "a dict": (f"v = {{'size': 3, 'log': {OPEN}}}", "v['log']", "v['size'] == 3 and list(v) == ['size', 'log']"),
    "a list": (f"v = [1, {OPEN}, 2]", "v[1]", "v[::2] == [1, 2]"),
    "a tuple": (f"v = (1, {OPEN})", "v[1]", "v[0] == 1"),
    "a set": (f"v = {{1, {OPEN}}}", "v (in the set)", "1 in v and len(v) == 2"),
    "an attribute": (f"class C: pass\nv = C(); v.n = 1; v.log = {OPEN}", "v.log", "v.n == 1"),
    "an attribute of a class": (f"class v:\n  n = 1\n  log = {OPEN}", "v.log", "v().n == 1"),
    "a slot": (f"class C: __slots__ = 'log', 'n'\nv = C(); v.n = 1; v.log = {OPEN}", "v (inside)", "v.n == 1"),
    "deep inside": (f"v = {{'a': [{{'b': ({OPEN}, 4)}}]}}", "v['a'][0]['b'][0]", "v['a'][0]['b'][1] == 4"),
    "a closure": (f"def make(file):\n  return lambda n: n or file\nv = make({OPEN})", "v (its file)", "v(2) == 2"),
    "a deque": (f"import collections\nv = collections.deque([{OPEN}, 5])", "v[0]", "v[1] == 5"),
    "a defaultdict": (
        f"import collections\nv = collections.defaultdict(list, {{'a': {OPEN}}})", "v['a']", "v['b'] == []",
    ),
    "a partial": (f"import functools\nv = functools.partial(print, file={OPEN})", "v (inside)", "v.func is print"),
    "a key": (f"v = {{{OPEN}: 6}}", "v (a key)", "[*v.values()] == [6]"),
    "a dataclass": (
        f"import dataclasses\n@dataclasses.dataclass\nclass D: a: int; b: object\nv = D(1, {OPEN})", "v.b", "v.a == 1",
    ),
    "a bound method's object": (
        f"class C:\n  def m(self): return 1\no = C(); o.log = {OPEN}; v = o.m; del o", "v.__self__.log", "v() == 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", HOLDERS.values(), ids=HOLDERS)
def test_what_holds_it_lives(session: Any, case: tuple[str, str, str]) -> None:
    code, path, check = case
    session.run(code)
    missing = session.save()
    assert (list(missing), "open it again" in missing.get(path, "")) == ([path], True)
    session.restart()
    assert session.ask(check) == "True"
    assert session.missing.keys() == {path}
    # Saved again, it is as missing as before.
    assert session.save() == missing


def test_the_placeholder_says_what_it_was(session: Any) -> None:
    session.run("n = 1")
    session.run("import threading\nconf = {'lock': threading.Lock()}; conf['lock'].acquire()")
    session.save()
    session.restart()
    shown = "<not saved: conf['lock'], <locked _thread.lock object>: lock: it is held"
    assert session.ask("conf['lock']").startswith(shown)
    error = session.ask("conf['lock'].acquire()")
    assert error.startswith("NotSavedError: conf['lock'] was <locked _thread.lock object>, which could not be saved")
    assert error.endswith("(In[2] made it)")


def test_one_value_is_one_placeholder(session: Any) -> None:
    session.run(f"file = {OPEN}\na = [file, file]; b = {{'f': file}}; f = lambda: file")
    assert session.save().keys() == {"file", "a[0]"}
    session.restart()
    assert session.ask("a[0] is a[1] is b['f']") == "True"
    assert session.ask("f()").startswith("NameError")


def test_a_placeholder_that_is_bound_to_a_name_is_not_saved(session: Any) -> None:
    session.run(f"a = [{OPEN}]")
    session.save()
    session.restart()
    session.run("x = a[0]; y = [x]")
    missing = session.save()
    assert missing.keys() == {"a[0]", "x"}
    assert missing["x"].startswith("it stands for a[0], which could not be saved: TextIOWrapper")
    session.restart()
    assert session.ask("a[0] is y[0]") == "True"


def test_what_fails_to_load_costs_itself_only(session: Any) -> None:
    session.run("class C:\n  def __setstate__(self, state): raise OSError('no')")
    session.run("bad = C(); bad.n = 1; v = {'good': [1], 'bad': [bad]}; del bad; v['bad'] += v['bad']")
    missing = session.save()
    assert missing == {"v['bad'][0]": "it could be saved, but not loaded: OSError: no"}
    session.restart()
    assert session.ask("v['good'] == [1] and v['bad'][0] is v['bad'][1]") == "True"
    assert session.save() == missing


def test_what_needs_the_value_to_come_back_is_replaced_with_it(session: Any) -> None:
    session.run("v = {'n': 1, 'm': map(str, (i for i in [1]))}")
    missing = session.save()
    assert "v['m']" in missing
    session.restart()
    assert session.ask("v['n']") == "1"
    assert session.ask("next(v['m'])").startswith("NotSavedError: v['m'] was <map object>")


def test_what_only_dill_knows_is_saved_beside_a_placeholder(session: Any) -> None:
    session.run(f"import types\nv = {{'view': types.MappingProxyType({{'a': 1}}), 'log': {OPEN}}}")
    assert session.save().keys() == {"v['log']"}
    session.restart()
    assert session.ask("v['view']['a']") == "1"


def test_values_whose_code_raises_anything_are_replaced(session: Any) -> None:
    session.run(
        "class C:\n  def __reduce__(self): raise SystemExit(3)\n"
        "class D(list):\n  def __iter__(self): raise KeyboardInterrupt\n"
        "class E:\n  def __reduce__(self): return 1, 2, 3\n"
        "class F:\n  def __reduce__(self): return 'nowhere'\n"
        "  def __repr__(self): raise SystemExit\n"
        "v = [C(), D(), E(), F(), 5]"
    )
    assert session.save().keys() == {"v[0]", "v[1]", "v[2]", "v[3]"}
    session.restart()
    assert session.ask("v[4]") == "5"


def test_many_are_told_in_one_line(session: Any) -> None:
    session.run("v = [(i for i in [n]) for n in range(1000)]")
    missing = session.save()
    assert len(missing) == 21
    assert missing["v[20]"].startswith("and 980 more; generator")
    session.restart()
    assert session.ask("len(v), len(set(map(id, v)))") == "(1000, 1000)"


USES = [
    "{}()", "{}.x", "{}['x']", "len({})", "iter({})", "next({})", "bool({})", "{} + 1", "1 + {}", "{} == 1", "{} < 1",
    "int({})", "{}.__enter__()", "1 in {}", "setattr({}, 'a', 1)", "copy.copy({})", "copy.deepcopy({})",
    "pickle.dumps({})", "open({})", "for_each({})", "bytes({})", "-{}", "[1][0:{}]", "hasattr({}, 'read')",
]  # fmt: skip


@pytest.mark.parametrize("use", USES)
def test_every_use_is_refused(use: str) -> None:
    import copy
    import pickle

    placeholder = placeholders.make_placeholder("a[0]", "lock", "<a lock>", "it is held", 3)
    scope = {"p": placeholder, "copy": copy, "pickle": pickle, "for_each": lambda values: [*values]}
    with pytest.raises(placeholders.NotSavedError, match=r"a\[0\] was <a lock>.*In\[3\] made it"):
        eval(use.format("p"), scope)


def test_a_placeholder_can_be_kept_and_compared_with_itself() -> None:
    placeholder = placeholders.make_placeholder("a[0]", "lock", "<a lock>", "it is held", None)
    assert placeholder in [placeholder] and {placeholder: 1}[placeholder] == 1
    assert not hasattr(placeholder, "__array__")
    assert f"{placeholder}" == repr(placeholder) == "<not saved: a[0], <a lock>: it is held>"
