"""The cases of the catalogue: cells to run, and what must hold afterwards; and what can become of one.

Runs in: tests, and the catalogue's command.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent

RIGHT, REPORTED, WRONG, HANG, ABSENT = "right", "reported", "wrong", "hang", "not there"
"""The check holds; it does not, and the user was told before; it does not; no answer; the library is not installed."""

SECTIONS = {
    "The language": HERE.parent / "worker" / "come_back.txt",
    "The standard library": HERE / "standard.txt",
    "numpy": HERE / "numpy.txt",
    "Libraries": HERE / "wide.txt",
    "What cannot be saved": HERE.parent / "worker" / "missing.txt",
    "Over several cells": HERE / "traps.txt",
}
UNSAVABLE = "What cannot be saved"
"""The section in which the right outcome is that it is reported."""

_TITLE = re.compile(
    r"(?P<name>\w+)(?: on (?P<since>[\d.]+))?(?: with (?P<needs>[\w ]+?))?(?: (?P<place>alone|apart))?$"
)


@dataclass(frozen=True)
class Case:
    """One section of a table; its names all begin with the case's."""

    name: str
    since: str
    needs: tuple[str, ...]
    """Packages that it imports and the standard library does not have."""
    place: str
    """`alone`: it needs a session of its own; `apart`: checkpoints of its own; else empty."""
    cells: tuple[str, ...]
    check: str


@dataclass(frozen=True)
class Outcome:
    """What became of a case, and the reason or the answer that was not the right one."""

    word: str
    detail: str = ""


def read(path: Path) -> list[Case]:
    """The sections of a table; every `v` is made the case's own name."""
    found = []
    for section in path.read_text().split("\n== ")[1:]:
        title, _, body = section.partition("\n")
        parts = _TITLE.match(title.strip())
        assert parts, title
        code, _, check = body.partition("\n--\n")
        if path == SECTIONS[UNSAVABLE]:
            check = "False"  # there it is a word of the reason
        name = parts["name"]
        cells = tuple(_own(cell, name) for cell in re.split(r"(?:^|\n)~~\n", code))
        needs = tuple((parts["needs"] or "").split())
        found.append(Case(name, parts["since"] or "", needs, parts["place"] or "", cells, _own(check.strip(), name)))
    assert len(found) > 20 and len({case.name for case in found}) == len(found), path
    return found


def runs_on(case: Case, version: str) -> bool:
    """Whether this minor version of Python knows what the case uses."""
    return not case.since or _number(case.since) <= _number(version)


def everything() -> dict[str, list[Case]]:
    """All cases by section, whether they can run here or not."""
    return {title: read(path) for title, path in SECTIONS.items()}


def can_run(case: Case) -> bool:
    """Whether this Python is new enough and has what the case imports."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return runs_on(case, version) and all(find_spec(package) for package in case.needs)


def is_about(case: Case, name: str) -> bool:
    """Whether a name that is reported, or a path, belongs to the case."""
    return re.match(rf"{case.name}_v(_|\b)", name) is not None


def _own(code: str, name: str) -> str:
    return re.sub(r"\bv(?=_|\b)(?!')", f"{name}_v", code)


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
