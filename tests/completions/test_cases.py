"""Every case of the page is completed with what must be there, and nothing runs out of bounds.

Runs in: tests.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from pyshell.worker.introspection.completion import _complete
from tests.completions.cases import SETUPS, cases

SCIENCE = pytest.mark.science


@cache
def namespace(part: str) -> dict[str, Any]:
    for library in (part,) if part in ("numpy", "pandas") else ():
        pytest.importorskip(library)
    variables: dict[str, Any] = {"__name__": "__main__"}
    exec(SETUPS[part], variables)
    return variables


def test_there_are_enough() -> None:
    assert sum(len(cases(part)) for part in SETUPS) >= 250


@pytest.mark.parametrize(
    "part, code, expected",
    [
        pytest.param(part, code, expected, id=repr(code), marks=[SCIENCE] if part in ("numpy", "pandas") else [])
        for part in SETUPS
        for code, expected in cases(part)
        if expected
    ],
)
def test_what_must_be_offered_is(part: str, code: str, expected: str) -> None:
    found = [match.text for match in _complete(namespace(part), code, len(code)).matches]
    assert expected in found
