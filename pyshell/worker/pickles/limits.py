"""What the person does not want to be saved: names by patterns, values above a size, and names that crash who saves.

Runs in: worker, and the forked child that saves.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from pyshell.frozen import dataclass, field
from pyshell.worker.pickles.leaves import Unsavable

BY_HAND = "nothing is saved by itself here; %store {} does"
CRASHED = "saving it crashed or hung the process that saves"


class TooLarge(Unsavable):
    """A value that is larger than the person wants to have saved."""


@dataclass(frozen=True)
class Limits:
    """As `[saving]` of the configuration has them; nothing is limited where it has nothing."""

    exclude: tuple[str, ...] = ()
    max_value_bytes: int | None = None
    autosave_seconds: float = 60.0
    """How often a cell is saved that runs for longer; 0: never."""
    source: str = ""
    """The file to change if something else is wanted."""
    mode: str = "automatic"
    """`manual`: nothing is saved by itself."""
    only: frozenset[str] | None = None
    """The names that the person has asked to be saved, where he does so one by one."""
    crashed: frozenset[str] = frozenset()
    """Names that are not to be tried again."""
    aside: Mapping[str, str] = field(default_factory=dict)
    """Names that are not to be tried here, and why."""

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Limits:
        """From what the worker was started with."""
        more = {"autosave_seconds": 0} if settings.get("mode") == "manual" else {}
        return cls(**{**settings, "exclude": tuple(settings.get("exclude", ())), **more})

    def reason_against(self, name: str) -> str:
        """Why this name is not to be saved, whatever its value is; or nothing."""
        if name in self.crashed:
            return CRASHED
        if self.only is not None and name not in self.only:
            return BY_HAND.format(name)
        if name in self.aside:
            return self.aside[name]
        pattern = next((pattern for pattern in self.exclude if fnmatchcase(name, pattern)), None)
        return "" if pattern is None else f'excluded by "{pattern}" in [saving] exclude of {self.source}'

    def check_size(self, size: int) -> None:
        """TooLarge if a value with that many bytes is not to be saved."""
        if self.max_value_bytes is not None and size > self.max_value_bytes:
            limit = f"max_value_bytes = {self.max_value_bytes} in [saving] of {self.source}"
            raise TooLarge(f"it is larger than {limit}; raise that to have it saved")


NO_LIMITS = Limits()


def new_file(limits: Limits) -> io.BytesIO:
    """To pickle into."""
    return io.BytesIO() if limits.max_value_bytes is None else Measured(limits)


class Measured(io.BytesIO):
    """Takes bytes up to the limit: nobody need pickle a gigabyte to find out that it is one."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self._limits = limits

    def write(self, data: Any, /) -> int:
        self._limits.check_size(self.tell() + len(data))
        return super().write(data)
