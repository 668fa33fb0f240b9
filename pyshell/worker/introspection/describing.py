"""Describe values and what they consist of: in one line, in numbers, by page and by window.

Runs in: worker, on its RPC thread, also while a cell runs.

None of their code runs. Of arrays and frames arrays.py knows more.
"""

from __future__ import annotations

import collections
import sys
import types
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from pyshell.protocol import (
    Child,
    Children,
    Column,
    ReadChildren,
    ReadTable,
    Row,
    Table,
    Variable,
    Variables,
)
from pyshell.worker.introspection.arrays import Grid, cell_text, grid_of, is_number
from pyshell.worker.introspection.columns import is_frame, labels
from pyshell.worker.introspection.following import DICTIONARIES, sliced
from pyshell.worker.introspection.resolving import SCALARS, follow
from pyshell.worker.looking import (
    UNKNOWN,
    OfClass,
    class_attributes,
    class_name,
    is_a,
    is_array,
    own_attributes,
    preview,
    type_name,
)

MAX_NAME = 400
MAX_PAGE = 1000
"""Names, items or rows in one answer: it must fit into a message, and come in time."""
MAX_CELLS = 20_000
"""Of one window."""
MAX_PATH = 300
MAX_PARTS = 10
"""Of a key that is a tuple."""
_SAMPLE = 20
"""Items by which the size of a container is estimated."""

# Classes by their ids: a class as a key of a set would be asked for its hash, and this is quicker than `is` for each.
_DICTIONARIES = frozenset(map(id, DICTIONARIES))
_SEQUENCES = frozenset(map(id, (list, tuple, collections.deque, range)))
_SETS = frozenset(map(id, (set, frozenset)))
_TEXTS = frozenset(map(id, (str, bytes, bytearray)))
_ATOMS = _TEXTS | frozenset(map(id, (int, float, complex, bool, type(None))))
"""What has nothing in it."""
_CONTAINERS = _SEQUENCES | _SETS | _DICTIONARIES
_LENGTHS = _CONTAINERS | _TEXTS
_PLAIN = _ATOMS | _CONTAINERS
_KEYS = frozenset(map(id, (str, int, bool, bytes, type(None))))
_Part = tuple[str, str, Any]
"""Name, path and value of what belongs to a value."""


class Notes(NamedTuple):
    """What is known of the names besides their values."""

    cells: Mapping[str, int] = {}
    """Those that bound them."""
    changed: Collection[str] = ()
    """What the last cell has changed."""
    late: Mapping[str, Variable] = {}
    """Names that are not there yet."""
    orders: Mapping[str, int] = {}
    """In which all of them were bound; needed where some are not there yet."""


def list_variables(
    variables: dict[str, Any],
    hidden: Collection[str],
    page: range = range(MAX_PAGE),
    notes: Notes = Notes(),  # noqa: B008 (it cannot be changed)
) -> Variables:
    """The user's names in the order of binding, a page of them; not the `_n` of results."""
    names = [name for name in list(variables) if type(name) is str and not name.startswith("_") and name not in hidden]
    absent = {name: row for name, row in notes.late.items() if not name.startswith("_") and name not in variables}
    if absent:
        names = sorted([*names, *absent], key=lambda name: notes.orders.get(name, 1 << 60))
    first, known = max(0, page.start), dict(notes.cells)
    stop = min(page.stop, first + MAX_PAGE)
    rows = []
    for name in names[first:stop]:
        value = variables.get(name, UNKNOWN)
        if value is not UNKNOWN:  # else another thread has just deleted it
            rows.append(_row(name[:MAX_NAME], value, known.get(name), name in notes.changed))
        elif name in absent:
            rows.append(absent[name])
    return Variables(tuple(rows), max(0, len(names) - stop))


def _row(name: str, value: Any, cell: int | None, changed: bool) -> Variable:
    grid = _grid(value)
    return Variable(
        name, type_name(value), _shape(value, grid), _size(value, grid), _line(value, grid), cell, changed, True, "",
        *_counts(value, grid),  # all by position: this is done a thousand times for one answer
    )  # fmt: skip


# --- one value ----------------------------------------------------------------------------------------------------


def line_of(value: Any) -> str:
    """A value in one line; of arrays and frames the first cells."""
    return _line(value, _grid(value))


def _line(value: Any, grid: Grid | None) -> str:
    if grid is None:
        if id(type(value)) in _ATOMS:
            return preview(value)
        if is_number(value):
            return cell_text(value)
        if is_a(value, types.ModuleType):
            name = own_attributes(value).get("__name__")
            return f"<module {name!r}>" if type(name) is str else preview(value)
        return f"<class '{class_name(value)}'>" if is_a(value, type) else preview(value)
    if len(grid.shape) > 1:
        return f"<{type_name(value)} {' × '.join(map(str, grid.shape))}>"
    shown = [cell_text(cell) for cell in _cells(grid, 0, 0, 8)]
    more = ["…"] if grid.rows > len(shown) else []
    return preview_list([*shown, *more])


def preview_list(texts: list[str]) -> str:
    line = f"[{', '.join(texts)}]"
    return line if len(line) <= 80 else line[:79] + "…"


def shape_of(value: Any) -> str:
    """`(1000, 3)` for arrays and frames, the length for containers, else empty."""
    return _shape(value, _grid(value))


def _shape(value: Any, grid: Grid | None) -> str:
    if id(type(value)) in _LENGTHS:
        return str(len(value))
    return str(grid.shape) if grid is not None else ""


def dtype_of(value: Any) -> str:
    grid = _grid(value)
    return grid.dtype if grid is not None else ""


def size_of(value: Any) -> int:
    """Bytes: of an array or a frame all, else the object's own and an estimate of what lies directly in it."""
    return _size(value, _grid(value))


def _size(value: Any, grid: Grid | None) -> int:
    if grid is not None:
        return grid.size
    if type(value) is OfClass:
        return 0
    if id(type(value)) in _ATOMS:
        return sys.getsizeof(value)
    if id(type(value)) in _LENGTHS:
        return sys.getsizeof(value) + _size_of_items(value)
    own = own_attributes(value) if not is_a(value, types.ModuleType) else {}
    return object.__sizeof__(value) + sum([_own_size(item) for item in list(own.values())[:_SAMPLE]])


def _own_size(value: Any) -> int:
    return sys.getsizeof(value) if id(type(value)) in _PLAIN else object.__sizeof__(value)


def _size_of_items(value: Any) -> int:
    if type(value) is range or not len(value):
        return 0
    is_dictionary = id(type(value)) in _DICTIONARIES
    sample = sliced(dict.values(value) if is_dictionary else value, 0, _SAMPLE)
    count = len(sample)
    if is_dictionary:
        sample += sliced(dict.keys(value), 0, _SAMPLE)
    return sum([_own_size(item) for item in sample]) * len(value) // max(1, count)


def _grid(value: Any) -> Grid | None:
    if id(type(value)) in _PLAIN:
        return None
    try:
        return grid_of(value)
    except Exception:  # a library of another version, or an array that another thread is changing
        return None


# --- what a value consists of -------------------------------------------------------------------------------------


def _counts(value: Any, grid: Grid | None) -> tuple[int, int]:
    """How many items a value has by number, and how many parts by name."""
    kind = id(type(value))
    if kind in _CONTAINERS:
        return (0, len(value)) if kind in _DICTIONARIES else (len(value), 0)
    if kind in _ATOMS:
        return 0, 0
    if grid is None:
        return 0, len(_attributes(value))
    return (grid.rows, 0) if _has_rows(value, grid) else (0, grid.columns)


def _has_rows(value: Any, grid: Grid) -> bool:
    """Whether it consists of its rows: an array, a series or a column does, a frame and an array of records do not."""
    return not value.dtype.names if is_array(value) else len(grid.shape) < 2


def page(variables: dict[str, Any], request: ReadChildren) -> Children:
    """Of what the request's path names."""
    value = follow(variables, request.path)
    if value is UNKNOWN or (type(value) is OfClass and value.frame is None):
        return Children(False, 0, ())
    return children_of(value, request.path, request.start, request.count)


def children_of(value: Any, path: str, start: int, count: int) -> Children:
    """A page of items, attributes or columns. `path` is what names the value."""
    start, count = max(0, start), min(max(0, count), MAX_PAGE)
    grid = _grid(value)
    indexed, named = _counts(value, grid)
    if grid is not None:
        found = (_rows if indexed else _columns)(value, path, grid, start, count)
    else:
        found = tuple([_child(part) for part in _parts(value, path, start, count)]) if indexed or named else ()
    return Children(True, indexed + named, found, indexed > 0)


def _child(part: _Part) -> Child:
    name, path, value = part
    path, grid = path if len(path) <= MAX_PATH else "", _grid(value)
    return Child(
        name[:MAX_NAME], path, type_name(value), _shape(value, grid), _size(value, grid), _line(value, grid),
        *_counts(value, grid),
    )  # fmt: skip


def _parts(value: Any, path: str, start: int, count: int) -> list[_Part]:
    if id(type(value)) in _SEQUENCES:
        page = (
            sliced(value, start, start + count) if type(value) is collections.deque else (value[start : start + count])
        )
        return [(f"[{n}]", f"{path}[{n}]", item) for n, item in enumerate(page, start)]
    if id(type(value)) in _SETS:
        return [("", "", item) for item in sliced(value, start, start + count)]
    if id(type(value)) in _DICTIONARIES:
        return [_entry(path, key, item) for key, item in sliced(dict.items(value), start, start + count)]
    return [(f".{name}", f"{path}.{name}", item) for name, item in _attributes(value)[start : start + count]]


def _entry(path: str, key: Any, value: Any) -> _Part:
    if _is_key(key):
        name = f"[{key!r}]"
        return name, path + name, value
    return f"[{preview(key)}]", "", value


def _is_key(key: Any) -> bool:
    """Whether a path can have it: it is plain, or of plain parts, and short."""
    if type(key) is tuple:
        return len(key) <= MAX_PARTS and all(type(part) is not tuple and _is_key(part) for part in key)
    return id(type(key)) in _KEYS and not _is_long(key)


def _is_long(key: Any) -> bool:
    return len(key) > MAX_PATH if id(type(key)) in _TEXTS else type(key) is int and key.bit_length() > 90


def _attributes(value: Any) -> list[tuple[str, Any]]:
    """What an instance or a module has of its own, what a class defines; slots that are filled."""
    if is_a(value, type):
        own = {name: part for name, part in class_attributes(value).items() if not name.startswith("__")}
        return list(own.items())
    own = dict(own_attributes(value))
    if is_a(value, types.ModuleType):
        own = {name: part for name, part in own.items() if not name.startswith("__")}
    else:
        own.update(_slots(value))
    return list(own.items())


def _slots(value: Any) -> dict[str, Any]:
    found = {}
    for name, slot in class_attributes(type(value)).items():
        if type(slot) is types.MemberDescriptorType and not name.startswith("__"):
            try:
                found[name] = slot.__get__(value)
            except (AttributeError, TypeError):  # empty
                continue
    return found


def _columns(value: Any, path: str, grid: Grid, start: int, count: int) -> tuple[Child, ...]:
    known = labels(value) if is_frame(value) or is_array(value) else []
    times = collections.Counter([label for label in known if _is_key(label)])
    found = []
    for column in range(start, min(start + count, grid.columns)):
        label = known[column] if column < len(known) else UNKNOWN
        place = f"{path}[{label!r}]" if _is_key(label) and times[label] == 1 else ""
        found.append(_column(type_name(value), place if len(place) <= MAX_PATH else "", grid, column))
    return tuple(found)


def _column(kind: str, path: str, grid: Grid, column: int) -> Child:
    shown = preview_list([*[cell_text(cell) for cell in _cells(grid, column, 0, 8)], *(["…"] if grid.rows > 8 else [])])
    name = f"[{grid.names(column)[:MAX_NAME]}]"
    indexed = grid.rows if path else 0  # else nothing can ask for them
    return Child(name, path, grid.dtypes(column) or kind, str(grid.rows), grid.sizes(column), shown, indexed, 0)


def _rows(value: Any, path: str, grid: Grid, start: int, count: int) -> tuple[Child, ...]:
    stop = min(start + count, grid.rows)
    if is_array(value) and value.ndim > 1:
        return tuple([_child((f"[{n}]", f"{path}[{n}]", row)) for n, row in enumerate(value[start:stop], start)])
    can_follow = is_array(value) and value.ndim == 1 and value.dtype.kind in SCALARS
    size = grid.size // max(1, grid.rows)
    found = []
    for row, cell in enumerate(_cells(grid, 0, start, stop), start):
        place = f"{path}[{row}]" if can_follow and len(path) < MAX_PATH else ""
        name = f"[{row if is_array(value) else grid.label(row)[:MAX_NAME]}]"
        found.append(
            Child(name, place, grid.dtypes(0) or grid.dtype or type_name(cell), "", size, cell_text(cell), 0, 0)
        )
    return tuple(found)


# --- windows ------------------------------------------------------------------------------------------------------


def window(variables: dict[str, Any], request: ReadTable) -> Table:
    """Of what the request's path names."""
    rows = range(request.first_row, request.first_row + request.rows)
    columns = range(request.first_column, request.first_column + request.columns)
    return table_of(follow(variables, request.path), rows, columns)


def table_of(value: Any, rows: range, columns: range) -> Table:
    """The cells of these rows and columns, as far as they exist and there are not too many."""
    grid = _grid(value)
    if grid is None:
        return Table(False, "", 0, 0, (), ())
    wanted = range(max(0, columns.start), min(columns.stop, grid.columns, max(0, columns.start) + MAX_PAGE))
    fitting = MAX_CELLS // max(1, len(wanted))
    first = max(0, rows.start)
    stop = min(rows.stop, grid.rows, first + min(fitting, MAX_PAGE))
    cells = [[cell_text(cell) for cell in _cells(grid, column, first, stop)] for column in wanted]
    lines = [
        Row(grid.label(row)[:MAX_NAME], tuple([column[row - first] for column in cells if row - first < len(column)]))
        for row in range(first, stop)
    ]
    heads = [Column(grid.names(column)[:MAX_NAME], grid.dtypes(column)) for column in wanted]
    return Table(True, type_name(value), grid.rows, grid.columns, tuple(heads), tuple(lines))


def _cells(grid: Grid, column: int, first: int, stop: int) -> list[Any]:
    if first >= stop or not grid.columns:
        return []
    try:
        return grid.read(column, first, stop)
    except Exception as exc:  # of a library: the others can be shown all the same
        return [Unreadable(type(exc))] * max(0, min(stop, grid.rows) - first)


class Unreadable:
    """Stands for a cell that its library could not read."""

    def __init__(self, kind: type) -> None:
        self.kind = kind
