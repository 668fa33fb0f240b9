"""How much memory this process could still get, and another one holds. It reads what the system tells.

Runs in: every process (Python 3.10 and newer).
"""

from __future__ import annotations

import os
from pathlib import Path

from pyshell.frozen import dataclass


@dataclass(frozen=True)
class Room:
    """What one account leaves, in bytes."""

    free: int
    total: int


def room(root: str = "/") -> Room | None:
    """The tightest of the system's and the control groups' accounts; None if nothing is known."""
    known = [found for found in (_system(Path(root)), *_groups(Path(root))) if found is not None]
    return min(known, key=lambda found: found.free, default=None)


def free_memory(root: str = "/") -> int | None:
    """Bytes that this process could still get; None if unknown."""
    tightest = room(root)
    return None if tightest is None else tightest.free


def held_by(pid: int | None) -> int:
    """Bytes of a process that are in memory; 0 where nobody tells, or it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):  # no Linux, no worker, or one that has just ended
        return 0


def _system(root: Path) -> Room | None:
    known = dict(line.split(":", 1) for line in _read(root / "proc/meminfo").splitlines() if ":" in line)
    if "MemAvailable" not in known or "MemTotal" not in known:
        return None
    free, total = (int(known[name].split()[0]) << 10 for name in ("MemAvailable", "MemTotal"))
    return Room(free, total)


@dataclass(frozen=True)
class _Hierarchy:
    """Where one version of control groups says these things."""

    top: str
    limit: str
    used: str
    inactive: str
    """In `memory.stat`: file pages that nobody used lately. They count as used but are given back on demand."""


_FIRST = _Hierarchy("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_SECOND = _Hierarchy("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file")


def _groups(root: Path) -> list[Room]:
    """What each limit leaves on the way up from this process's control groups."""
    found = []
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        kind = _SECOND if not controllers else _FIRST if "memory" in controllers.split(",") else None
        if kind is not None:
            # In a container the path may be that of the machine, and what is mounted the container's own group.
            top = root / kind.top
            group = top / path.strip("/")
            places = [place for place in (group, *group.parents) if top in (place, *place.parents)]
            found += [left for place in places if (left := _under_limit(place, kind)) is not None]
    return found


def _under_limit(group: Path, kind: _Hierarchy) -> Room | None:
    limit, used = _read(group / kind.limit).strip(), _read(group / kind.used).strip()
    if not limit.isdigit() or not used.isdigit():
        return None
    statistics = dict(line.split(" ", 1) for line in _read(group / "memory.stat").splitlines() if " " in line)
    free = int(limit) - int(used) + int(statistics.get(kind.inactive, 0))
    return Room(max(0, free), int(limit))


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # not Linux, or no such control group: then that limit is unknown
        return ""
