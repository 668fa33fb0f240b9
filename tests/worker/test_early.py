"""Which names a cell needs while others are still to be loaded. Whatever is not known to be harmless needs all.

Runs in: tests.
"""

from __future__ import annotations

import dataclasses
import math
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest

from pyshell.store import Binding, Group
from pyshell.worker.checkpoints import early
from pyshell.worker.checkpoints.early import Origins, needed

SETUP = """
import math, sys, dataclasses, functools
number = 1
texts = ["a", "b"]
frame = object()
def small(n): return n + number
def looks(): return large[0]
def calls(): return looks()
def reflects(): return globals()["large"]
def default(n, f=len): return f(n)
def strange(n, f=eval): return f(n)
def maker():
    kept = [1]
    def inner(): return kept, large
    return inner
closure = maker()
class Plain:
    limit = 3
    def __init__(self, n): self.n = n
    def __repr__(self): return "plain"
    @property
    def twice(self): return self.n * 2
class Shows(Plain):
    def __repr__(self): return str(large)
@dataclasses.dataclass
class Record:
    x: int = 0
class Meta(type): pass
class Made(metaclass=Meta): pass
@functools.lru_cache
def cached(n): return n
plain, shows = [Plain(1)], {1: Shows(2)}
"""
KINDS: dict[str, set[str]] = {
    "plain": {"__main__.Plain"}, "shows": {"__main__.Shows"}, "texts": set(), "number": set(), "frame": {"library.F"},
}  # fmt: skip
DEFINED = [
    "small", "looks", "calls", "reflects", "default", "strange", "maker", "closure", "Plain", "Shows", "Record", "Meta",
    "Made", "cached", "math", "sys", "functools",
]  # fmt: skip


def group(name: str, kind: str = "data", references: tuple[str, ...] = ()) -> Group:
    return Group((Binding(name, 0, "object"),), kind, "pickle", references, (), (), "", 1, 0)


@pytest.fixture
def namespace(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """As it is after a restore but for `large`, `users` (of Plain) and `_7`."""
    main = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    # pytest has put other streams and threads there.
    monkeypatch.setattr(early, "_is_watched", lambda: False)
    monkeypatch.setattr(early, "has_other_threads", lambda: False)
    exec(SETUP, vars(main))
    yield vars(main)


def ask(code: str, namespace: dict[str, Any]) -> set[str] | None:
    groups = {name: group(name) for name in KINDS}
    groups.update({name: group(name, references=(kind,)) for name, kind in [("plain", "Plain"), ("shows", "Shows")]})
    groups.update({name: group(name, "definition") for name in DEFINED})
    waiting = {"large": group("large"), "users": group("users", references=("Plain",)), "_7": group("_7")}
    found = {groups[name].id: kinds for name, kinds in KINDS.items()}
    answer = needed([compile(code, "cell", "exec")], namespace, waiting, Origins(groups, found))
    # What the newest result was called is needed by whoever may show one.
    return None if answer is None else set(answer) - {"_7"}


NOTHING = r"""
1 + 1
number += 1
print(texts, sorted(texts, key=len), f"{number:>5}", "%s" % number)
small(3)
default(texts)
math.sqrt(number)
new = [n for n in range(3)]; new.append(lambda: new)
def f(n): return f(n - 1) if n else number
class New:\n    def __init__(self): self.n = number\nNew()
try: 1 / 0\nexcept ZeroDivisionError as exc: print(exc)
Record(3)
with_ = {name: len(name) for name in texts}
number = texts; del texts
"""
LARGE = r"""
large
large = 3
del large
looks()
calls()
def f(): return large
(lambda: large)
shows
list(shows.values())
closure
for large in range(3): pass
try: large\nexcept NameError: pass
"""
USERS = r"""
Plain(1)
plain[0].twice
Plain.limit = 4
class Plain: pass
"""
ALL = """
globals()
vars()
dir()
locals()
eval('large')
exec('large')
reflects()
strange('large')
import json
from math import sqrt
__import__('__main__')
getattr(small, '__globals__')
small.__globals__
'{0.__globals__}'.format(small)
texts.format_map
print.__self__
sys.modules
sys
functools
frame
Made()
cached(1)
unheard
In[1]
Out
__loader__
__builtins__
await_ = (n async for n in texts)
async def f(): pass
display(number)
open('x')
input()
help()
breakpoint()
exit()
new.gi_frame
number.__dict__
del unheard
"""


@pytest.mark.parametrize("code", NOTHING.strip().splitlines())
def test_what_is_harmless_needs_nothing(code: str, namespace: dict[str, Any]) -> None:
    assert ask(code.replace("\\n", "\n"), namespace) == set()


@pytest.mark.parametrize("code", LARGE.strip().splitlines())
def test_what_leads_to_a_name_needs_it(code: str, namespace: dict[str, Any]) -> None:
    assert ask(code.replace("\\n", "\n"), namespace) == {"large"}


@pytest.mark.parametrize("code", USERS.strip().splitlines())
def test_who_has_a_class_needs_its_instances(code: str, namespace: dict[str, Any]) -> None:
    assert ask(code.replace("\\n", "\n"), namespace) == {"users"}


@pytest.mark.parametrize("code", ALL.strip().splitlines())
def test_what_is_in_doubt_needs_all(code: str, namespace: dict[str, Any]) -> None:
    assert ask(code, namespace) is None


def test_somebody_elses_builtin_is_in_doubt(namespace: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(early._BUILTINS, "len", lambda value: 3)
    assert ask("len(texts)", namespace) is None
    assert ask("sum([1])", namespace) == set()


def test_a_module_that_has_another_name_since(namespace: dict[str, Any]) -> None:
    namespace["other"], namespace["library"] = math, dataclasses
    assert ask("other.pi", namespace) == set()
    assert ask("library", namespace) is None


def test_threads_and_hooks_need_all(namespace: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early, "has_other_threads", lambda: True)
    assert ask("1", namespace) is None
    monkeypatch.undo()
    monkeypatch.setattr(sys, "displayhook", print)
    assert early._is_watched()
