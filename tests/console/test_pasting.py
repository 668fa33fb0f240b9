"""Code that was copied with its prompts.

Runs in: tests.
"""

from __future__ import annotations

import pytest

from pyshell.console.pasting import cleaned


@pytest.mark.parametrize(
    ("pasted", "code"),
    [
        ("x = 1", "x = 1"),
        ("    if x:\r\n        y\r\n", "if x:\n    y\n"),
        ("\tx\n\ty", "x\ny"),
        (">>> x = 1\n>>> x\n1\n", "x = 1\nx"),
        (">>> if x:\n...     y\n... \n1\n>>> z", "if x:\n    y\n\nz"),
        ("    >>> x\n    1\n    >>> y", "x\ny"),
        (">>>\n>>> x", "x"),
        ("In [1]: x = 1\n\nIn [2]: x\nOut[2]: 1\n", "x = 1\nx"),
        ("In [12]: for n in y:\n    ...:     n\n    ...: \nIn [13]: z", "for n in y:\n    n\n\nz"),
        ("x >>> 1\n>>> no", "x >>> 1\n>>> no"),
        ("...", "..."),
        ("", ""),
    ],
)
def test_prompts_and_output_are_left_out(pasted: str, code: str) -> None:
    assert cleaned(pasted) == code


def test_in_the_middle_of_a_line_nothing_is_dedented() -> None:
    assert cleaned("    x", dedents=False) == "    x"
