"""Which key does what: the tables as the person has changed them, which the help shows. Pure.

Runs in: console.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from pyshell.console.bindings import ALL, TABLES, Binding, named
from pyshell.errors import UsageError

PASSED_ON = {"page_up", "page_down", "scroll_up", "scroll_down", "redraw", "suspend", "interrupt", "mouse"}
"""Commands that mean the same here as at the prompt."""

PANELS = ("variables", "timeline", "queue", "sessions", "help")
"""Commands that open a panel."""

RAW_END = "raw_end"
ONCE = "a key does one thing"
_CONTROL = r"ctrl [a-gkln-z\\\]^_]"
"""Keys that are one byte, and no other key's: what is typed to a program is searched for it."""

_KEY = r"(?:(?:shift |meta |ctrl )*(?:enter|tab|esc|backspace|delete|insert|home|end|up|down|left|right|space|<0>|f\d+"
_KEY += r"|page up|page down|\S))\Z"
_SPELLINGS = {
    "alt": "meta", "control": "ctrl", "c": "ctrl", "m": "meta", "s": "shift", "escape": "esc", "return": "enter",
    "pgup": "page up", "pgdn": "page down", "pageup": "page up", "pagedown": "page down", "del": "delete",
}  # fmt: skip
_LABELS = {"meta": "Alt", "ctrl": "Ctrl", "esc": "Esc", "page up": "PgUp", "page down": "PgDn"}


class Keymap:
    """The tables as they are in force: `changes` gives commands other keys, as `[keys]` in config.toml does."""

    def __init__(
        self, changes: Mapping[str, tuple[str, ...]] | None = None, places: Mapping[str, str] | None = None
    ) -> None:
        """UsageError says what in the changes cannot be meant, and by `places` where it stands."""
        self._places = places or {}
        self._changes = {
            command: _read(command, keys, self._place(command)) for command, keys in (changes or {}).items()
        }
        self.bindings = self._bound("")
        self._commands = {key: binding.command for binding in self.bindings for key in binding.keys}
        self.raw_end = self._raw_end()
        """The key that ends typing to the program."""
        for table in TABLES if self._changes else ():
            self.inside(table)  # says what cannot be meant

    def command(self, key: str) -> str | None:
        """The command of a key that has one; other single characters insert themselves."""
        return self._commands.get(key)

    def inside(self, table: str) -> tuple[Binding, ...]:
        """The keys while one moves in the transcript, `browse`, or in the panel of that name."""
        return self._bound(table) if table in ("", "browse") else self._bound(table, "panel")

    def _place(self, command: str) -> str:
        return self._places.get(command, "config.toml")

    def _raw_end(self) -> str:
        [binding] = [binding for binding in self.bindings if binding.command == RAW_END]
        if len(binding.keys) != 1 or not re.fullmatch(_CONTROL, binding.keys[0]):
            must = 'needs one key, with Ctrl and a letter or ] \\ ^ _, as "ctrl t"'
            raise UsageError(f"{self._place(RAW_END)}: {RAW_END} in [keys] {must}")
        return binding.keys[0]

    def _bound(self, *tables: str) -> tuple[Binding, ...]:
        """These tables in one, each binding with the keys that it has now; a key does one thing in them."""
        bindings = {name: binding for table in tables for name, binding in named(table).items()}
        owners: dict[str, str] = {}
        for name in bindings:
            for key in self._changes.get(name, ()):
                if owners.setdefault(key, name) != name:
                    both = f"{owners[key]} and {name}"
                    raise UsageError(f"{self._place(name)}: {label(key)} is given to {both} in [keys]; {ONCE}")
        left = {name: tuple([key for key in binding.keys if key not in owners]) for name, binding in bindings.items()}
        keys = {**left, **self._changes}
        return tuple([binding._replace(keys=keys[name]) for name, binding in bindings.items()])


def _read(command: str, keys: Iterable[str], place: str) -> tuple[str, ...]:
    if command not in ALL:
        import difflib  # late: only to say what may have been meant

        near = difflib.get_close_matches(command, ALL, 1)
        hint = f"did you mean {near[0]}?" if near else "docs/keys.md lists the commands"
        raise UsageError(f"{place}: {command} in [keys] is no command; {hint}")
    return tuple(_read_key(command, key, place) for key in keys)


def _read_key(command: str, key: str, place: str) -> str:
    """urwid's name of a key that may be written `Ctrl-R`, `alt f`, `C-x` or `ctrl r`."""
    *modifiers, last = re.split(r"[-+ ](?=.)", key.strip()) if len(key.strip()) > 1 else [key.strip()]
    words = [_SPELLINGS.get(word.lower(), word.lower()) for word in modifiers]
    last = last if len(last) == 1 and "ctrl" not in words else _SPELLINGS.get(last.lower(), last.lower())
    if last in ("up", "down") and words[-1:] == ["page"]:
        words, last = words[:-1], f"page {last}"
    order = [word for word in ("shift", "meta", "ctrl") if word in words]
    name = " ".join([*order, last])
    if len(order) != len(words) or not re.match(_KEY, name):
        raise UsageError(f'{place}: {command} in [keys]: "{key}" is no key; write them as "ctrl r", "alt f", "f5"')
    return name


def control_byte(key: str) -> int:
    """What a terminal sends for a key with Ctrl."""
    return ord(key[-1].upper()) ^ 0x40


def hint(template: str, bindings: Iterable[Binding]) -> str:
    """The template with a key for each command that is named in it."""
    keys = {binding.command: label(binding.keys[0]) if binding.keys else "–" for binding in bindings}
    return template.format_map(keys)


def label(key: str) -> str:
    """How a person writes a key: `Ctrl-R`, `Alt-F`, `PgUp`, `g`, `G`."""
    if len(key) == 1:
        return "Space" if key == " " else key
    for name in ("page up", "page down"):
        if key.endswith(name):
            key = key.removesuffix(name) + _LABELS[name]
    return "-".join(_LABELS.get(part, part[:1].upper() + part[1:]) for part in key.split(" "))
