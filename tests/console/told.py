"""What a scripted session says of its variables and its timeline.

Runs in: tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyshell import protocol

HIDDEN = ("draft", "picture", "use", "write", "ask", "die", "lose", "until", "interrupted", "session")
T0 = 1_700_000_000.0


class Frame:
    """A frame of as many rows as one likes, which holds none."""

    def __init__(self, rows: int, columns: int) -> None:
        self.shape = (rows, columns)

    def __repr__(self) -> str:
        return "<Frame {} × {}>".format(*self.shape)


class Told:
    """The answers."""

    def variables(self, namespace: dict[str, Any]) -> tuple[protocol.Variable, ...]:
        return tuple([
            _variable(name, value)
            for name, value in list(namespace.items())
            if name not in HIDDEN and not name.startswith("_")
        ])  # fmt: skip

    def children(self, value: Any, path: str, start: int, count: int) -> protocol.Children:
        if isinstance(value, dict):
            items = [(f"[{key!r}]", item) for key, item in value.items()]
        else:
            items = [(f"[{number}]", item) for number, item in enumerate(value)]
        found = [_child(name, path + name, item) for name, item in items[start : start + count]]
        return protocol.Children(True, len(items), tuple(found))

    def table(self, value: Any, rows: range, columns: range) -> protocol.Table:
        if not isinstance(value, Frame):
            return protocol.Table(False, "", 0, 0, (), ())
        total_rows, total_columns = value.shape
        wanted = range(columns.start, min(columns.stop, total_columns))
        heads = tuple([protocol.Column(f"c{column}", "int64") for column in wanted])
        lines = tuple([
            protocol.Row(str(row), tuple([f"{row}.{column}" for column in wanted]))
            for row in range(rows.start, min(rows.stop, total_rows))
        ])  # fmt: skip
        return protocol.Table(True, "Frame", total_rows, total_columns, heads, lines)

    def sessions(self, now: float) -> list[Sequence[str]]:
        return [
            ("model", "runs In[12] 2:05", "1.2 GB", "0", "3.12.1 torch", "~/work/model", "epoch 14: loss 0.031"),
            ("notes", "saved 12:07", "", "", "", "~/notes", "42"),
            ("scripted", "idle", "41 MB", "0", "3.11.7 work/.venv", "~/work", ""),
        ]

    def checkpoints(self, head: int) -> tuple[protocol.Checkpoint, ...]:
        """The first, one that follows, and two branches from there."""
        parents = {1: None, 2: 1, 3: 2, 4: 2}
        return tuple([
            protocol.Checkpoint(
                number, parent, number, T0 + number, "good" if number == 2 else None, number, 0, 1000, number == head
            )
            for number, parent in parents.items()
        ])  # fmt: skip

    def diff(self, before: int, after: int) -> protocol.Difference:
        change = protocol.NameChange(f"n{after}", None, "int", after)
        gone = protocol.NameChange(f"n{before}", "str", None, before)
        return protocol.Difference((change,), (), (gone,) if before > 1 else ())


def _variable(name: str, value: Any) -> protocol.Variable:
    one = _child(name, name, value)
    return protocol.Variable(
        name, one.type, one.shape, one.size, one.preview, None, False, True, "", one.indexed, one.named
    )


def _child(name: str, path: str, value: Any) -> protocol.Child:
    shape = str(value.shape) if isinstance(value, Frame) else str(len(value)) if hasattr(value, "__len__") else ""
    indexed, named = (len(value) if isinstance(value, kind) else 0 for kind in (list, dict))
    return protocol.Child(name, path, type(value).__name__, shape, 28, repr(value)[:80], indexed, named)
