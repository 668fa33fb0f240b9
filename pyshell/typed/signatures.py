"""Take a signature that is written as text apart. Pure.

Runs in: worker and host (Python 3.10 and newer).
"""

from __future__ import annotations

import re

_NAME = re.compile(r"[^\W\d]\w*")


def split(text: str) -> list[str]:
    """The parameters in `($self, object, /, key='a,b')`, as they are written."""
    found, depth, quote, begin = [], 0, "", 1
    for at, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter in "([{":
            depth += 1
        elif letter in ")]}" or (letter == "," and depth == 1):
            depth -= letter != ","
            if depth == (letter == ","):
                found.append(text[begin:at].strip())
                begin = at + 1
    return [part for part in found if part]


def name_of(parameter: str) -> str:
    """Empty for `*args`, `/` and the like."""
    found = _NAME.match(parameter)
    return found.group() if found else ""


def keywords_in(parameters: list[str]) -> list[str]:
    """The names of those that can be given by keyword."""
    after = parameters[parameters.index("/") + 1 :] if "/" in parameters else parameters
    return [name for name in map(name_of, after) if name]
