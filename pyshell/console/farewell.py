"""What stays on the normal screen when the console is left: the end of the transcript. Pure.

Runs in: console.
"""

from __future__ import annotations

from pyshell.console import ansi
from pyshell.console.lines import Line
from pyshell.console.model import Model
from pyshell.console.theme import Colors

MAX_LINES = 2000

_PENS = {"error": "1;31", "failure": "31", "rule": "1;35", "notice": "36", "stack": "2"}


def farewell(model: Model, last_words: str, colors: Colors) -> str:
    """The newest lines of the transcript and the last words, ready to be printed."""
    first = max(model.log.first, model.end - MAX_LINES)
    lines = [printed(model.line(number), colors) for number in range(first, model.end)]
    if first > model.log.first:
        lines.insert(0, f"[{first - model.log.first} earlier lines]")
    if last_words:
        lines.append(last_words)
    return "".join(line + "\n" for line in lines)


def printed(line: Line, colors: Colors) -> str:
    """One line of the transcript with its colours."""
    text = f"{'═' * 8}{line.text}{'═' * 8}" if line.kind == "rule" else line.text
    if colors == 1:
        return ansi.plain(text)
    default = _PENS.get(line.kind, "")
    pieces = [(pen or default, part) for pen, part in ansi.runs(text)]
    return "".join(ansi.start(pen) + part + ansi.change(pen, "") for pen, part in pieces)
