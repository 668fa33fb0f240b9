"""Split source into tokens, however unfinished it is: open strings, open brackets, half a word. Pure.

Runs in: worker and host (Python 3.10 and newer).

Python's own tokenizer gives up where completion begins: at the open string and the open bracket. Every text has
tokens here, in time that grows with its length.
"""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_TEXT = 10_000
"""Characters before the cursor that are looked at, from the beginning of a statement on if there is one."""

_TOKEN = re.compile(
    r"(?P<space>[ \t\f]+|\\\r?\n)"
    r"|(?P<comment>\#[^\n]*)"
    r"|(?P<newline>\r?\n)"
    r"|(?P<string>[rRbBuUfFtT]{0,2}(?:\"\"\"|'''|\"|'))"
    r"|(?P<number>\d\w*(?:\.\w*)?|\.\d\w*)"
    r"|(?P<name>[^\W\d]\w*)"
    r"|(?P<op>\.\.\.|:=|[=!<>]=|->|[-+*/%@&|^]=|\*\*|//|.)",
    re.DOTALL,
)
_BODY = {
    "'": re.compile(r"(?:[^\\\n']|\\.)*", re.DOTALL),
    '"': re.compile(r'(?:[^\\\n"]|\\.)*', re.DOTALL),
    "'''": re.compile(r"(?:[^\\']|\\.|'(?!''))*", re.DOTALL),
    '"""': re.compile(r'(?:[^\\"]|\\.|"(?!""))*', re.DOTALL),
}
_TOP_LEVEL = re.compile(r"\n(?=[^\W\d]|[@%!])")
_STATEMENT = re.compile(
    r"[ \t]*(?:def|class|import|return|with|while|try|async|del|raise|assert|global|nonlocal|pass|break|continue)\b|@"
)
"""A line that begins so is no part of an expression: brackets before it were forgotten, not left open."""
OPENS = re.compile(r"([rRbBuUfFtT]{0,2})('''|\"\"\"|'|\")")
"""What a string begins with: its letters, and its quotes."""
CLOSING = {")": "(", "]": "[", "}": "{"}


class Token(NamedTuple):
    """A piece of source. `kind` is one of `name number string op newline comment`."""

    kind: str
    text: str
    start: int
    closed: bool = True
    """False: a string, or a comment, in which the text ends."""

    @property
    def end(self) -> int:
        return self.start + len(self.text)


class Scan(NamedTuple):
    """The tokens of a text and its brackets."""

    tokens: list[Token]
    opened: list[int]
    """Indices of the brackets that are open at the end, outermost first."""
    pairs: dict[int, int]
    """Index of each closing bracket → that of its opening one."""
    statement: int
    """Index of the first token of the statement in which the text ends."""


def beginning(code: str, cursor_pos: int) -> int:
    """Where to begin to read: 0, or in a very long text the first line at its margin that is near enough."""
    begin = max(0, cursor_pos - MAX_TEXT)
    if not begin:
        return 0
    found = _TOP_LEVEL.search(code, begin, cursor_pos)
    begin = found.end() if found else begin
    return begin + _end_of_string(code[begin:cursor_pos])


def _end_of_string(text: str) -> int:
    """Of a text whose beginning is not known: where the code begins, if it began inside of a long string."""
    last = scan(text).tokens[-1:]
    found = OPENS.match(last[0].text) if last and not last[0].closed else None
    return last[0].start + found.end() if found and len(found.group(2)) == 3 else 0


def scan(text: str) -> Scan:
    """All of the text; it must be short."""
    result = Scan([], [], {}, 0)
    tokens, opened, pairs = result.tokens, result.opened, result.pairs
    statement = at = 0
    while at < len(text):
        token = _next(text, at)
        at = token.end
        if token.kind == "newline" and opened and _STATEMENT.match(text, at):
            opened.clear()
        if token.kind == "space" or (token.kind == "newline" and opened) or (token.kind == "comment" and token.closed):
            continue
        if token.text in ("(", "[", "{"):
            opened.append(len(tokens))
        elif token.text in CLOSING:
            _close(tokens, opened, pairs, CLOSING[token.text])
        tokens.append(token)
        if not opened and (token.kind == "newline" or token.text in (";", ":")):
            statement = len(tokens)
    return result._replace(statement=statement)


def _next(text: str, at: int) -> Token:
    found = _TOKEN.match(text, at)
    if found is None or found.lastgroup is None:  # one of the groups takes any character
        return Token("op", text[at], at)
    kind = found.lastgroup
    if kind == "comment":
        return Token(kind, found.group(), at, closed=found.end() < len(text))
    if kind != "string":
        return Token(kind, found.group(), at)
    quote = found.group().lstrip("rRbBuUfFtT")
    body = _BODY[quote].match(text, found.end())
    end = body.end() if body else found.end()
    if text.startswith(quote, end):
        return Token(kind, text[at : end + len(quote)], at)
    # A string with single quotes cannot go on after its line, so what follows is read as if it had been closed.
    is_open = len(quote) == 3 or end >= len(text) or text[end] != "\n"
    return Token(kind, text[at:] if is_open else text[at:end], at, closed=not is_open)


def _close(tokens: list[Token], opened: list[int], pairs: dict[int, int], wanted: str) -> None:
    """Match a closing bracket; those between it and its opening one were forgotten. A stray one closes nothing."""
    for depth in range(len(opened) - 1, -1, -1):
        if tokens[opened[depth]].text == wanted:
            pairs[len(tokens)] = opened[depth]
            del opened[depth:]
            return
