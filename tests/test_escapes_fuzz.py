"""Any cell: commands in it are found without an exception, and without a line more or less.

Runs in: tests. PYSHELL_FUZZ_SECONDS=60 tries longer.
"""

from __future__ import annotations

import ast
import os
import time
import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyshell.escapes import CALL, behind, cell_command, rewrite
from pyshell.syntax import is_complete

SECONDS = float(os.environ.get("PYSHELL_FUZZ_SECONDS", "10"))
PIECES = (
    "!ls", "!", "!!x", "%pwd", "%%bash", "%%time x", "%", "x", " = ", "=", "f?", "??", "?", "?f", ";", ":", "; ", ": ",
    ";;", "\n", "\n    ", "\r\n", "\\\n", "\\", "if x", "for i in y", "def f()", "else", "(", ")", "[", "]", "{", "}",
    "'", '"', "'''", '"""', "f'", "#", "{x}", "$x", "a.b[0]", "é", "\0", "\ud800", "\t", "1", "lambda", "@d", "x: int",
)  # fmt: skip
codes = st.one_of(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), st.text(max_size=60))
tries = settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))


def check(code: str) -> None:
    assert is_complete(code).status in ("complete", "incomplete", "invalid")
    made = rewrite(code)
    if made is None:
        return
    assert CALL in made.code and made.lines
    if cell_command(code) is None and not behind(code):
        assert made.code.count("\n") == code.count("\n")
        changed = {n for n, (a, b) in enumerate(zip(code.split("\n"), made.code.split("\n")), 1) if a.rstrip("\r") != b}
        assert changed <= made.lines


def is_python(code: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True


@tries
@given(codes)
def test_any_cell(code: str) -> None:
    check(code)


@tries
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join).filter(is_python))
def test_python_is_left_alone(code: str) -> None:
    made = rewrite(code)
    assert made is None, made


@pytest.mark.timeout(SECONDS + 120)
def test_any_cell_for_longer() -> None:
    until = time.monotonic() + SECONDS
    longer = settings(tries, max_examples=2000, database=None)
    while time.monotonic() < until:
        longer(given(codes)(check))()
