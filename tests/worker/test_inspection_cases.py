"""Signatures and documentation beside what the standard library's `inspect` says, which runs the objects' code for it.

Runs in: tests.
"""

from __future__ import annotations

import importlib
import inspect as standard
import re
import types
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pyshell.worker.introspection.inspection import inspect

ADDRESS = re.compile(r"(?: object)? at 0x[0-9a-f]+")


class Case(NamedTuple):
    """`differs` names what may be another; the reason stands in the table."""

    name: str
    differs: tuple[str, ...]


def cases() -> list[Case]:
    found = []
    for line in Path(__file__).with_name("inspection_cases.txt").read_text().splitlines():
        name, _, note = line.partition(" | ")
        if name and not name.startswith("#"):
            found.append(Case(name, tuple(note.partition(":")[0].split(" and ") if note else ())))
    return found


def imported(name: str) -> tuple[types.ModuleType, list[str]]:
    """The module that a dotted name begins with, and what follows."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            return importlib.import_module(".".join(parts[:end])), parts[end:]
        except ImportError:
            continue
    return pytest.skip(f"{parts[0]} is not installed")


def signature(value: Any) -> str:
    """As `inspect` has it, without what is another in each process."""
    try:
        return ADDRESS.sub("", str(standard.signature(value)))
    except (TypeError, ValueError):
        return ""


def test_there_are_many_cases() -> None:
    assert len(cases()) >= 300 and len({case.name for case in cases()}) == len(cases())


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_it_is_what_inspect_says(case: Case) -> None:
    module, path = imported(case.name)
    value: Any = module
    for part in path:
        value = getattr(value, part)
    code = ".".join(["module", *path])
    found = inspect({"module": module}, code, len(code))
    assert found.found
    theirs = signature(value)
    if not theirs:
        assert not found.signature or "signature only ours" in case.differs
    elif "signature" not in case.differs:
        assert found.signature == theirs
    if "doc" not in case.differs:
        assert found.doc == (standard.getdoc(value) or "")
