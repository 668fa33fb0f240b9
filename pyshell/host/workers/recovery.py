"""Which checkpoint to try next after a worker died while loading one. Pure.

Runs in: host.

The ladder: the newest checkpoint, once more if somebody else may have killed the worker; the same without the group
that killed it, once per group; the checkpoint before it in the same way; an empty namespace. Every rung removes
something, but for a few that may be chance, so it ends.
"""

from __future__ import annotations

from pyshell.frozen import dataclass, field

MAX_SET_ASIDE = 8
"""Groups that may kill a worker before the whole checkpoint is given up."""
MAX_CHECKPOINTS = 3
MAX_CHANCES = 3
"""Deaths of one recovery that may be chance; no group dies twice by chance."""


@dataclass(frozen=True)
class Attempt:
    """One try at restoring: a checkpoint (None: start with nothing), without some of its groups."""

    checkpoint: int | None
    set_aside: frozenset[str] = frozenset()


@dataclass
class Recovery:
    """The attempts of one recovery. `candidates` are checkpoints, newest first."""

    candidates: list[int]
    set_aside: frozenset[str]
    """Groups that killed a worker, now or in an earlier recovery."""
    _suspects: set[str] = field(default_factory=set)
    """Groups that were being loaded when the worker died, perhaps by chance."""
    _killed_here: int = 0
    _given_up: int = 0

    def attempt(self) -> Attempt:
        """What to try now."""
        if not self.candidates or self._given_up >= MAX_CHECKPOINTS:
            return Attempt(None, self.set_aside)
        return Attempt(self.candidates[0], self.set_aside)

    def failed(self, group: str, by_chance: bool) -> None:
        """The worker died while it loaded `group` (empty if unknown); `by_chance`: somebody else may have killed it."""
        if by_chance and group not in self._suspects and len(self._suspects) < MAX_CHANCES:
            self._suspects.add(group)
            return
        self._killed_here += 1
        if group and group not in self.set_aside and self._killed_here <= MAX_SET_ASIDE:
            self.set_aside |= {group}
            return
        self.candidates = self.candidates[1:]
        self._killed_here = 0
        self._given_up += 1
