"""Cut a script into the statements that are run one by one, and name each by itself and all before it. Pure.

Runs in: clients (Python 3.11 and newer).

A statement's key is a hash of its source and of the key before it: where keys are equal, so is everything up to there.
It stands at the head of the cell that runs the statement, with the place in the file:

    # %% /home/me/fit.py:12 [3f2a.9c1e44d0a1b2]
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pyshell.errors import UsageError
from pyshell.frozen import dataclass

_HEAD = re.compile(r"# %% (?P<place>.*) \[(?P<run>\w+)\.(?P<key>[0-9a-f]+|-)\]\n")
_CELL = re.compile(r"# ?%%")
KEY_SIZE = 12


@dataclass(frozen=True)
class Statement:
    """One piece of a script, which is one cell of its session."""

    source: str
    line: int
    """The first of its lines in the file; in a notebook the number of its cell."""
    place: str
    """What the cell's head says of it."""
    key: str = ""


@dataclass(frozen=True)
class Head:
    """The first line of a cell that runs a statement."""

    place: str
    run: str
    """Which run of the script from its beginning."""
    key: str
    """Of the state after the statement; `-`: it leads to none."""

    def __str__(self) -> str:
        return f"# %% {self.place} [{self.run}.{self.key}]\n"


def head_of(code: str) -> Head | None:
    """None: the cell was not made here."""
    found = _HEAD.match(code)
    return Head(found["place"], found["run"], found["key"]) if found else None


def read_script(path: Path, arguments: Sequence[str]) -> list[Statement]:
    """The statements of a script, of its `# %%` cells, or the cells of a notebook. UsageError if it cannot be read."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"{path} cannot be read: {exc}") from None
    if path.suffix == ".ipynb":
        found = list(_notebook(text, path))
    else:
        found = [Statement(source, line, f"{path}:{line}") for line, source in _pieces(text, path)]
    return list(_with_keys(found, arguments))


def _with_keys(statements: Iterable[Statement], arguments: Sequence[str]) -> Iterator[Statement]:
    key = json.dumps(list(arguments))
    for statement in statements:
        key = hashlib.sha256(f"{key}\n{statement.source}".encode()).hexdigest()[:KEY_SIZE]
        yield Statement(statement.source, statement.line, statement.place, key)


def _notebook(text: str, path: Path) -> Iterator[Statement]:
    try:
        cells = json.loads(text)["cells"]
        sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError) as exc:
        raise UsageError(f"{path} is no notebook: {exc}") from None
    for number, source in enumerate(sources, 1):
        if source.strip():
            yield Statement(source, number, f"{path}[{number}]")


def _pieces(text: str, path: Path) -> Iterator[tuple[int, str]]:
    """First lines and sources."""
    lines = text.splitlines(keepends=True)
    if any(_CELL.match(line) for line in lines):
        return _cells(lines)
    try:
        return _joined(_statements(ast.parse(text, str(path)).body, lines))
    except SyntaxError:  # the interpreter that runs it says it better, or knows more
        return iter([(1, text)])


def _cells(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    starts = [0, *[number for number, line in enumerate(lines) if _CELL.match(line)], len(lines)]
    for start, end in zip(starts, starts[1:], strict=False):
        if any(line.strip() and not line.lstrip().startswith("#") for line in lines[start:end]):
            yield start + 1, "".join(lines[start:end])


def _statements(nodes: Sequence[ast.stmt], lines: Sequence[str], inside: str = "") -> Iterator[tuple[int, str, bool]]:
    """First line, source, and whether it is done in no time. Statements that share a line stay together."""
    at = 0
    while at < len(nodes):
        first, last = at, at
        while last + 1 < len(nodes) and _start(nodes[last + 1]) <= _end(nodes[last]):
            last += 1
        at = last + 1
        node = nodes[first]
        if first == last and not inside and _is_main(node):
            assert isinstance(node, ast.If)
            yield from _statements(node.body, lines, "if True:\n")
            continue
        source = "".join(lines[_start(node) - 1 : _end(nodes[last])])
        source += "" if source.endswith("\n") else "\n"
        line = _start(node) - (1 if inside else 0)
        yield line, inside + source, all(map(_is_quick, nodes[first:at]))


def _joined(pieces: Iterable[tuple[int, str, bool]]) -> Iterator[tuple[int, str]]:
    """What is done in no time goes along with what is like it and follows at once."""
    begun: tuple[int, str] | None = None
    for line, source, is_quick in pieces:
        if begun is not None and is_quick and "if True:" not in source[:8]:
            between = "\n" * (line - begun[0] - begun[1].count("\n"))
            begun = begun[0], begun[1] + between + source
            continue
        if begun is not None:
            yield begun
        begun = (line, source) if is_quick else None
        if not is_quick:
            yield line, source
    if begun is not None:
        yield begun


def _is_quick(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign):
        return isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)


def _is_main(node: ast.stmt) -> bool:
    """`if __name__ == "__main__":` with its body on lines of its own."""
    is_test = isinstance(node, ast.If) and not node.orelse and node.body[0].lineno > node.lineno
    return is_test and ast.unparse(node.test).replace('"', "'") == "__name__ == '__main__'"  # type: ignore[attr-defined]


def _start(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min(node.lineno, *[int(decorator.lineno) for decorator in decorators], node.lineno)


def _end(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno
