"""Rewrite what people type and is no Python (`%time f()`, `!ls`, `x = !ls`, `f?`) as calls of one function. Pure.

Runs in: worker, before a cell that Python cannot compile; clients, to know whether such a cell is complete.

What compiles as Python is Python and never comes here: `%` and `!` are looked for only where a statement would have
to begin (on a line of its own, behind `;` or `if x:`), which no Python does with them. Every line keeps its number, so
tracebacks show what was typed.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Sequence

from pyshell.frozen import dataclass

CALL = "__command__"
"""What a rewritten line calls: with `%`, `!`, `=!`, `?` or `%%`, then the text; `%%` has the cell's body, too."""

BEHIND = ";;"
"""At the end of a cell: run it in the background."""

_BEGIN = re.compile(r"(\s*)(?:(%)(%?[^\W\d].*)|(!!?)(.*\S.*)|(\?\??)\s*(.*))\Z", re.DOTALL)
_HELP = re.compile(r"(\s*)(%{0,2}(?:\*|[^\W\d%])(?:[\w.*]|\[[\w'\"]+\])*)\s*(\?\??)\s*\Z")
_CELL = re.compile(r"\s*%%(?!%)([^\W\d]\w*|!)[ \t]*(.*)\Z")

_TOKEN = re.compile(
    r"""\#.*|(?P<triple>\"\"\"|''')|"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?|(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<mark>[:;])"""
)

_CLOSED = re.compile(r"""(["'])(?:\\.|(?!\1)[^\\])*\1""")


@dataclass(frozen=True)
class Rewritten:
    """A cell as Python."""

    code: str
    lines: frozenset[int]
    """The numbers of the lines that are not as they were typed, from 1."""


def uncovered(code: str) -> str:
    """The code without the space in front that keeps a cell out of the history."""
    if code[:1] != " ":
        return code
    width = len(code) - len(code.lstrip(" "))
    lines = code.split("\n")
    if all(line[:width].isspace() for line in lines if line.strip()):
        return "\n".join([line[width:] for line in lines])
    return code[width:]  # only the first line was moved


def rewrite(code: str) -> Rewritten | None:
    """The cell with its commands as calls; None if there are none in it."""
    lines = [line.removesuffix("\r") for line in code.split("\n")]
    whole = cell_command(code)
    if whole is not None:
        number, name, arguments, body = whole
        return Rewritten("\n" * (number - 1) + _call("%%", f"{name} {arguments}".rstrip(), body), frozenset({number}))
    if body := behind(code):
        return Rewritten(_call("%%", "bg ;;", body), frozenset({1}))
    changed: set[int] = set()
    at = 0
    while at < len(lines):
        at, head = _command(lines, at)
        if at < len(lines):
            end = _end_of_command(lines, at)
            made = _rewritten(_joined([lines[at][head:], *lines[at + 1 : end + 1]]))
            changed.update(range(at + 1, end + 2))
            lines[at : end + 1] = [f"{lines[at][:head]}{made}", *[""] * (end - at)]
            at = end + 1
    return Rewritten("\n".join(lines), frozenset(changed)) if changed else None


def behind(code: str) -> str:
    """What a cell that ends with `;;` runs in the background; empty for any other cell."""
    text = code.rstrip()
    body = text.removesuffix(BEHIND)
    return body if body != text and body.strip() and not _is_python(code) else ""


def _is_python(code: str) -> bool:
    """Whether the mark stands in a comment or a string."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True


def cell_command(code: str) -> tuple[int, str, str, str] | None:
    """Of a cell that begins with `%%name arguments`: the number of that line, both, and what follows it."""
    lines = code.split("\n")
    number = next((number for number, line in enumerate(lines, 1) if line.strip()), 0)
    found = _CELL.match(lines[number - 1].rstrip()) if number else None
    if found is None or found.group(2).endswith("?"):
        return None
    return number, found.group(1), found.group(2), "\n".join(lines[number:])


def _rewritten(line: str) -> str | None:
    """The call that a line stands for; None if it is none of ours."""
    if (found := _HELP.match(line)) is not None:
        return found.group(1) + _call("?", found.group(2) + found.group(3))
    if (found := _BEGIN.match(line)) is not None:
        indent, percent, command, shell, program, question, name = found.groups()
        if percent:
            return str(indent) + _call("%", command.rstrip())
        if shell:
            return str(indent) + _call("!" if shell == "!" else "=!", program.strip())
        return str(indent) + _call("?", name.strip() + question)
    return _assigned(line)


def _assigned(line: str) -> str | None:
    """The same of `target = %command` and `target = !program`."""
    target, _, value = line.partition("=")
    found = _BEGIN.match(value.lstrip()) if value.lstrip()[:1] in ("%", "!") else None
    if found is None or not _is_target(target.strip()):
        return None
    _, percent, command, _, program, _, _ = found.groups()
    made = _call("%", command.rstrip()) if percent else _call("=!", program.strip())
    return f"{target.rstrip()} = {made}"


def _call(*arguments: str) -> str:
    return f"{CALL}({', '.join(map(repr, arguments))})"


def _is_target(text: str) -> bool:
    """Whether something can be assigned to it: a string that happens to hold `= !` ends up here, too."""
    try:
        made = ast.parse(f"{text} = 0")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    # What ends before the end is followed by a comment, and nothing is assigned to that.
    end = len(f"{text} = 0".encode())
    return any(isinstance(node, (ast.Assign, ast.AnnAssign)) and node.end_col_offset == end for node in ast.walk(made))


def _end_of_command(lines: Sequence[str], first: int) -> int:
    """The last of the lines that backslashes join to the first."""
    end = first
    while lines[end].endswith("\\") and end + 1 < len(lines):
        end += 1
    return end


def _joined(lines: Sequence[str]) -> str:
    return " ".join([*[line.rstrip()[:-1] for line in lines[:-1]], lines[-1]])


def _command(lines: Sequence[str], first: int) -> tuple[int, int]:
    """Line and column of the first command from that line on; beyond the last line if there is none."""
    while first < len(lines):
        if _is_command(lines, first, 0):
            return first, 0
        first, column = _end_of_statement(lines, first)
        if column:
            return first, column
        first += 1
    return first, 0


def _is_command(lines: Sequence[str], number: int, column: int) -> bool:
    end = _end_of_command(lines, number)
    return _rewritten(_joined([lines[number][column:], *lines[number + 1 : end + 1]])) is not None


def _end_of_statement(lines: Sequence[str], first: int) -> tuple[int, int]:
    """The line on which a Python statement, or the head of one, ends: strings, brackets and backslashes go on.

    With the column of a command behind a `;` or `:` on it, as in `if x: !ls`; else 0.
    """
    depth, quote = 0, ""
    for number in range(first, len(lines)):
        line, at = lines[number], 0
        while True:
            if quote:
                closing = re.compile(rf"(?:\\.|(?!{quote})[^\\])*{quote}").match(line, at)
                if closing is None:
                    break
                quote, at = "", closing.end()
            token = _TOKEN.search(line, at)
            if token is None:
                break
            at = token.end()
            quote = token["triple"] or _carried_over(token[0], line[at:])
            depth += bool(token["open"]) - bool(token["close"])
            if token["mark"] and depth <= 0 and _is_command(lines, number, at):
                return number, at
        if len(quote) == 1 and not line.endswith("\\"):
            quote = ""  # it is no Python, and what follows may be a command
        if not quote and depth <= 0 and not line.endswith("\\"):
            return number, 0
    return len(lines) - 1, 0


def _carried_over(token: str, rest: str) -> str:
    """The quote of a string that goes on in the next line, behind a backslash; empty of anything else."""
    return token[0] if rest == "\\" and token[0] in "'\"" and not _CLOSED.fullmatch(token) else ""
