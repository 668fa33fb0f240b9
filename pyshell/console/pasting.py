"""Make code of pasted text: without the prompts and the output of the console that it was copied from. Pure.

Runs in: console.
"""

from __future__ import annotations

import re
import textwrap

from pyshell.console.buffer import INDENT

_PYTHON = re.compile(r"\s*(?:>>>|\.\.\.)(?: |$)")
_IPYTHON = re.compile(r"\s*(?:In \[\d+\]: ?|\.\.\.: ?)")
_FIRST = {_PYTHON: re.compile(r"\s*>>>(?:\s|$)"), _IPYTHON: re.compile(r"\s*In \[\d+\]:")}


def cleaned(text: str, *, dedents: bool = True) -> str:
    """The code in what was copied from a terminal, a page or a notebook, with spaces for tabs."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").expandtabs(len(INDENT))
    for prompt, first in _FIRST.items():
        if first.match(text.lstrip("\n")):
            return _without_prompts(text, prompt)
    return textwrap.dedent(text) if dedents else text


def _without_prompts(text: str, prompt: re.Pattern[str]) -> str:
    """What stands behind prompts; everything else is output."""
    lines = []
    for line in text.split("\n"):
        found = prompt.match(line)
        if found:
            lines.append(line[found.end() :].rstrip())
    return "\n".join(lines).strip("\n")
