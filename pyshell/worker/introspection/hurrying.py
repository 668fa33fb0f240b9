"""Get the interpreter's attention often while a request is answered, although a cell computes.

Runs in: worker, on its RPC thread.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

Request = TypeVar("Request")
Reply = TypeVar("Reply")

SWITCH_INTERVAL = 0.0005
"""Seconds. Python's own 5 ms would delay every completion while a loop runs (measured: 5.3 → 0.76 ms)."""
MAX_LOOKS = 5


@contextmanager
def hurry() -> Iterator[None]:
    """Lower the switch interval, and put back what the user has set; what is set meanwhile stays."""
    before = sys.getswitchinterval()
    if before <= SWITCH_INTERVAL:
        yield
        return
    sys.setswitchinterval(SWITCH_INTERVAL)
    lowered = sys.getswitchinterval()
    try:
        yield
    finally:
        if sys.getswitchinterval() == lowered:
            sys.setswitchinterval(before)


def looking(look: Callable[[Request], Reply]) -> Callable[[Request], Reply]:
    """Look in a hurry, and again where a cell breaks what is in the making: `gc.get_objects()` gives it the tuples that
    Python is about to complete, in an import for example, which is a SystemError then."""

    def answer(request: Request) -> Reply:
        with hurry():
            for _ in range(MAX_LOOKS):
                with suppress(SystemError):
                    return look(request)
            return look(request)

    return answer
