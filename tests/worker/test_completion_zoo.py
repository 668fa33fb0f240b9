"""Completion of what counts and misbehaves: nothing of it may run.

Runs in: tests.
"""

from __future__ import annotations

from typing import Any

import pytest

from pyshell.plain import plain
from pyshell.protocol import to_wire
from pyshell.worker.introspection.completion import _complete
from tests.worker.zoo import calls, science, text, traces, zoo

ENDINGS = (
    "", ".", ".a", "._", ".__", ".attr.", ".inside.", ".prop.", ".cached.", ".value.", ".itself.", "[", '["', "[0].",
    '["in"].', '["key"].', '["x"].', '["same"].', "[1:].", "(", "(a", "().", ".method(", ".__init__(", ".attr(", "()[",
    ".str.", '.loc["', '.get("',
)  # fmt: skip


def look_at(animals: dict[str, Any]) -> None:
    for name in animals:
        for ending in ENDINGS:
            code = name + ending
            found = to_wire(_complete(animals, code, len(code)))
            assert plain(found) == found


@pytest.mark.parametrize("behaviour", ["raise", "quiet"])
def test_nothing_of_the_zoo_runs(behaviour: str) -> None:
    animals = zoo(behaviour)
    look_at(animals)
    assert calls == [] and traces(animals) == []


@pytest.mark.science
def test_nothing_in_arrays_and_frames_runs() -> None:
    pytest.importorskip("numpy")
    zoo()
    animals = science()
    look_at(animals)
    assert calls == []


def test_a_module_that_misbehaves_is_not_asked() -> None:
    import sys

    animals = zoo()
    sys.modules["animal_farm"] = animals["module"]
    sys.modules["animal_lazy"] = animals["lazy"]
    sys.modules[text("animal_text")] = animals["instance"]
    calls.clear()
    try:
        for code in ("import animal_farm.", "from animal_farm import ", "from animal_lazy import ", "import "):
            _complete(animals, code, len(code))
        assert calls == []
    finally:
        for name in [name for name in sys.modules if str.__str__(name).startswith("animal_")]:
            del sys.modules[name]
