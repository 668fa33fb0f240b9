"""What can stand between the brackets after a value: the keys of a dict, the places of a list, the names of columns.

Runs in: worker, on its RPC thread.
"""

from __future__ import annotations

import re
from typing import Any

from pyshell.typed.chains import Chain
from pyshell.worker.introspection.arrays import is_of
from pyshell.worker.introspection.columns import column_names, is_frame, row_names
from pyshell.worker.introspection.resolving import entries, environment, resolve
from pyshell.worker.looking import UNKNOWN, OfClass, class_name, is_a, is_array, is_exactly

MAX_KEYS = 10_000
MAX_PLACES = 100
MAX_LENGTH = 500
"""Characters of one key; longer ones are no help."""
_BY_LABEL = (("attribute", "loc"), ("attribute", "at"))
_QUOTES = ("'", '"')
_PLAIN = re.compile(r"[\w \-./:+%()]*\Z").match
_SHOWN = (str, bytes, int, float, bool, type(None))


def texts(variables: dict[str, Any], target: Chain, quote: str) -> dict[str, str]:
    """How each key is typed → the name of its class; behind a quote only what that quote can hold."""
    found: dict[str, str] = {}
    for key in _keys(variables, target):
        if type(key) is str and quote in _QUOTES and len(key) <= MAX_LENGTH and _PLAIN(key):
            found[key] = "str"  # nearly all of them
        elif is_exactly(key, _SHOWN):
            text = _behind(key, quote) if quote else repr(key)
            if text is not None and len(text) <= MAX_LENGTH:
                found[text] = class_name(type(key))
    return found


def _keys(variables: dict[str, Any], target: Chain) -> list[Any]:
    if len(target) > 1 and target[-1] in _BY_LABEL:
        value = resolve(variables, target[:-1])
        columns = column_names(value) if is_of(value, "pandas", "DataFrame") else []
        return columns + row_names(value, MAX_PLACES) if is_of(value, "pandas", "DataFrame", "Series") else []
    value = resolve(variables, target)
    if value is UNKNOWN or type(value) is OfClass:
        return []
    if is_frame(value) or is_array(value):
        return column_names(value)
    if is_of(value, "pandas", "Series"):
        return row_names(value, MAX_KEYS)
    if is_a(value, dict):
        return [key for key, _ in entries(value, MAX_KEYS)]
    if is_exactly(value, (list, tuple)):
        return list(range(min(len(value), MAX_PLACES)))
    return environment(value)


def _behind(key: object, quote: str) -> str | None:
    """The key as the inside of a literal that begins with this quote; None if it cannot stand there."""
    letters = quote.rstrip("'\"").lower()
    if type(key) is not (bytes if "b" in letters else str):
        return None
    mark = quote[len(letters) :]
    inside = repr(key)[1 + ("b" in letters) : -1]
    has_escapes = "\\" in inside
    # repr() chooses its own quotes.
    inside = inside.replace("\\'", "'").replace(mark[0], "\\" + mark[0]) if len(mark) == 1 else inside
    return None if "r" in letters and (has_escapes or "\\" in inside) else inside
