"""What the names are bound to, against a plain comparison of two namespaces.

Runs in: tests.
"""

from __future__ import annotations

import types
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pyshell.worker.bindings import Bindings

NAMES = st.sampled_from(["a", "b", "c", "d", "_", "hidden"])
STEPS = st.lists(st.lists(st.tuples(NAMES, st.sampled_from(["bind", "unbind", "alias"])), max_size=6), max_size=6)


@settings(deadline=None)
@given(STEPS)
def test_what_is_rebound_is_told_whatever_happens_to_the_names(steps: list[list[tuple[str, str]]]) -> None:
    namespace: dict[str, Any] = {"hidden": [0]}
    bindings = Bindings(namespace, ["hidden"])
    kept = []  # so that no id is used twice
    for cell, step in enumerate(steps, 1):
        before = dict(namespace)
        for name, what in step:
            if what == "unbind":
                namespace.pop(name, None)
            else:
                namespace[name] = namespace.get("a", [cell]) if what == "alias" else [cell]
                kept.append(namespace[name])
        bindings.rebound = set()
        bindings.note(cell)
        changed = {name for name in before.keys() | namespace.keys() if before.get(name) is not namespace.get(name)}
        assert bindings.rebound == changed - {"hidden"}
        visible = [name for name in namespace if name != "hidden"]
        assert bindings.in_order(visible) == sorted(visible, key=bindings.orders.__getitem__)
        assert all(bindings.cells[name] == cell for name in changed & set(visible))
        assert set(bindings.cells) == set(visible) == {name for name in NAMES_ALL if name in bindings}
        same = {name for name in visible if any(namespace[name] is namespace.get(other) for other in bindings.rebound)}
        assert bindings.aliases() == same


NAMES_ALL = ("a", "b", "c", "d", "_", "hidden")


def test_definitions_go_by_the_first_name_that_is_not_an_output() -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    bindings = Bindings(namespace, ["__name__"])
    exec("def f(): pass\n_ = f\ng = f\nclass C: pass\nx = 1", namespace)
    namespace.pop("__builtins__")
    bindings.note(1)
    assert bindings.definitions() == {id(namespace["f"]): "f", id(namespace["C"]): "C"}
    del namespace["f"]
    namespace["C"] = types.SimpleNamespace()
    bindings.note(2)
    assert bindings.definitions() == {id(namespace["g"]): "g"}
    namespace["g"] = 5  # by a thread, since
    assert bindings.definitions() == {id(namespace["_"]): "_"}
