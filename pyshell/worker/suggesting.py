"""Say which name may have been meant instead of a wrong one, as Python's own traceback does it from 3.12 on.

Runs in: worker, on Python 3.10 and 3.11, whose prompt says it and whose `traceback` does not.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Collection
from typing import Any

from pyshell.worker.looking import attributes, named

MAX_NAMES, MAX_LENGTH = 750, 40
"""As in Python: among more names, or for a longer one, none is looked for."""
LIKENESS = 0.7

_name_of_name = NameError.__dict__["name"].__get__
_name_of_attribute, _owner_of = AttributeError.__dict__["name"].__get__, AttributeError.__dict__["obj"].__get__


def suggestion(exc: BaseException) -> str:
    """What is to stand behind its message: `. Did you mean: 'append'?`, or nothing. Runs no code of the user's."""
    if sys.version_info >= (3, 12):
        return ""
    if issubclass(type(exc), NameError):
        return _like(_name_of_name(exc), _names_around(exc))
    if issubclass(type(exc), AttributeError):
        return _like(_name_of_attribute(exc), attributes(_owner_of(exc)))
    return ""


def _names_around(exc: BaseException) -> dict[str, Any]:
    """What could be named where it was raised."""
    tb = exc.__traceback__
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    if tb is None:
        return {}
    frame = tb.tb_frame
    return {**vars(builtins), **named(frame.f_globals), **named(frame.f_locals)}


def _like(name: object, names: Collection[str]) -> str:
    if type(name) is not str or len(name) > MAX_LENGTH or len(names) > MAX_NAMES:
        return ""
    import difflib  # late: a session without such an error does not need it

    found = difflib.get_close_matches(name, [other for other in names if other != name], 1, LIKENESS)
    return f". Did you mean: {found[0]!r}?" if found else ""
