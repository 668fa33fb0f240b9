"""What comes from the terminal before it is a key: pastes, the wheel, bytes that are for the program.

Runs in: console.

No urwid here: it is given what urwid's input filter is given.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from pyshell.console.keymap import control_byte

WHEEL_KEYS = 3
"""So many equal arrow keys in one read are the wheel: terminals send it so on the alternate screen."""

FOCUS = {"focus in", "focus out"}

Key = str | tuple[str, int, int, int]


class Pasted(str):
    """A piece of what is pasted, which is no name of a key."""

    __slots__ = ()


class Listeners(NamedTuple):
    """Who is told of what is no key."""

    pasted: Callable[[str], None]
    scrolled: Callable[[int], None]
    """Gets rows, negative for up."""
    typed: Callable[[bytes], None]
    """Gets what was typed to the program; empty when that has ended."""


class Keyboard:
    """Owned by the UI thread."""

    def __init__(self, listeners: Listeners, raw_end: str = "ctrl ]") -> None:
        self.is_raw = False
        """Whether what is typed goes to the program as it is."""
        self._listeners = listeners
        self._raw_end_key = raw_end
        self.raw_end = control_byte(raw_end)
        """The byte that ends what is typed to the program."""
        self._pasting: list[str] | None = None
        self.is_focused: bool | None = None
        """Whether the person looks at this terminal; None: it has never told."""
        self.is_burst = False
        """Whether the newest keys came together: typed ahead, behind a slow line."""
        self.pressed = 0.0
        """When a key came last, in seconds since 1970."""

    def filter(self, keys: Sequence[Key], raw: Sequence[int]) -> list[Key]:
        """The keys that are keys; the rest is told to the listeners."""
        had_keys, keys = bool(keys), self._without_focus(keys)
        if had_keys and not keys:
            return []
        self.pressed, self.is_burst = time.time(), len(keys) > 1
        if self.is_raw:
            keys = self._send(keys, raw)
        if len(keys) >= WHEEL_KEYS and len(set(keys)) == 1 and keys[0] in ("up", "down"):
            self._listeners.scrolled(-len(keys) if keys[0] == "up" else len(keys))
            return []
        if self._pasting is not None and list(keys) == ["ctrl c"]:
            keys = ["end paste"]  # its end was lost, or nobody would press a key
        return [key for key in keys if not self._is_pasted(key)]

    def _without_focus(self, keys: Sequence[Key]) -> Sequence[Key]:
        """The keys, without reports of the focus: behind a slow line they come together with what was typed next."""
        reports = [key for key in keys if key in FOCUS]
        if reports:
            self.is_focused = reports[-1] == "focus in"
        return [key for key in keys if key not in FOCUS] if reports else keys

    def _is_pasted(self, key: Key) -> bool:
        if key == "begin paste":
            self._pasting = []
        elif key == "end paste":
            text, self._pasting = "".join(self._pasting or ()), None
            self._listeners.pasted(text)
        elif self._pasting is not None and isinstance(key, str):
            text = {"enter": "\n", "tab": "\t"}.get(key, key)
            if len(text) == 1 or isinstance(key, Pasted):
                self._pasting.append(text)
        else:
            return False
        return True

    def _send(self, keys: Sequence[Key], raw: Sequence[int]) -> Sequence[Key]:
        """Send what was typed as it came; what follows the key that ends this is ours again."""
        data = bytes([code for code in raw if 0 <= code < 256])
        rest: Sequence[Key] = []
        if self.raw_end in data:
            data = data[: data.index(self.raw_end)]
            # With an Esc right before it urwid takes it for one key with that.
            ends = [at for at, key in enumerate(keys) if isinstance(key, str) and key.endswith(self._raw_end_key)]
            rest = keys[ends[0] + 1 :] if ends else []
            self.is_raw = False
        if data:
            self._listeners.typed(data)
        if not self.is_raw:
            self._listeners.typed(b"")
        return rest
