"""Read the person's settings, and say where something in them cannot be meant.

Runs in: clients (Python 3.11 and newer).

`SETTINGS` is the one table: the file is checked with it, and the file that documents every setting is written from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from pyshell.errors import UsageError
from pyshell.frozen import dataclass, field


class Kind(NamedTuple):
    """What a setting may be."""

    must: str
    fits: Callable[[Any], bool]


def _one_of(*values: str) -> Kind:
    listed = " or ".join(filter(None, [", ".join(f'"{value}"' for value in values[:-1]), f'"{values[-1]}"']))
    return Kind(f"must be {listed}", lambda value: value in values)


def _is_list_of_words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


PATTERNS = Kind('must be a list of patterns, as ["tmp_*"]', _is_list_of_words)
BYTES = Kind("must be a whole number of bytes above 0, as 500_000_000", lambda value: type(value) is int and value > 0)
SECONDS = Kind("must be a number of seconds, 0 for never", lambda value: type(value) in (int, float) and value >= 0)
COUNT = Kind("must be a whole number, at least 0", lambda value: type(value) is int and value >= 0)
NUMBER = Kind("must be a whole number, at least 1", lambda value: type(value) is int and value >= 1)
SWITCH = Kind("must be true or false", lambda value: type(value) is bool)
KEYS = Kind('must be a key or a list of keys, as ["ctrl r", "f5"]', lambda value: _is_list_of_words(_listed(value)))


class Setting(NamedTuple):
    """One line of the file."""

    table: str
    name: str
    default: Any
    """None where there is no value that means what is so without it."""
    kind: Kind
    help: str
    example: str = ""
    """What the documentation shows if there is no default."""


SETTINGS = (
    Setting("saving", "exclude", [], PATTERNS, 'names that are not saved, as patterns: ["tmp_*"]'),
    Setting("saving", "max_value_bytes", None, BYTES, "a value that takes more is not saved; by itself nothing is "
            "too large", "500_000_000"),
    Setting("saving", "autosave_seconds", 60, SECONDS, "how often a cell is saved that runs for longer; 0 for only at "
            "its end"),
    Setting("saving", "mode", "automatic", _one_of("automatic", "eternal", "manual"), "each cell is saved by itself; "
            "\"eternal\": and pyshell goes on with a directory's session without asking, and makes again what could "
            "not be saved; \"manual\": only %checkpoint and %store save"),
    Setting("keep", "recent", 50, NUMBER, "of the saved states the newest stay; labelled ones all do"),
    Setting("keep", "every", 10, COUNT, "of the older ones every tenth, or whatever is said here; 0 for none"),
    Setting("keep", "by_age", False, SWITCH, "also the last of each hour for a day, of each day for a month, of each "
            "week"),
    Setting("keep", "max_bytes", None, NUMBER, "the oldest go until all that is left takes no more", "20_000_000_000"),
    Setting("replay", "after_restore", "ask", _one_of("ask", "auto", "never"), "run cells again to make what could not "
            "be saved"),
    Setting("console", "editing", "emacs", _one_of("emacs", "vi"), '"emacs" or "vi" keys at the prompt'),
    Setting("console", "completion", "typing", _one_of("typing", "tab"), 'the list comes up by itself while one is '
            '"typing", or only on "tab"'),
    Setting("console", "prompt", "numbers", _one_of("numbers", "python"), '"numbers" as In [1]: and Out[1]:, or >>> as '
            '"python" has it'),
    Setting("console", "theme", "terminal", _one_of("terminal", "dark", "light", "contrast"), 'the "terminal"\'s own '
            '16 colours; others for a "dark" or a "light" background; or much "contrast"'),
    Setting("console", "images", True, SWITCH, "draw pictures in the transcript; without they are named"),
    Setting("console", "notify_after", 10, SECONDS, "tell the desktop when a cell ends that ran for so many seconds; "
            "0 for never"),
    Setting("console", "plain", False, SWITCH, "lines as python writes them, and nothing is drawn again: for screen "
            "readers and slow lines"),
)  # fmt: skip

TABLES = {
    "saving": "what checkpoints leave out, and when they are made",
    "keep": "which saved states stay",
    "replay": "what is done when a session comes back and not all of it was saved",
    "console": "how the console looks and behaves",
    "keys": "which keys call a command, instead of those that it has by itself: a key, a list of keys, or [] for none. "
    'Keys are written as "ctrl r", "alt f", "shift tab", "f5".',
}


@dataclass(frozen=True)
class Saving:
    """What is not to be saved, and how often a long cell is."""

    exclude: tuple[str, ...] = ()
    max_value_bytes: int | None = None
    source: str = ""
    """The file that says so."""
    autosave_seconds: float = 60
    mode: str = "automatic"

    def to_settings(self) -> dict[str, Any]:
        """As the host is told it, in JSON."""
        return {
            "exclude": self.exclude, "max_value_bytes": self.max_value_bytes, "source": self.source,
            "autosave_seconds": self.autosave_seconds, "mode": self.mode,
        }  # fmt: skip


@dataclass(frozen=True)
class Keep:
    """Which saved states stay, beside the present one and labelled ones."""

    recent: int = 50
    every: int = 10
    by_age: bool = False
    max_bytes: int | None = None

    def to_settings(self) -> dict[str, Any]:
        """As the host is told it, in JSON."""
        return {"recent": self.recent, "every": self.every, "by_age": self.by_age, "budget": self.max_bytes}


@dataclass(frozen=True)
class Console:
    """How the console behaves; `SETTINGS` says what each means."""

    editing: str = "emacs"
    completion: str = "typing"
    prompt: str = "numbers"
    theme: str = "terminal"
    images: bool = True
    notify_after: float = 10
    plain: bool = False
    keys: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By the names of commands, which the console knows."""
    places: dict[str, str] = field(default_factory=dict)
    """For each of these commands the file and the line that name it."""


@dataclass(frozen=True)
class Config:
    """All settings; each is what it is by itself where the file does not say it."""

    saving: Saving = field(default_factory=Saving)
    keep: Keep = field(default_factory=Keep)
    replay: str = "ask"
    """What follows a restore that did not bring everything back: `ask`, `auto` or `never`."""
    console: Console = field(default_factory=Console)


def read(path: Path) -> Config:
    """The settings in that file, or those by themselves if there is none. UsageError says what is wrong, and where."""
    found, text = _loaded(path)
    if text is None:
        return Config()
    return _Reading(path, text).config(found)


def said(path: Path) -> dict[str, Any]:
    """What the file says, as it says it; it has been checked."""
    read(path)
    return _loaded(path)[0]


def _loaded(path: Path) -> tuple[dict[str, Any], str | None]:
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return {}, None
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"{path} cannot be read: {exc}") from None
    import tomllib  # late: a hundredth of a second of every start, for a file that few people have

    try:
        return tomllib.loads(text), text
    except tomllib.TOMLDecodeError as exc:
        raise UsageError(f"{path} is no TOML: {exc}") from None


class _Reading:
    """One file."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._lines = text.split("\n")

    def config(self, found: dict[str, Any]) -> Config:
        self._check_keys(found, "", TABLES)
        said: dict[str, dict[str, Any]] = {setting.table: {} for setting in SETTINGS}
        for name, values in said.items():
            table = self._table(found, name)
            known = {setting.name: setting for setting in SETTINGS if setting.table == name}
            self._check_keys(table, f"in [{name}] ", known)
            for key, value in table.items():
                self._check(key, value, known[key].kind)
                values[key] = tuple(value) if isinstance(value, list) else value
        return Config(
            Saving(**said["saving"], source=str(self._path)),
            Keep(**said["keep"]),
            said["replay"].get("after_restore", "auto" if said["saving"].get("mode") == "eternal" else "ask"),
            Console(**said["console"], **self._keys(found)),
        )

    def _keys(self, found: dict[str, Any]) -> dict[str, Any]:
        table = self._table(found, "keys")
        for command, value in table.items():
            self._check(command, value, KEYS)
        keys = {command: tuple(_listed(value)) for command, value in table.items()}
        return {"keys": keys, "places": {command: self._place(command, "keys") for command in keys}}

    def _table(self, found: dict[str, Any], name: str) -> dict[str, Any]:
        table = found.get(name, {})
        if not isinstance(table, dict):
            raise self._error(name, f"must be a table: write [{name}] on a line of its own")
        return table

    def _check(self, key: str, value: Any, kind: Kind) -> None:
        if not kind.fits(value):
            raise self._error(key, kind.must)

    def _check_keys(self, found: dict[str, Any], where: str, known: Iterable[str]) -> None:
        for key in found:
            if key not in known:
                raise self._error(key, f"is unknown; {where}there can be: {', '.join(known)}")

    def _place(self, key: str, table: str = "") -> str:
        names_it = re.compile(rf"\s*\[*\s*[\"']?{re.escape(key)}\b")
        opened = re.compile(rf"\s*\[\s*{table}\s*\]")
        start = next((at for at, line in enumerate(self._lines) if table and opened.match(line)), 0)
        lines = enumerate(self._lines[start:], start + 1)
        line = next((number for number, line in lines if names_it.match(line)), None)
        return f"{self._path}{f', line {line}' if line else ''}"

    def _error(self, key: str, what: str) -> UsageError:
        return UsageError(f"{self._place(key)}: {key} {what}")


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


# --- the file that documents every setting ----------------------------------------------------------------


def document(keys: Iterable[tuple[str, tuple[str, ...], str]], found: dict[str, Any] | None = None) -> str:
    """A file with every setting and what it means; what is as it is by itself is commented out.

    `keys` are the console's commands, each with its keys and its help; `found` is what a file says (see `said`).
    """
    found = found or {}
    settings = [*SETTINGS, *(Setting("keys", name, list(own), KEYS, help_) for name, own, help_ in keys)]
    lines = ["# pyshell's settings. What is commented out is so by itself."]
    for table, about in TABLES.items():
        lines += ["", f"[{table}]", f"# {about}"]
        given = found.get(table, {})
        for setting in (setting for setting in settings if setting.table == table):
            is_said = setting.name in given
            value = toml(given[setting.name]) if is_said else setting.example or toml(setting.default)
            gap = [] if table == "keys" else [""]
            lines += [*gap, f"# {setting.help}", f"{'' if is_said else '# '}{setting.name} = {value}"]
    return "\n".join(lines) + "\n"


def toml(value: Any) -> str:
    """A string, a number, a bool, or a list of such, as TOML has it."""
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in value.replace("\\", r"\\"))
        return f'"{escaped.replace(chr(34), chr(92) + chr(34))}"'
    return str(value)
