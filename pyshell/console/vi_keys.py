"""The prompt's keys while they are vi's: what of the editor's they do, and what the status line says of them.

Runs in: console.
"""

from __future__ import annotations

from typing import Protocol

from pyshell.console import vi
from pyshell.console.buffer import Buffer
from pyshell.console.undoing import Steps
from pyshell.console.vi import Vi
from pyshell.console.vi_motions import Region

TYPING = ("insert", "replace")


class Text(Protocol):
    """What the editor lets vi do."""

    code: Buffer
    steps: Steps

    def put(self, buffer: Buffer) -> None: ...

    def do(self, command: str) -> bool: ...


class ViKeys:
    """Owned by the UI thread."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self._vi = Vi()

    @property
    def sign(self) -> str:
        """The mode, and what is typed of a command."""
        return " ".join([self._vi.mode.upper(), *(["".join(self._vi.keys)] if self._vi.keys else [])])

    @property
    def selected(self) -> Region | None:
        return vi.region(self._vi, self._text.code)

    @property
    def takes_escape(self) -> bool:
        """Whether Esc ends something of vi's."""
        return self._vi.mode != "normal" or bool(self._vi.keys)

    def insert(self) -> None:
        """Another cell begins: it is typed."""
        self._vi = self._vi._replace(mode="insert", keys=(), begun=None, times=1)

    def key(self, key: str) -> bool:
        """Take a key; False if it is the editor's."""
        if self._vi.mode == "insert" and key.startswith("meta ") and len(key) == len("meta x"):
            # Esc and a letter in quick succession look like Alt and the letter.
            return self.key("esc") and self.key(key[-1])
        pressed = vi.press(self._vi, self._text.code, key)
        if pressed is None:
            return False
        was_typing, self._vi = self._vi.mode in TYPING, pressed.vi
        is_typing = self._vi.mode in TYPING
        if is_typing and not was_typing:
            self._text.steps.begin()  # a command and what is typed after it are undone together
        self._text.put(pressed.buffer)
        if was_typing and not is_typing:
            self._text.steps.end()
        if pressed.command:
            self._text.do(pressed.command)
            self._text.code = vi.settled(self._vi, self._text.code)
        return True
