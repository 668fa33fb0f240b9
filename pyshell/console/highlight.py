"""Python in colour, by pygments, a piece at a time.

Runs in: console.

pygments takes 62 ms for a thousand lines, and at the prompt every key changes the text. So each line is
lexed by itself and kept; only lines that a triple-quoted string joins are lexed together.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pygments.lexer import Lexer

MAX_LEXED = 20_000
"""A longer piece stays plain."""

_COMMAND = re.compile(r"(\s*(?:[^\W\d][\w.\[\], ]*=\s*)?)(%{1,2}[^\W\d]\w*|!{1,2}(?!=)|\?{1,2}(?=[^\W\d]))(.*)\Z")
_QUESTION = re.compile(r"([%\w.*\[\]'\"\s]*\w[\]*]?)(\?{1,2})\Z")
_QUOTED = re.compile(r"""#.*|(?P<triple>\"\"\"|''')|"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?""")

Piece = tuple[str | None, str]
"""The name of a palette entry, and text without a line feed."""

_is_held = False


class Source:
    """Code whose lines can be asked for in colour."""

    def __init__(self, code: str) -> None:
        self.lines = code.split("\n")
        self._first: list[int] = []
        """For each line the first of those that it must be lexed with."""
        self._found: dict[int, tuple[tuple[Piece, ...], ...]] = {}
        quote, first = "", 0
        for number, line in enumerate(self.lines):
            first = first if quote else number
            self._first.append(first)
            quote = _open_quote(line, quote)

    def line(self, number: int) -> tuple[Piece, ...]:
        """One line as pieces; joined they are exactly the line."""
        if _is_held:
            return _plain(self.lines[number])
        first = self._first[number]
        if first not in self._found:
            end = bisect_right(self._first, first)
            self._found[first] = _lexed("\n".join(self.lines[first:end]))
        return self._found[first][number - first]


@lru_cache(maxsize=64)
def highlight(code: str) -> Source:
    """The code, ready to be shown line by line."""
    return Source(code)


@lru_cache(maxsize=8192)
def _open_quote(line: str, quote: str) -> str:
    """The triple quote that is open at the line's end, if `quote` was at its start."""
    at = 0
    while True:
        if quote:
            end = line.find(quote, at)
            if end < 0:
                return quote
            quote, at = "", end + 3
        match = next((found for found in _QUOTED.finditer(line, at) if found["triple"]), None)
        if match is None:
            return ""
        quote, at = match["triple"], match.end()


@lru_cache(maxsize=8192)
def _lexed(code: str) -> tuple[tuple[Piece, ...], ...]:
    return (_command(code),) if "\n" not in code and (_COMMAND.match(code) or _QUESTION.match(code)) else _python(code)


def _command(line: str) -> tuple[Piece, ...]:
    """A line that is no Python but a command; a program's text stays plain."""
    if (question := _QUESTION.match(line)) is not None:
        return (*_python(question[1])[0], ("code.decorator", question[2]))
    found = _COMMAND.match(line)
    assert found is not None
    begin, mark, rest = found.groups()
    after = _python(rest)[0] if mark.startswith("%") else ((None, rest),)
    return tuple(piece for piece in (*_python(begin)[0], ("code.decorator", mark), *after) if piece[1])


def _python(code: str) -> tuple[tuple[Piece, ...], ...]:
    # pygments takes a carriage return for a line feed, which would shift all that follows.
    if not code.strip() or len(code) > MAX_LEXED or "\r" in code:
        return tuple(map(_plain, code.split("\n")))
    lines: list[list[Piece]] = [[]]
    for token, text in _lexer().get_tokens(code):
        style = _style(token)
        for number, part in enumerate(text.split("\n")):
            if number:
                lines.append([])
            if lines[-1] and lines[-1][-1][0] == style:
                part = lines[-1].pop()[1] + part
            if part:
                lines[-1].append((style, part))
    return tuple(tuple(line) for line in lines)


def _plain(line: str) -> tuple[Piece, ...]:
    return ((None, line),) if line else ()


@cache
def _lexer() -> Lexer:
    from pygments.lexers.python import PythonLexer  # with its first use 30 ms that the first prompt must not wait for

    return PythonLexer(stripnl=False, ensurenl=False)


@cache
def _styles() -> list[tuple[Any, str]]:
    from pygments.token import Token  # late, as the lexer

    return [
        (Token.Comment, "code.comment"),
        (Token.Keyword, "code.keyword"),
        (Token.Operator.Word, "code.keyword"),
        (Token.Literal.String, "code.string"),
        (Token.Literal.Number, "code.number"),
        (Token.Name.Function, "code.definition"),
        (Token.Name.Class, "code.definition"),
        (Token.Name.Decorator, "code.decorator"),
        (Token.Name.Builtin, "code.builtin"),
        (Token.Name.Exception, "code.builtin"),
        (Token.Error, "code.error"),
    ]


@cache
def _style(token: Any) -> str | None:
    return next((name for kind, name in _styles() if token in kind), None)


def hold() -> None:
    """Leave code plain until `warm_up`: the first prompt and the first result are not to wait for pygments."""
    global _is_held
    _is_held = True


def warm_up() -> None:
    """Import pygments now, while nobody waits. What was shown plain has to be drawn again."""
    global _is_held
    _is_held = False
    _lexed("x = 1")
