"""Tell our own frames from the user's.

Runs in: worker.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import FrameType

from pyshell import blackbox

_OURS = (str(Path(__file__).parent) + os.sep, blackbox.__file__)
_AROUND = (*_OURS, os.path.join(os.path.dirname(os.__file__), "asyncio", "base_events.py"))


def is_ours(file: str) -> bool:
    """Whether code of that file is never the user's."""
    return file.startswith(_OURS)


def is_around(file: str) -> bool:
    """Nor, where it lies around the cell, code of that: also the loop that runs a top-level await."""
    return file.startswith(_AROUND)


def file_of(frame: FrameType) -> str:
    return frame.f_code.co_filename
