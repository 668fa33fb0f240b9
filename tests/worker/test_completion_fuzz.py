"""Any code and any cursor: completion answers, with places that are in the code, and so does inspection.

Runs in: tests. PYSHELL_FUZZ_SECONDS=60 tries longer.
"""

from __future__ import annotations

import collections
import gc
import os
import sys
import time
import types
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyshell.plain import plain
from pyshell.protocol import to_wire
from pyshell.typed.cursor import asked
from pyshell.worker.introspection.completion import _complete
from pyshell.worker.introspection.inspection import inspect

BUDGET = 0.05
"""Seconds of the processor for an answer, at best: how long one may take beside a loop of Python code."""
SECONDS = float(os.environ.get("PYSHELL_FUZZ_SECONDS", "10"))
PIECES = (
    "a", "b.c", "os", "os.path", "sys", "d", "rows", "f", "C", "C()", ".", "..", ",", ":", ";", "=", "==", ":=", "(",
    ")", "[", "]", "{", "}", '"', "'", '"""', "'''", 'f"', "rb'", "\\", "\n", "\r\n", "    ", "\t", "#", "%", "%%", "!",
    "@", "import ", "from ", " as ", "def ", "class ", "for ", " in ", "lambda ", "if ", "0", "1.5", "1e9", "0x", "é",
    "\ud800", "\0", "{x",
    "'k", '"name"', "-1", "*", "**", "/", "~/", "/etc/", "...", "await ", "print(", "int.", "json.", "é.", "٣",
)  # fmt: skip


class C:
    def method(self, argument: int = 1) -> C:
        return self


VARIABLES: dict[str, Any] = {
    "a": 1, "b": types.SimpleNamespace(c="text"), "os": os, "sys": sys, "C": C, "f": C().method,
    "d": {"k": [1], "name": C(), 0: "zero", -1: None, "it's \\ \n": 1, "é": 1, "\ud800": 1, (1, 2): 3},
    "rows": [{"k": 1}, (1, 2)], "od": collections.OrderedDict(k=1),
}  # fmt: skip


def check(code: str, cursor: int) -> None:
    found = _complete(VARIABLES, code, min(max(cursor, 0), len(code)))  # not `complete`, which hides what goes wrong
    assert 0 <= found.start <= found.end == min(max(cursor, 0), len(code))
    assert asked(code, cursor).prefix == code[found.start : found.end]
    assert plain(to_wire(found)) is not None


def check_inspection(code: str, cursor: int) -> None:
    for detail in (0, 1):
        assert plain(to_wire(inspect(VARIABLES, code, cursor, detail))) is not None


codes = st.one_of(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), st.text(max_size=60))


@settings(max_examples=200, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(codes, st.integers(-5, 200))
def test_any_code(code: str, cursor: int) -> None:
    check(code, cursor)
    check(code, len(code))
    check_inspection(code, cursor)
    check_inspection(code, len(code))


@pytest.mark.timeout(SECONDS + 120)
@pytest.mark.parametrize("question", [check, check_inspection])
def test_any_code_for_longer(question: Callable[[str, int], None]) -> None:
    until, slowest = time.monotonic() + SECONDS / 2, (0.0, "", 0)

    @settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(codes, st.integers(-5, 200))
    def run(code: str, cursor: int) -> None:
        nonlocal slowest
        slowest = max(slowest, (seconds(question, code, cursor), code, cursor))

    while time.monotonic() < until:
        run()
    first, code, cursor = slowest
    again = min([seconds(question, code, cursor) for _ in range(5)])
    print(f"the slowest answer took {first * 1000:.1f} ms, at best {again * 1000:.1f} ms: {code!r}, {cursor}")
    assert again < BUDGET


def seconds(question: Callable[[str, int], None], code: str, cursor: int) -> float:
    """Of the processor. Without collections: what they look through is this process, full of Hypothesis' objects."""
    gc.disable()
    begin = time.thread_time()
    try:
        question(code, cursor)
        return time.thread_time() - begin
    finally:
        gc.enable()
