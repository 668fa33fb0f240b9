"""Where the code of a cell comes from: the prompt, or a place in a file.

Runs in: worker, on its main thread.

The first line of a cell from a file says it: `# %% /home/me/fit.py:12 [3f2a.9c1e44d0a1b2]` of a script that is run
statement by statement (see scripts.py, which writes it), `# %% /home/me/fit.py:12:4 [sent]` of what an editor has sent
(see host/admission.py). It is compiled under the file's name and with the file's own line numbers.
"""

from __future__ import annotations

from typing import NamedTuple

from pyshell.escapes import uncovered
from pyshell.protocol import RunCell
from pyshell.worker.namespace import filename

_HEAD = "# %% "
_SENT = "sent]"


class Place(NamedTuple):
    """What is compiled, and under which name."""

    code: str
    filename: str
    is_script: bool = False
    """As in a script nothing is displayed."""
    is_inside: bool = False
    """The first statement of `code` is an `if` that is only there because the rest of it is indented."""


def place_of(cell: RunCell) -> Place:
    """Also where the first line is one that a person has typed: then the cell is like any other."""
    own = Place(uncovered(cell.code), filename(cell.cell))
    if not cell.code.startswith(_HEAD):
        return own
    head, _, source = cell.code.partition("\n")
    place, _, key = head[len(_HEAD) :].rpartition(" [")
    path, _, number = place.rpartition(":")
    if key == _SENT:
        path, _, line = path.rpartition(":")
        return _sent(source, path, int(line), int(number)) if line.isdecimal() and number.isdecimal() else own
    if not path or not number.isdecimal() or not key.endswith("]") or "." not in key:
        return own
    return Place("\n" * (int(number) - 1) + source, path, is_script=True)


def _sent(source: str, path: str, line: int, column: int) -> Place:
    """With every character where it is in the file, so that what a traceback marks is what it means."""
    code = " " * column + source
    if not _is_indented(code):
        return Place("\n" * (line - 1) + code, path)
    if line == 1:  # nothing can stand before it
        return Place(code.lstrip(), path)
    return Place("\n" * (line - 2) + "if True:\n" + code, path, is_inside=True)


def _is_indented(code: str) -> bool:
    """Whether its first statement is."""
    first = next((line for line in code.split("\n") if line.strip() and not line.lstrip().startswith("#")), "")
    return first[:1].isspace()
