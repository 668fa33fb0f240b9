"""Encode and decode documents: JSON for what has names, hashes behind it. Which fields, says `format.py`.

Runs in: host and worker (Python 3.10 and newer).

    length of the JSON (4 bytes, big-endian) · JSON object · hashes, 32 bytes each

The JSON is ASCII with sorted keys and without spaces, so the same value has the same bytes and so the same hash. It
counts the hashes; they follow in the order in which the fields say. A reader ignores fields that it does not know,
and refuses (StoreCorrupt) a known one of another type.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from json import JSONEncoder, loads
from typing import Any, TypeVar, get_args, get_type_hints

from pyshell.errors import StoreCorrupt
from pyshell.store.layout import HASH_SIZE

T = TypeVar("T")
# Made now: a cell may put another library's functions into `json`, and what it changes must be saved all the same.
_encode = JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def encode_document(content: Mapping[str, Any], hashes: Iterable[bytes] = ()) -> bytes:
    text = _encode(content).encode("ascii")
    return len(text).to_bytes(4, "big") + text + b"".join(hashes)


def decode_document(data: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """The JSON object and the hashes after it; StoreCorrupt if that is not what `data` holds."""
    end = 4 + int.from_bytes(data[:4], "big")
    if len(data) < end or len(data) < 4 or (len(data) - end) % HASH_SIZE:
        raise StoreCorrupt("a document of the store has the wrong length")
    try:
        content = loads(data[4:end])
    except (ValueError, RecursionError) as exc:
        raise StoreCorrupt(f"a document of the store is no JSON: {exc}") from exc
    if type(content) is not dict:
        raise StoreCorrupt("a document of the store is no JSON object")
    return content, [data[at : at + HASH_SIZE] for at in range(end, len(data), HASH_SIZE)]


_known_kinds: dict[type[Any], dict[str, tuple[type[Any], ...]]] = {}


def _kinds(cls: type[Any]) -> dict[str, tuple[type[Any], ...]]:
    """Field -> the types that its value may have. Asking `typing` each time took longer than the rest of reading."""
    if cls not in _known_kinds:
        _known_kinds[cls] = {name: get_args(hint) or (hint,) for name, hint in get_type_hints(cls).items()}
    return _known_kinds[cls]


class DocumentReader:
    """Take typed fields out of a document and its hashes in order."""

    def __init__(self, data: bytes) -> None:
        self.content, hashes = decode_document(data)
        self._hashes = iter(hashes)

    def plain(self, cls: type[Any], *names: str) -> dict[str, Any]:
        """Fields whose JSON value is the value itself, checked against the dataclass's annotation."""
        kinds = _kinds(cls)
        return {name: _checked(self.content.get(name), kinds[name], name) for name in names}

    def rows(self, name: str) -> list[Any]:
        return typed(self.content.get(name), list, name)

    def count(self, name: str) -> int:
        return typed(self.content.get(name), int, name)

    def hashes(self, count: Any) -> tuple[bytes, ...]:
        taken = tuple([value for _, value in zip(range(typed(count, int, "count")), self._hashes)])
        if len(taken) != count:
            raise StoreCorrupt("a document of the store lacks hashes")
        return taken

    def done(self) -> None:
        if next(self._hashes, None) is not None:
            raise StoreCorrupt("a document of the store has hashes that it does not name")


def typed(value: Any, kind: type[T], name: str) -> T:
    if type(value) is not kind:
        raise StoreCorrupt(f"a document of the store has a {type(value).__name__} as {name!r}")
    return value


def _checked(value: Any, kinds: tuple[type[Any], ...], name: str) -> Any:
    if type(value) not in kinds:
        raise StoreCorrupt(f"a document of the store has a {type(value).__name__} as {name!r}")
    return value


def row_of(cls: type[T], value: Any) -> T:
    """A small dataclass from the JSON array of its fields."""
    row = typed(value, list, cls.__name__)
    kinds = _kinds(cls)
    if len(row) != len(kinds):
        raise StoreCorrupt(f"a document of the store has a {cls.__name__} of {len(row)} fields")
    return cls(*[_checked(item, kinds[name], name) for item, name in zip(row, kinds)])


def as_row(value: Any) -> list[Any]:
    return [getattr(value, field.name) for field in fields(value)]
