"""Inspection beside IPython's: where both are there, nothing differs that is not argued; the page is of these cases.

Runs in: tests.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys

import pytest

from tests.inspections.__main__ import PAGE, REASONS, VALUES, names

PEERS = ("IPython", "numpy", "pandas")
MISSING = [name for name in PEERS if importlib.util.find_spec(name) is None]


def test_the_page_is_of_these_cases() -> None:
    cases = {*names(), *(name for values in VALUES.values() for name in values)}
    text = PAGE.read_text()
    assert len(cases) >= 300
    assert f"{len(names()) + sum(map(len, VALUES.values()))} names inspected" in text
    listed = re.findall(r"^\| `([^`]+)` \| (\w+) \|.* \| (\w+) \|$", text, re.MULTILINE)
    assert listed and {name for name, *_ in listed} <= cases
    assert {reason for *_, reason in listed} <= set(REASONS) - {"other"}


@pytest.mark.science
@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
def test_every_difference_is_argued() -> None:
    done = subprocess.run([sys.executable, "-m", "tests.inspections"], capture_output=True, text=True, check=True)
    assert [line for line in done.stdout.splitlines() if line.endswith("| other |")] == []
