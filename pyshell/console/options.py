"""What the person has set for the console.

Runs in: console.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Options(NamedTuple):
    """Read by the command line, from the configuration and the environment."""

    keys: Mapping[str, tuple[str, ...]] = {}  # noqa: RUF012
    """Commands with the keys that they get instead of their own (see keymap.py)."""
    places: Mapping[str, str] = {}  # noqa: RUF012
    """For each of these commands where that is said: a file and a line."""
    is_vi: bool = False
    offers: bool = True
    """Whether completions come up while one types, without Tab."""
    editor: str = "vi"
    """The command that edits a file, as a shell would take it."""
    pager: str = ""
    """The command that shows one; less or more if there is none."""
    prompt: str = "numbers"
    """Or `python`: >>> and bare values."""
    theme: str = "terminal"
    """Which of `theme.THEMES`."""
    notify_after: float = 10
    """Seconds after which the end of a cell is told to the desktop; 0 for never."""
    terminal: Mapping[str, str] = {}  # noqa: RUF012
    """What the environment says of it: `TERM`, `VTE_VERSION`, `TMUX`."""
    images: bool = True
    """Whether pictures are drawn, where there are colours enough."""
