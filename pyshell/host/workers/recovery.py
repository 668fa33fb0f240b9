"""Which checkpoint to try next after a worker died while loading one. Pure.

Runs in: host.

The ladder: the newest checkpoint, again and again while somebody else may have killed the worker; the same without
the group that killed it, once per group; the checkpoint before it in the same way; an empty namespace. Every rung
removes something, but for some deaths that may be chance, so it ends. How fast it goes says patience.py.
"""

from __future__ import annotations

from collections import Counter

from pyshell.frozen import dataclass, field

MAX_SET_ASIDE = 8
"""Groups that may kill a worker before the whole checkpoint is given up."""
MAX_CHECKPOINTS = 3
MAX_CHANCES = 20
"""Deaths of one recovery that may be chance."""
MAX_HITS = 3
"""As often a group may be hit by chance, and once more for each time that the chance hit something else."""


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
    _hits: Counter[str] = field(default_factory=Counter)
    """How often the worker has died while each group was being loaded; the empty one: none, or none that is known."""
    _chances: int = 0
    _killed_here: int = 0
    _given_up: int = 0

    def attempt(self) -> Attempt:
        """What to try now."""
        if not self.candidates or self._given_up >= MAX_CHECKPOINTS:
            return Attempt(None, self.set_aside)
        return Attempt(self.candidates[0], self.set_aside)

    def struck(self) -> None:
        """Somebody has killed a worker before it could load anything: that was not the state."""
        self._hits[""] += 1
        self._chances += 1

    def failed(self, group: str, by_chance: bool, is_ours: bool = False) -> None:
        """The worker died while it loaded `group` (empty if unknown).

        `by_chance`: somebody else may have killed it; `is_ours`: we have, because somebody has lost patience.
        """
        self._hits[group] += 1
        if not is_ours and self._may_be_chance(group, by_chance):
            self._chances += 1
            return
        self._killed_here += 1
        if group and group not in self.set_aside and self._killed_here <= MAX_SET_ASIDE:
            self.set_aside |= {group}
            return
        self.candidates = self.candidates[1:]
        self._killed_here = 0
        self._given_up += 1

    def _may_be_chance(self, group: str, by_chance: bool) -> bool:
        hits = self._hits[group]
        if self._chances >= MAX_CHANCES:
            return False
        if not by_chance:
            return not group and hits == 1
        # Whoever kills from outside hits now this and now that, and mostly what has not begun to load.
        return not group or hits < MAX_HITS + self._hits.total() - hits
