"""Which names fit what is typed, best first. Pure.

Runs in: worker and host (Python 3.10 and newer).
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice

MAX_NAME = 1_000
"""Longer ones are no help, and might not fit into a message."""


def ranked(names: Collection[str], prefix: str, limit: int, first: Collection[str] = ()) -> list[str]:
    """Those that begin with the prefix, then those that do in another case; only where none does, those that have its
    letters in this order. Names with `_` in front come last, and without anything typed not at all if there are others.

    Those in `first` come before others that fit as well, in the order that they have.
    """
    if not prefix:
        public = [name for name in names if name[:1] != "_" or name in first]
        found = _sorted(public, first, False) if public else _sorted(list(names), first, True)
        return list(islice((name for name in found if len(name) <= MAX_NAME), limit))
    is_private = prefix[:1] == "_"
    exact = [name for name in names if name.startswith(prefix)]
    exact = _sorted([name for name in exact if len(name) <= MAX_NAME], first, is_private)
    if len(exact) >= limit:
        return exact[:limit]
    lowered = prefix.lower()
    known = [name for name in names if len(name) <= MAX_NAME]
    begin = [name for name in known if name.lower().startswith(lowered)]
    if not begin and len(prefix) > 1:
        fuzzy = [(_privacy(name), *spread, name) for name in known if (spread := _spread(name.lower(), lowered))]
        return [name for *_, name in sorted(fuzzy)[:limit]]
    return (exact + _sorted([name for name in begin if not name.startswith(prefix)], first, is_private))[:limit]


def _sorted(names: list[str], first: Collection[str], has_private: bool) -> list[str]:
    """In parts, each by a key function in C: one in Python would take longer than all the rest."""
    found = [name for name in names if name in first] if first else []
    rest = [name for name in names if name not in first] if first else names
    if not has_private:
        return found + sorted(rest, key=str.lower)
    private = [name for name in rest if name[:1] == "_"]
    private.sort(key=lambda name: (_privacy(name), name.lower()))
    return found + sorted([name for name in rest if name[:1] != "_"], key=str.lower) + private


def _privacy(name: str) -> int:
    return 0 if name[:1] != "_" else 2 if name[:2] == "__" else 1


def _spread(name: str, letters: str) -> tuple[bool, int] | None:
    """Whether the name begins with another letter, and how far these are spread; None: they are not in it."""
    at = first = name.find(letters[0])
    for letter in letters[1:]:
        if at < 0:
            return None
        at = name.find(letter, at + 1)
    return (first > 0, at - first) if at >= 0 else None
