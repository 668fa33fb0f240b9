"""The panel of checkpoints: what each changed, and ways to go there.

Runs in: console.

Newest first, as `pyshell log` draws them. Going on from an older one makes a branch; nothing that was saved is lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from pyshell import protocol
from pyshell.console.panels.panel import Around, Panel
from pyshell.console.panels.sheet import Column, Sheet
from pyshell.console.timeline import listed, size
from pyshell.drawing import first_line, graph, when
from pyshell.errors import PyshellError

if TYPE_CHECKING:
    from pyshell.client import Session

COLUMNS = (
    Column("", limit=20), Column("state", True), Column("cell"), Column("time"), Column("names", True),
    Column("written", True), Column("changed", limit=30), Column("label"), Column("code", limit=200),
)  # fmt: skip
Differences = Mapping[tuple[int, int], protocol.Difference]


def read(session: Session) -> tuple[tuple[protocol.Checkpoint, ...], dict[int, str]]:
    """The checkpoints and the code of their cells. In a thread of remote.py."""
    return session.checkpoints(), {entry.cell: entry.code for entry in session.history(limit=1000)}


def compare(session: Session, pairs: Sequence[tuple[int, int]]) -> dict[tuple[int, int], protocol.Difference]:
    """What differs in each pair; not those that are gone meanwhile. In a thread of remote.py."""
    found = {}
    for pair in pairs:
        try:
            found[pair] = session.diff(*pair)
        except PyshellError:  # pruned
            continue
    return found


def changed(difference: protocol.Difference) -> str:
    """In a few words: `+ x, y  ~ z  - w`."""
    parts = ((difference.added, "+"), (difference.changed, "~"), (difference.removed, "-"))
    return "  ".join([f"{sign} {', '.join([one.name for one in names])}" for names, sign in parts if names])


def described(difference: protocol.Difference) -> list[str]:
    """In sentences, with types."""
    added = [f"{one.name} ({one.after})" for one in difference.added]
    other = [
        f"{one.name} ({one.after if one.before == one.after else f'{one.before} → {one.after}'})"
        for one in difference.changed
    ]
    removed = [f"{one.name} ({one.before})" for one in difference.removed]
    parts = (("added", added), ("changed", other), ("removed", removed))
    return [f"{what}: {listed(names)}" for what, names in parts if names] or ["nothing differs"]


class Timeline(Panel):
    """Owned by the UI thread."""

    name = "timeline"
    hint = "{restore} go there · {undo} undo · {redo} redo · {label} label · {diff} diff to now · {help} keys · {close}"

    def __init__(self, around: Around) -> None:
        super().__init__(around)
        self._rows: list[tuple[str, protocol.Checkpoint | None]] = []
        """The drawing beside each; None where branches part."""
        self._code: dict[int, str] = {}
        self._differences: dict[tuple[int, int], protocol.Difference] = {}
        self._is_comparing = False
        self._is_to_now = False
        """The differences from there to now are shown, not those of the cell."""
        self._seen: tuple[object, ...] = ()
        self._sheet = Sheet(COLUMNS)

    # --- what is shown ---

    @property
    def title(self) -> str:
        count = sum([checkpoint is not None for _, checkpoint in self._rows])
        here = self._head
        where = f" · now at {here.checkpoint}" if here else ""
        return f"Timeline: {count:,} saved states{where}"

    @property
    def sheet(self) -> Sheet:
        return self._sheet

    @property
    def selected(self) -> protocol.Checkpoint | None:
        return self._rows[self.place.at][1] if self.place.at < len(self._rows) else None

    @property
    def _head(self) -> protocol.Checkpoint | None:
        return next((checkpoint for _, checkpoint in self._rows if checkpoint is not None and checkpoint.head), None)

    @property
    def detail(self) -> list[str]:
        pair = self._pair
        if pair is None:
            return ["The first saved state."] if self.selected is not None else []
        what = f"From {pair[0]} to now" if self._is_to_now else f"From {pair[0]} to {pair[1]}"
        found = self._differences.get(pair)
        return [f"{what}:", *[f"  {line}" for line in described(found)]] if found else [f"{what}: …"]

    @property
    def _pair(self) -> tuple[int, int] | None:
        """What is compared in the detail."""
        chosen, head = self.selected, self._head
        if chosen is None:
            return None
        if self._is_to_now:
            return (chosen.checkpoint, head.checkpoint) if head is not None else None
        return _own(chosen)

    def _lay_out(self) -> None:
        now = time.time()
        self._sheet = Sheet(
            COLUMNS,
            [self._row(drawing, checkpoint, now) for drawing, checkpoint in self._rows],
            ["notice" if checkpoint is not None and checkpoint.head else None for _, checkpoint in self._rows],
        )

    def _row(self, drawing: str, checkpoint: protocol.Checkpoint | None, now: float) -> tuple[str, ...]:
        if checkpoint is None:
            return (drawing, *[""] * (len(COLUMNS) - 1))
        own = _own(checkpoint)
        difference = self._differences.get(own) if own else None
        code = self._code.get(checkpoint.cell or 0, "")
        return (
            drawing, str(checkpoint.checkpoint), f"[{checkpoint.cell}]" if checkpoint.cell else "",
            when(checkpoint.time, now), str(checkpoint.names), size(checkpoint.written),
            changed(difference) if difference else "", checkpoint.label or "", first_line(code),
        )  # fmt: skip

    # --- asking the host ---

    def opened(self) -> None:
        self._seen = self._state()
        self.ask(read, self._told)

    def followed(self) -> None:
        if self._state() != self._seen:
            self.opened()

    def _state(self) -> tuple[object, ...]:
        model = self.around.model
        return (model.epoch, model.checkpoint)

    def _told(self, answer: tuple[Sequence[protocol.Checkpoint], dict[int, str]] | None) -> None:
        if answer is None:
            return
        before, is_first = self.selected, not self._rows
        checkpoints, self._code = answer
        self._rows = graph(checkpoints)
        chosen = self._head if is_first else before
        for at, (_, checkpoint) in enumerate(self._rows):
            if chosen is not None and checkpoint is not None and checkpoint.checkpoint == chosen.checkpoint:
                self.place.at = at
        self._lay_out()
        self._compare()

    def drawn(self, columns: int, rows: int) -> None:
        super().drawn(columns, rows)
        self._compare()

    def _compare(self) -> None:
        """Ask for the differences that are in view and not known."""
        if self._is_comparing:
            return
        rows = [self._rows[at] for at in self.place.window(len(self._rows), max(1, self.size[1]))]
        wanted = [self._pair, *[_own(checkpoint) for _, checkpoint in rows if checkpoint is not None]]
        pairs = [pair for pair in dict.fromkeys(wanted) if pair is not None and pair not in self._differences]
        if pairs:
            self._is_comparing = True
            self.ask(partial(compare, pairs=pairs), partial(self._compared, pairs))

    def _compared(self, pairs: Sequence[tuple[int, int]], found: Differences | None) -> None:
        self._is_comparing = False
        nothing = protocol.Difference((), (), ())  # of what is gone: it is not asked for again
        self._differences.update({pair: (found or {}).get(pair, nothing) for pair in pairs})
        self._lay_out()

    # --- keys ---

    def do_restore(self) -> None:
        chosen = self.selected
        if chosen is None:
            return
        if chosen.head:
            self.said = "The session is there already."
            return
        cell = f" (after In [{chosen.cell}])" if chosen.cell is not None else ""
        self.asking.confirm(
            f"Take the session to state {chosen.checkpoint}{cell}? What is now stays saved.",
            lambda: self._travel(lambda session: session.restore(chosen.checkpoint)),
        )

    def do_undo(self) -> None:
        self._travel(lambda session: session.undo())

    def do_redo(self) -> None:
        self._travel(lambda session: session.redo())

    def _travel(self, go: Callable[[Session], Any]) -> None:
        self.said = "Going there…"
        self.ask(go, self._arrived)

    def _arrived(self, done: protocol.CheckedOut | None) -> None:
        if done is not None:
            self.said = f"The session is at state {done.checkpoint}; undo goes back to {done.left}."
        self.opened()

    def do_label(self) -> None:
        chosen = self.selected
        if chosen is None:
            return

        def entered(label: str) -> None:
            self.ask(lambda session: session.label(chosen.checkpoint, label.strip() or None), self._labelled)

        self.asking.ask(f"name of state {chosen.checkpoint}: ", chosen.label or "", entered)

    def _labelled(self, _: object) -> None:
        self.opened()

    def do_diff(self) -> None:
        self._is_to_now = not self._is_to_now
        self._compare()

    def do_draft(self) -> None:
        chosen = self.selected
        code = self._code.get(chosen.cell or 0, "") if chosen is not None else ""
        if code:
            self.around.draft(code)


def _own(checkpoint: protocol.Checkpoint) -> tuple[int, int] | None:
    """The pair whose difference is what the checkpoint brought."""
    return None if checkpoint.parent is None else (checkpoint.parent, checkpoint.checkpoint)
