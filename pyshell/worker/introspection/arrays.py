"""What arrays and frames say of themselves in C or in their own library's code: shape, dtype, size, cells by window.

Runs in: worker, on its RPC thread.

Of numpy, pandas, polars and pyarrow, and only of their own classes: a subclass is the user's code. A library's code may
lead to the user's, too: `frame.iloc[…]` copies `attrs` deeply, `str(array)` asks a formatter that the user has set. So
what is read are the arrays in which a frame keeps its values, and single items of these.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any, NamedTuple

from pyshell.worker.kinds import home_of
from pyshell.worker.looking import OfClass, is_a, is_array, is_in_c, own_attributes, preview

MAX_CELL = 200
_LIBRARIES = ("numpy", "pandas", "polars", "pyarrow")


class Grid(NamedTuple):
    """An array or a frame, as rows and columns."""

    shape: tuple[int, ...]
    dtype: str
    size: int
    """Bytes."""
    columns: int
    names: Callable[[int], str]
    dtypes: Callable[[int], str]
    sizes: Callable[[int], int]
    """Bytes of one column."""
    label: Callable[[int], str]
    read: Callable[[int, int, int], list[Any]]
    """`read(column, first, stop)`: values of these rows."""

    @property
    def rows(self) -> int:
        return self.shape[0] if self.shape else 1

    def column(self, place: int) -> Grid:
        """One column, as a grid of its own."""
        return self._replace(
            shape=self.shape[:1], dtype=self.dtypes(place), size=self.sizes(place), columns=1,
            names=lambda _: self.names(place), dtypes=lambda _: self.dtypes(place), sizes=lambda _: self.sizes(place),
            read=lambda _, first, stop: self.read(place, first, stop),
        )  # fmt: skip


def library(name: str) -> dict[str, Any]:
    """The names in a module that is imported; nothing is imported for it."""
    module = sys.modules.get(name)
    return module.__dict__ if type(module) is types.ModuleType else {}


def is_of(value: object, module: str, *names: str) -> bool:
    """Whether the value's class is one that a library has under one of these names, and no subclass."""
    known = library(module)
    return any(type(value) is known.get(name) for name in names)


def grid_of(value: Any) -> Grid | None:
    """None: it is neither, or a subclass, or made in a way that is not known here."""
    if type(value) is OfClass:
        frame = grid_of(value.frame) if value.frame is not None else None
        return frame and frame.column(value.place)
    home = home_of(type(value))
    if home is None or home.partition(".")[0] not in _LIBRARIES:
        return None  # most values: this is asked of each
    if is_array(value):
        return _of_array(value)
    if is_of(value, "pandas", "DataFrame", "Series"):
        return _of_frame(value)
    if is_of(value, "pandas", *_INDEXES):
        return _of_index(value)
    if is_of(value, "polars", "DataFrame", "Series"):
        return _of_polars(value)
    if is_of(value, "pyarrow", "Table", "RecordBatch"):
        return _of_arrow(value)
    return None


def cell_text(value: Any) -> str:
    """A value in a cell, in one line; of one whose code would have to run the type."""
    if type(value) is str:
        return value[:MAX_CELL]
    if type(value) is float:
        return repr(value)
    if is_number(value) or is_of(value, "datetime", "date", "timedelta") or is_of(value, "decimal", "Decimal"):
        return str(value)[:MAX_CELL]
    if is_of(value, "datetime", "datetime", "time") or is_of(value, "pandas", "Timestamp"):
        return str(value) if _is_known_zone(value.tzinfo) else f"{value.replace(tzinfo=None)}+?"
    if is_of(value, "pandas", "Timedelta", "Period") or value is library("pandas").get("NaT", UNLIKELY):
        return str(value)
    return "<NA>" if value is library("pandas").get("NA", UNLIKELY) else preview(value)[:MAX_CELL]


def _is_known_zone(zone: object) -> bool:
    """Whether the user's code has no part in it."""
    return zone is None or is_of(zone, "datetime", "timezone") or is_of(zone, "zoneinfo", "ZoneInfo")


UNLIKELY = object()


def is_number(value: object) -> bool:
    """Whether it is a scalar of numpy's own: what it shows itself with is C."""
    generic, structured = library("numpy").get("generic"), library("numpy").get("void")
    if type(generic) is not type or type(structured) is not type or not is_in_c(type(value)):
        return False
    return is_a(value, generic) and not is_a(value, structured)


# --- numpy --------------------------------------------------------------------------------------------------------


def _of_array(array: Any) -> Grid:
    shape, names = array.shape, array.dtype.names
    is_flat = array.ndim < 2
    columns = len(names) if names and is_flat else 1 if is_flat else shape[1]

    def read(column: int, first: int, stop: int) -> list[Any]:
        if array.ndim == 0:
            return [items(array.reshape(1))[0]][first:stop]
        part = array[first:stop] if is_flat else array[first:stop, column]
        if part.ndim > 1:
            return [f"array{part.shape[1:]}"] * len(part)
        return items(part[names[column]] if names and is_flat else part)

    return Grid(
        shape, _dtype_text(array.dtype), int(array.nbytes), columns,
        lambda column: names[column] if names and is_flat else str(column),
        lambda column: _dtype_text(array.dtype[column]) if names and is_flat else _dtype_text(array.dtype),
        lambda column: array.size * array.dtype[column].itemsize if names and is_flat else array.nbytes // columns,
        str, read,
    )  # fmt: skip


def items(array: Any) -> list[Any]:
    """The values of a short one-dimensional array; times as text, since numpy gives those of nanoseconds as numbers."""
    if array.dtype.kind in "mM":
        return [str(value) for value in array]
    return list(array.tolist()) if array.dtype.kind != "f" or array.dtype.itemsize == 8 else [str(v) for v in array]


def _dtype_text(dtype: Any) -> str:
    """Of a record the names only: its titles may be any objects."""
    names = dtype.names
    return str(dtype)[:80] if not names else f"record of {', '.join(names[:8])}"[:80]


# --- pandas -------------------------------------------------------------------------------------------------------

_INDEXES = (
    "Index", "RangeIndex", "DatetimeIndex", "TimedeltaIndex", "PeriodIndex", "CategoricalIndex", "IntervalIndex",
    "MultiIndex",
)  # fmt: skip


def _blocks(frame: Any) -> tuple[Any, list[Any]] | None:
    """The blocks that a frame keeps its values in, and its axes."""
    manager: Any = own_attributes(frame).get("_mgr")
    if not is_of(manager, "pandas.core.internals.managers", "BlockManager", "SingleBlockManager"):
        return None
    axes = manager.axes
    return (manager.blocks, axes) if all(is_of(axis, "pandas", *_INDEXES) for axis in axes) else None


def _of_frame(frame: Any) -> Grid | None:
    found = _blocks(frame)
    if found is None:
        return None
    blocks, axes = found
    is_series = len(axes) == 1
    rows, columns = len(axes[-1]), 1 if is_series else len(axes[0])

    def values_of(column: int) -> Any:
        if is_series:
            return blocks[0].values
        for block in blocks:
            place = (block.mgr_locs.as_array == column).nonzero()[0]
            if len(place):
                values = block.values
                return values[int(place[0])] if values.ndim > 1 and _is_readable(values) else values
        return None

    name = own_attributes(frame).get("_name") if is_series else None
    return Grid(
        (rows,) if is_series else (rows, columns), _dtype_of(values_of(0)) if is_series else "",
        sum([_bytes(block.values) for block in blocks]) + _bytes_of_index(axes[-1]), columns,
        lambda column: cell_text(name) if is_series else label_of(axes[0], column),
        lambda column: _dtype_of(values_of(column)), lambda column: _bytes(values_of(column)),
        lambda row: label_of(axes[-1], row),
        lambda column, first, stop: _read(values_of(column), first, stop),
    )  # fmt: skip


def _is_readable(values: Any) -> bool:
    """Whether an array is numpy's, or one of those that pandas brings."""
    return is_array(values) or is_of(values, "pandas.arrays", *library("pandas.arrays")) or (
        is_of(values, "pandas", "Categorical")
    )


def _read(values: Any, first: int, stop: int) -> list[Any]:
    """Single items: what an array of pandas makes of a whole slice may have to look at each value."""
    if is_array(values):
        return items(values[first:stop])
    if not _is_readable(values):
        return ["…"] * max(0, min(stop, len(values) if is_in_c(type(values)) else stop) - first)
    return [values[row] for row in range(first, min(stop, len(values)))]


def _dtype_of(values: Any) -> str:
    return _dtype_text(values.dtype) if is_array(values) else str(values.dtype)[:80] if _is_readable(values) else ""


def _bytes(values: Any) -> int:
    return int(values.nbytes) if _is_readable(values) else 0


def _bytes_of_index(index: Any) -> int:
    if is_of(index, "pandas", "Index", "DatetimeIndex", "TimedeltaIndex", "PeriodIndex"):
        return _bytes(own_attributes(index).get("_data"))
    return 0


def label_of(index: Any, place: int) -> str:
    """One label of an axis."""
    if is_of(index, "pandas", "MultiIndex"):
        labels = index[place] if all(_is_plain_index(level) for level in index.levels) else ("…",)
        return ", ".join([cell_text(label) for label in labels])
    if is_of(index, "pandas", "RangeIndex"):
        return str(index[place])
    return cell_text(index[place]) if _is_plain_index(index) else "…"


def _is_plain_index(index: Any) -> bool:
    return is_of(index, "pandas", *_INDEXES) and (
        is_of(index, "pandas", "RangeIndex") or _is_readable(own_attributes(index).get("_data"))
    )


def _of_index(index: Any) -> Grid:
    return Grid(
        (len(index),), "" if is_of(index, "pandas", "MultiIndex") else str(index.dtype)[:80], _bytes_of_index(index), 1,
        lambda column: "", lambda column: "", lambda column: _bytes_of_index(index), str,
        lambda column, first, stop: [label_of(index, place) for place in range(first, min(stop, len(index)))],
    )  # fmt: skip


# --- polars and pyarrow -------------------------------------------------------------------------------------------


def _of_polars(value: Any) -> Grid:
    is_series = is_of(value, "polars", "Series")

    def column_of(column: int) -> Any:
        return value if is_series else value.to_series(column)

    return Grid(
        (len(value),) if is_series else value.shape, str(value.dtype)[:80] if is_series else "",
        int(value.estimated_size()), 1 if is_series else value.width,
        lambda column: column_of(column).name, lambda column: str(column_of(column).dtype)[:80],
        lambda column: int(column_of(column).estimated_size()), str,
        lambda column, first, stop: column_of(column).slice(first, max(0, stop - first)).to_list(),
    )  # fmt: skip


def _of_arrow(table: Any) -> Grid | None:
    extension = library("pyarrow").get("BaseExtensionType")
    kinds = [table.schema.field(column).type for column in range(table.num_columns)]
    if type(extension) is not type or any(is_a(kind, extension) for kind in kinds):
        return None  # what such a value becomes in Python is for the user's code to say
    return Grid(
        (table.num_rows, table.num_columns), "", int(table.nbytes), table.num_columns,
        lambda column: table.schema.field(column).name, lambda column: str(kinds[column])[:80],
        lambda column: int(table.column(column).nbytes), str,
        lambda column, first, stop: table.column(column).slice(first, max(0, stop - first)).to_pylist(),
    )  # fmt: skip
