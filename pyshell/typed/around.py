"""What stands around the cursor: the expression under it, and the call that it is in. Pure text, nothing is looked up.

Runs in: worker and host (Python 3.10 and newer).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pyshell.typed.chains import chain
from pyshell.typed.tokens import Scan, Token, beginning, scan

MAX_EXPRESSION = 400
_REST = re.compile(r"\w*")


class Argument(NamedTuple):
    """Where in a call the cursor is."""

    position: int
    """How many arguments stand before it."""
    keyword: str
    """The name, in `f(name=|`; else empty."""
    before: tuple[str, ...]
    """Names of keyword arguments that stand before it."""
    starred: bool
    """Whether there is a `*` or `**` argument, so that positions do not tell."""


class Around(NamedTuple):
    """`name` and `callee` are expressions like `a.b['key']`; empty where there is none."""

    name: str
    callee: str
    argument: Argument


def around(code: str, cursor_pos: int) -> Around:
    """Look at the text on both sides of the cursor, which may lie anywhere."""
    cursor = min(max(cursor_pos, 0), len(code))
    begin = beginning(code, cursor)
    before = code[begin:cursor]
    rest = _REST.match(code[cursor : cursor + MAX_EXPRESSION])
    text = before + (rest.group() if rest else "")
    seen = scan(text)
    typed = seen if text == before else scan(before)
    last = seen.tokens[-1] if seen.tokens else None
    name = _expression(seen, len(seen.tokens), text) if last is not None and last.end == len(text) else ""
    return Around(name, *_call(typed, before))


def _expression(seen: Scan, end: int, text: str) -> str:
    """The names, attributes, subscripts and calls that end before token number `end`; no call itself, no literal."""
    found = chain(seen, end)
    if found is None or found[0][-1][0] in ("call", "literal"):
        return ""
    expression = text[seen.tokens[found[1]].start : seen.tokens[end - 1].end]
    return expression if len(expression) <= MAX_EXPRESSION else ""


def _call(seen: Scan, text: str) -> tuple[str, Argument]:
    """What is called in the innermost call that is open at the end, and which argument of it follows."""
    for opening in reversed(seen.opened):
        callee = _expression(seen, opening, text) if seen.tokens[opening].text == "(" else ""
        first = chain(seen, opening) if callee else None
        if first is not None and not (first[1] and seen.tokens[first[1] - 1].text in ("def", "class")):
            return callee, argument(seen.tokens[opening + 1 :])
    return "", Argument(0, "", (), False)


def argument(tokens: list[Token]) -> Argument:
    """Where the argument that follows these tokens of an open call is."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        if token.text == "," and not depth:
            parts.append([])
        else:
            parts[-1].append(token)
        depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
    names = [part[0].text if len(part) > 1 and part[1].text == "=" else "" for part in parts]
    starred = any(part and part[0].text in ("*", "**") for part in parts[:-1])
    return Argument(len(parts) - 1, names[-1], tuple([name for name in names[:-1] if name]), starred)
