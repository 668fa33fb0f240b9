"""The panel of variables: what the names of the session mean, while cells run, and what these values consist of.

Runs in: console.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from pyshell import protocol
from pyshell.console.panels.panel import Around, Panel
from pyshell.console.panels.sheet import Column, Sheet
from pyshell.console.panels.table import Table
from pyshell.console.timeline import size

if TYPE_CHECKING:
    from pyshell.client import Session

PAGE = 100
"""Items of a container that are asked for at once."""
REST = 10
"""While a cell runs, the worker is left alone for so many times as long as the last answer took."""
ORDERS = ("bound", "name", "type", "size", "cell")
COLUMNS = (
    Column("name", limit=32), Column("type"), Column("shape", limit=16), Column("size", True), Column("cell", True),
    Column("value", limit=400),
)  # fmt: skip


class Node(NamedTuple):
    """A row: a name, or something inside of its value."""

    name: str
    path: str
    """What names it for a question; empty where nothing can."""
    of: protocol.Variable | protocol.Child | None
    """None: it stands for items that are not listed yet, of `path`."""
    depth: int = 0


class Known(NamedTuple):
    """What the worker has told."""

    variables: tuple[protocol.Variable, ...] = ()
    inside: Mapping[str, protocol.Children] = {}  # noqa: RUF012
    """What was opened, by its path."""
    seconds: float = 0.0
    """How long it took to tell."""


def read(session: Session, opened: Mapping[str, int]) -> Known:
    """All names, and so many items of what was opened. In a thread of remote.py."""
    begin = time.monotonic()
    variables = session.variables()
    inside = {path: session.children(path, 0, count) for path, count in opened.items()}
    return Known(variables, {path: found for path, found in inside.items() if found.found}, time.monotonic() - begin)


def arranged(
    variables: Sequence[protocol.Variable], order: str, *, is_reversed: bool, sought: str
) -> list[protocol.Variable]:
    """Those whose name or type has `sought` in it, in that order: big and new things first, names by the alphabet."""
    found = [one for one in variables if sought.lower() in f"{one.name}\n{one.type}".lower()]
    if order == "name":
        found.sort(key=lambda one: one.name.lower())
    elif order == "type":
        found.sort(key=lambda one: (one.type.lower(), one.name.lower()))
    elif order == "size":
        found.sort(key=lambda one: -one.size)
    elif order == "cell":
        found.sort(key=lambda one: -(one.cell or 0))
    return found[::-1] if is_reversed else found


def nodes(known: Known, variables: Sequence[protocol.Variable]) -> list[Node]:
    """A row for each variable, and below it for what it consists of, if that was opened."""
    found: list[Node] = []
    for variable in variables:
        found.append(Node(variable.name, variable.name, variable))
        _add_inside(found, known.inside, variable.name, 1)
    return found


def _add_inside(found: list[Node], inside: Mapping[str, protocol.Children], path: str, depth: int) -> None:
    children = inside.get(path)
    if children is None:
        return
    for child in children.children:
        found.append(Node(child.name, child.path, child, depth))
        if child.path:
            _add_inside(found, inside, child.path, depth + 1)
    left = children.total - len(children.children)
    if left > 0:
        found.append(Node(f"… {left:,} more", path, None, depth))


def row(node: Node, is_open: bool) -> tuple[str, ...]:
    """The cells of a node."""
    if node.of is None:
        return (f"{'  ' * node.depth}  {node.name}", "", "", "", "", "")
    mark = "▾ " if is_open else "▸ " if _has_parts(node.of) else "  "
    cell = node.of.cell if isinstance(node.of, protocol.Variable) else None
    bytes_ = size(node.of.size) if node.of.size else ""
    where = f"[{cell}]" if cell is not None else ""
    return ("  " * node.depth + mark + node.name, node.of.type, node.of.shape, bytes_, where, node.of.preview)


def look(node: Node) -> str | None:
    """What the last cell has changed, and what is not saved, is marked."""
    if isinstance(node.of, protocol.Variable):
        return "failure" if node.of.reason else "notice" if node.of.changed else None
    return "fold" if node.of is None else None


class Variables(Panel):
    """Owned by the UI thread."""

    name = "variables"
    hint = (
        "{open} open · {sort} sort · {reverse} reverse · {filter} filter · {draft} to the prompt · {help} keys"
        " · {close}"
    )

    def __init__(self, around: Around) -> None:
        super().__init__(around)
        self._known = Known()
        self._opened: dict[str, int] = {}
        """How many items of it are wanted, by path."""
        self._order = "bound"
        self._is_reversed = False
        self._sought = ""
        self._is_asking = False
        self._is_old = False
        """Something happened since the last question."""
        self._asked_at = 0.0
        self._seen: tuple[object, ...] = ()
        self._nodes: list[Node] = []
        self._sheet = Sheet(COLUMNS)

    # --- what is shown ---

    @property
    def title(self) -> str:
        count = f"{len(self._known.variables):,}"
        if self._sought:
            count = f"{sum([not node.depth for node in self._nodes]):,} of {count}"
        parts = [f"Variables: {count}" + (f" · by {self._order}" + (", reversed" if self._is_reversed else ""))]
        if self._sought:
            parts.append(f'with "{self._sought}"')
        total = sum([variable.size for variable in self._known.variables])
        return " · ".join([*parts, size(total)] if total else parts)

    @property
    def is_waiting(self) -> bool:
        return not self._asked_at

    @property
    def sheet(self) -> Sheet:
        return self._sheet

    @property
    def selected(self) -> Node | None:
        return self._nodes[self.place.at] if self.place.at < len(self._nodes) else None

    @property
    def detail(self) -> list[str]:
        node = self.selected
        if node is None or not isinstance(node.of, protocol.Variable) or node.of.saved:
            return []
        return [f"{node.name} is not saved" + (f": {node.of.reason}" if node.of.reason else " yet")]

    def _lay_out(self) -> None:
        """Make the rows anew, with the same one selected."""
        before = self.selected
        variables = arranged(
            self._known.variables, self._order, is_reversed=self._is_reversed, sought=self._sought
        )
        self._nodes = nodes(self._known, variables)
        rows = [row(node, node.of is not None and node.path in self._known.inside) for node in self._nodes]
        self._sheet = Sheet(COLUMNS, rows, [look(node) for node in self._nodes])
        if before is not None:
            same = (at for at, node in enumerate(self._nodes) if node[:2] == before[:2])
            self.place.at = next(same, self.place.at)

    # --- asking the worker ---

    def opened(self) -> None:
        self._fetch()

    def followed(self) -> None:
        model = self.around.model
        seen = (model.epoch, model.state, model.running, model.saved_cell)
        if seen != self._seen:
            self._seen = seen
            self._fetch()

    def ticked(self) -> None:
        if time.monotonic() - self._asked_at > REST * self._known.seconds:
            self._fetch()

    def _fetch(self) -> None:
        """Ask, unless an answer is on its way; then once more after it."""
        self._is_old = self._is_asking
        if not self._is_asking:
            self._is_asking = True
            opened = dict(self._opened)
            self.ask(partial(read, opened=opened), partial(self._told, opened))

    def _told(self, asked: Mapping[str, int], known: Known | None) -> None:
        self._is_asking = False
        self._asked_at = time.monotonic()
        if known is not None:
            self._known = known
            gone = asked.keys() - known.inside.keys()  # not what was opened since then
            self._opened = {path: count for path, count in self._opened.items() if path not in gone}
            self._lay_out()
        self.answered()
        if self._is_old:
            self._fetch()

    # --- keys ---

    def do_open(self) -> None:
        node = self.selected
        if node is not None and node.of is not None and node.path and _is_table(node.of):
            self.around.open(Table(self.around, node.path))
        else:
            self.do_inside()

    def do_inside(self) -> None:
        node = self.selected
        if node is None:
            return
        if node.of is None:
            self._opened[node.path] += PAGE
        elif node.path in self._opened:
            self.do_shut()
            return
        elif not _has_parts(node.of) or not node.path:
            self.said = f"There is nothing to open in {node.name or 'it'}."
            return
        else:
            self._opened[node.path] = PAGE
        self._fetch()

    def do_shut(self) -> None:
        """Close it; or else what it lies in."""
        node = self.selected
        if node is None:
            return
        if node.path not in self._opened:
            above = range(self.place.at - 1, -1, -1)
            self.place.at = next((at for at in above if self._nodes[at].depth < node.depth), self.place.at)
            return
        self._opened.pop(node.path)
        inside = {path: found for path, found in self._known.inside.items() if path != node.path}
        self._known = self._known._replace(inside=inside)
        self._lay_out()

    def do_sort(self) -> None:
        self._order = ORDERS[(ORDERS.index(self._order) + 1) % len(ORDERS)]
        self._is_reversed = False
        self._lay_out()

    def do_reverse(self) -> None:
        self._is_reversed = not self._is_reversed
        self._lay_out()

    def do_filter(self) -> None:
        def entered(text: str) -> None:
            self._sought = text.strip()
            self._lay_out()

        self.asking.ask("names or types with: ", self._sought, entered)

    def do_draft(self) -> None:
        node = self.selected
        if node is not None and node.path:
            self.around.draft(node.path)


def _has_parts(of: protocol.Variable | protocol.Child) -> bool:
    return bool(of.indexed or of.named)


def _is_table(of: protocol.Variable | protocol.Child) -> bool:
    """Arrays and frames have a shape in brackets, containers a length."""
    return of.shape.startswith("(") and of.shape != "()"
