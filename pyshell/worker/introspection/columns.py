"""Columns of frames by their labels.

Runs in: worker, on any thread.

Only the library's code makes an object of a column: here it is told where it is. Labels are read from the array that an
axis is; what an index of another class would do to show them is not asked.
"""

from __future__ import annotations

from typing import Any

from pyshell.worker.introspection.arrays import is_of, library
from pyshell.worker.looking import UNKNOWN, OfClass, is_array, is_exactly, own_attributes

MAX_LABELS = 10_000
_STRING_ARRAYS = ("StringArray", "StringArrayNumpySemantics")
_PLAIN = (str, int, float, bool, bytes)
_LIBRARIES = (
    ("pandas", "DataFrame", "Series"),
    ("polars", "DataFrame", "Series"),
    ("pyarrow", "Table", "ChunkedArray"),
    ("pyarrow", "RecordBatch", "Array"),
)
"""Where frames come from, and what a column of one is."""


def is_frame(value: object) -> bool:
    """Whether it is a frame of one of the libraries, and of no subclass."""
    return series_class(value) is not None


def series_class(frame: object) -> type | None:
    """What a column of the frame is an object of."""
    for module, name, of_column in _LIBRARIES:
        if is_of(frame, module, name):
            cls = library(module).get(of_column)
            return cls if isinstance(cls, type) else object
    return None


def labels(value: Any) -> list[Any]:
    """Of all columns of a frame or a record, the first at place 0; UNKNOWN for what is neither text nor a number."""
    if is_array(value):
        return list(value.dtype.names or ())
    if is_of(value, "pandas", "DataFrame"):
        return _of_axis(value, 0, MAX_LABELS)
    return list(value.schema.names()) if is_of(value, "polars", "DataFrame") else list(value.schema.names)


def column_names(value: Any) -> list[Any]:
    """The labels of columns that can be typed."""
    return [label for label in labels(value) if label is not UNKNOWN]


def row_names(value: Any, limit: int) -> list[Any]:
    """The same of the rows of pandas' frames and series."""
    is_series = is_of(value, "pandas", "Series")
    return [label for label in _of_axis(value, 0 if is_series else 1, limit) if label is not UNKNOWN]


def column_of(frame: Any, key: object) -> Any:
    """`frame[key]`, if there is one column of that label."""
    same = [(n, label) for n, label in enumerate(labels(frame)) if type(label) is type(key) and label == key]
    places = [n for n, label in same if _kinds(label) == _kinds(key)]
    if len(places) != 1 or not all(is_exactly(part, _PLAIN) for part in (key if type(key) is tuple else (key,))):
        return UNKNOWN
    return OfClass(series_class(frame) or object, frame, places[0])


def _of_axis(value: Any, axis: int, limit: int) -> list[Any]:
    axes = axes_of(value)
    return _labels_of(axes[axis], limit) if axis < len(axes) else []


def _labels_of(index: Any, limit: int) -> list[Any]:
    if is_of(index, "pandas", "RangeIndex"):
        return list(range(min(len(index), limit)))
    if is_of(index, "pandas", "MultiIndex"):
        return _of_levels(own_attributes(index), limit)
    if not is_of(index, "pandas", "Index"):
        return []
    data: Any = own_attributes(index).get("_data")
    if is_of(data, "pandas.core.arrays.string_", *_STRING_ARRAYS):
        data = getattr(data, "_ndarray", None)  # a member of pandas' compiled class
    found = data[:limit].tolist() if is_array(data) else _of_arrow(data, limit)
    return [label if is_exactly(label, _PLAIN) else UNKNOWN for label in found]


def _of_levels(index: dict[str, Any], limit: int) -> list[Any]:
    """Tuples: of each level its labels are stored, and which of them stand where."""
    levels, codes = index.get("_levels"), index.get("_codes")
    if not all(is_of(part, "pandas.core.indexes.frozen", "FrozenList") for part in (levels, codes)):
        return []
    found = []
    for level, places in zip(list(levels or ()), list(codes or ())):
        names = _labels_of(level, MAX_LABELS)
        if not is_array(places):
            return []
        found.append([names[place] if 0 <= place < len(names) else UNKNOWN for place in places[:limit].tolist()])
    return [UNKNOWN if UNKNOWN in label else label for label in zip(*found)]


def _kinds(label: object) -> list[type]:
    """`1 == True`, but they are two labels."""
    return [type(part) for part in label] if type(label) is tuple else [type(label)]


def _of_arrow(data: Any, limit: int) -> list[Any]:
    chunks: Any = own_attributes(data).get("_pa_array")
    return list(chunks.slice(0, limit).to_pylist()) if is_of(chunks, "pyarrow", "ChunkedArray") else []


def axes_of(value: Any) -> list[Any]:
    """The columns and the rows of pandas' frame, the rows of a series."""
    manager = own_attributes(value).get("_mgr")
    if not is_of(manager, "pandas.core.internals.managers", "BlockManager", "SingleBlockManager"):
        return []
    axes = getattr(manager, "axes", None)  # a member of pandas' compiled class
    return axes if type(axes) is list else []
