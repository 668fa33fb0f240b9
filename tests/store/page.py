"""The generated parts of docs/disk-format.md: `python -m tests.store.page` writes them into the page.

Runs in: tests, and by hand after a change of the format.
"""

from __future__ import annotations

import dataclasses
import re
import typing
from pathlib import Path

from pyshell.store import Binding, Buffer, Environment, Group, Manifest, Missing, Note, Proposal, Setting, layout

PAGE = Path(__file__).parents[2] / "docs" / "disk-format.md"

CODES = {"B": "unsigned, 1 byte", "I": "unsigned, 4 bytes", "Q": "unsigned, 8 bytes"}

DOCUMENTS = (Binding, Buffer, Group, Missing, Environment, Setting, Proposal, Manifest, Note)

CONSTANTS = ("VERSION", "PAGE", "STREAM_CHUNK", "RESERVE", "FULL_EVERY", "HASH_SIZE")


def blocks() -> dict[str, str]:
    """Name -> the text that stands between its marks in the page."""
    found = {part.name: _layout(part) for part in layout.LAYOUTS}
    found["constants"] = _table(
        ("constant", "value"), [(f"`{name}`", str(getattr(layout, name))) for name in CONSTANTS]
    )
    found["codecs"] = _table(("codec", "number"), [(f"`{name}`", str(n)) for name, n in layout.CODECS.items()])
    found["records"] = _table(("record", "kind"), [(f"`{name}`", str(n)) for name, n in layout.RECORDS.items()])
    rows = [(f"{limit} bytes", str(size)) for limit, size in layout.BUFFER_CHUNKS]
    found["buffer_chunks"] = _table(("buffers up to", "chunk size"), [*rows, ("more", str(layout.STREAM_CHUNK))])
    found |= {cls.__name__.lower(): _dataclass(cls) for cls in DOCUMENTS}
    return found


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _layout(part: layout.Layout) -> str:
    rows, at = [], 0
    for field in part.fields:
        kind = CODES.get(field.code, f"{field.code[:-1]} bytes")
        rows.append((str(at), f"`{field.name}`", kind, field.meaning))
        at += layout.Layout("", (field.name, field.code, "")).size
    return _table(("offset", "field", "type", "meaning"), [*rows, (str(at), "", "", "the end")])


def _dataclass(cls: type) -> str:
    hints = typing.get_type_hints(cls)
    return _table(
        ("field", "type"), [(f"`{field.name}`", _type(hints[field.name])) for field in dataclasses.fields(cls)]
    )


def _type(hint: typing.Any) -> str:
    if hint is bytes:
        return "hash"
    if typing.get_origin(hint) is tuple:
        items = typing.get_args(hint)
        return f"many {_type(items[0])}" if items[-1] is ... else f"({', '.join(map(_type, items))})"
    return " or ".join("null" if kind is type(None) else kind.__name__ for kind in typing.get_args(hint) or (hint,))


def fill(page: str) -> str:
    for name, text in blocks().items():
        marks = rf"(<!-- {name} -->\n).*?(\n<!-- end -->)"
        page, count = re.subn(marks, lambda match: match[1] + text + match[2], page, flags=re.DOTALL)  # noqa: B023
        assert count == 1, f"the page has {count} places for {name}"
    return page


if __name__ == "__main__":
    PAGE.write_text(fill(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
