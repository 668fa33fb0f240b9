"""docs/disk-format.md says what the code does, and is enough to read a store by; stores of every version stay readable.

Runs in: tests.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import shutil
import struct
import zlib
from pathlib import Path

import pytest

from pyshell.store import Store, layout
from tests.store import golden, page
from tests.store.build import ENVIRONMENT, load

STORES = sorted((Path(__file__).parent / "golden").iterdir())


def test_there_is_a_store_of_every_version() -> None:
    assert [path.name for path in STORES] == [f"v{number}" for number in range(1, layout.VERSION + 1)]


def test_the_tables_are_the_codes() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.fill(text) == text, "run: python -m tests.store.page"


def test_everything_named_in_the_page_exists() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    prose = re.sub(r"<!-- (\w+) -->.*?<!-- end -->", "", text, flags=re.DOTALL)
    upper = set(re.findall(r"`([A-Z][A-Z_]{3,})`", prose))
    assert upper and upper <= {*page.CONSTANTS}
    parts = set(re.findall(r"`(\w+_(?:header|entry|trailer))`", prose))
    assert parts == {part.name for part in layout.LAYOUTS}
    for name in (*layout.RECORDS, *(name for name in layout.CODECS if name != "raw")):
        assert f"`{name}`" in prose


@pytest.mark.parametrize("path", STORES, ids=lambda path: path.name)
def test_stores_of_every_version_stay_readable(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "store"
    shutil.copytree(path, copy)
    reader = Store.open(copy, key=golden.KEY, writer=False)
    require_golden(reader)
    assert reader.check() == []
    with Store.open(copy, key=golden.KEY, writer=True) as store:
        assert store.repairs == ()
        require_golden(store)
        assert load(store, store.commit("waiting")) == golden.WAITING
        store.prune()
        assert store.check() == []


def require_golden(store: Store) -> None:
    assert {manifest.sequence: load(store, manifest) for manifest in store.manifests()} == golden.STATES
    assert {manifest.sequence: manifest.label for manifest in store.manifests()} == golden.LABELS
    assert [manifest.missing for manifest in store.manifests()] == [golden.MISSING, golden.MISSING, ()]
    assert store.head is not None and store.head.sequence == golden.HEAD
    assert [(note.text, note.time) for note in store.notes()] == [("a note", 1.5)]
    assert store.waiting() == ["waiting"]


# --- a reader that knows nothing but the page -------------------------------------------------------------------------


class PageReader:
    """Reads a store of the page's version by the tables in the page. None of the store's code is used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = page.PAGE.read_text(encoding="utf-8")
        self.constants = {name: int(value) for name, value in self.rows("constants")}
        self.kinds = {int(value): name for name, value in self.rows("records")}
        self.codecs = {int(value): name for name, value in self.rows("codecs")}
        self.chunks = self.read_packs()

    def rows(self, name: str) -> list[list[str]]:
        found = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- end -->", self.text, re.DOTALL)
        assert found
        lines = found[1].splitlines()[2:]
        return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]

    def part(self, name: str, data: bytes, at: int) -> tuple[dict[str, object], int]:
        """The fields of a fixed part at an offset, and the offset behind it."""
        values: dict[str, object] = {}
        rows = self.rows(name)
        for (start, field, kind, _), (end, *_) in zip(rows, rows[1:]):
            raw = data[at + int(start) : at + int(end)]
            values[field] = int.from_bytes(raw, "big") if kind.startswith("unsigned") else raw
        return values, at + int(rows[-1][0])

    def size(self, name: str) -> int:
        return int(self.rows(name)[-1][0])

    def read_packs(self) -> dict[bytes, bytes]:
        chunks = {}
        for file in self.path.glob("packs/*.pack"):
            data = file.read_bytes()
            header, _ = self.part("pack_header", data, 0)
            assert (header["magic"], header["version"], header["page"]) == (b"pyshPACK", 1, self.constants["PAGE"])
            start = len(data) - self.size("pack_trailer")
            trailer, _ = self.part("pack_trailer", data, start)
            assert trailer["magic"] == b"pyshTAIL" and trailer["crc"] == zlib.crc32(data[start:-4])
            assert trailer["index_crc"] == zlib.crc32(data[trailer["index"] : start])  # type: ignore[misc]
            at = trailer["index"]
            for _ in range(trailer["count"]):  # type: ignore[call-overload]
                entry, at = self.part("pack_entry", data, at)  # type: ignore[arg-type]
                payload = data[entry["offset"] :][: entry["stored"]]  # type: ignore[misc]
                content = zlib.decompress(payload) if self.codecs[entry["codec"]] == "zlib" else payload  # type: ignore[index]
                assert len(content) == entry["size"] and hashlib.sha256(content).digest() == entry["hash"]
                assert not entry["aligned"] or entry["offset"] % self.constants["PAGE"] == 0  # type: ignore[operator]
                chunks[content and hashlib.sha256(content).digest()] = content
            assert at == start
        return chunks

    def document(self, data: bytes) -> tuple[dict[str, object], list[bytes]]:
        (length,) = struct.unpack(">I", data[:4])
        hashes = data[4 + length :]
        size = self.constants["HASH_SIZE"]
        return json.loads(data[4 : 4 + length]), [hashes[at : at + size] for at in range(0, len(hashes), size)]

    def read_log(self, key: bytes) -> list[tuple[str, dict[str, object], dict[str, object], list[bytes]]]:
        data = (self.path / "log").read_bytes()
        header, at = self.part("log_header", data, 0)
        assert header["magic"] == b"pyshLOG\n" and header["version"] == 1
        assert header["crc"] == zlib.crc32(data[: at - 4])
        assert header["mac"] == hmac.digest(key, data[: at - 36], "sha256")
        previous, found = header["mac"], []
        while data[at : at + 4] == b"REC1":
            record, end = self.part("record_header", data, at)
            payload = data[end : end + record["length"]]  # type: ignore[operator]
            assert record["crc"] == zlib.crc32(data[at : end - 4] + payload)
            assert record["previous"] == previous
            assert record["mac"] == hmac.digest(key, data[at : end - 36] + payload, "sha256")
            found.append((self.kinds[record["kind"]], record, *self.document(payload)))  # type: ignore[index]
            previous, at = record["mac"], end + len(payload)
        assert set(data[at:]) == {0} and len(data) - at >= self.constants["RESERVE"]
        return found

    def states(self, key: bytes) -> dict[int, dict[str, bytes]]:
        members: dict[int, set[bytes]] = {0: set()}
        forgotten: set[int] = set()
        for kind, record, content, hashes in self.read_log(key):
            if kind == "forget":
                forgotten.update(content["sequences"])  # type: ignore[call-overload]
            if kind == "manifest":
                count = len(content["added"])  # type: ignore[arg-type]
                added, dropped = hashes[1 : 1 + count], hashes[1 + count :]
                assert len(dropped) == content["dropped"]
                before = members[record["base"]]  # type: ignore[index]
                members[record["sequence"]] = (before - set(dropped)) | set(added)  # type: ignore[index]
        return {
            sequence: {name: value for group in groups for name, value in self.values(group)}
            for sequence, groups in members.items()
            if sequence and sequence not in forgotten
        }

    def values(self, group: bytes) -> list[tuple[str, bytes]]:
        content, hashes = self.document(self.chunks[group])
        count = content["stream"]
        value = b"".join(self.chunks[chunk] for chunk in hashes[:count])  # type: ignore[misc]
        at = count
        for chunks, size, readonly in content["buffers"]:  # type: ignore[attr-defined]
            buffer = b"".join(self.chunks[chunk] for chunk in hashes[at : at + chunks])  # type: ignore[operator]
            assert buffer == value and len(buffer) == size and readonly is False
            at += chunks
        assert at == len(hashes)
        return [(name, value) for name, order, kind in content["bindings"]]  # type: ignore[attr-defined]


def test_the_page_is_enough_to_read_the_newest_version() -> None:
    reader = PageReader(STORES[-1])
    assert reader.states(golden.KEY) == golden.STATES
    head = [record["sequence"] for kind, record, _, _ in reader.read_log(golden.KEY) if kind in ("manifest", "head")]
    assert head[-1] == golden.HEAD
    _, _, content, hashes = next(row for row in reader.read_log(golden.KEY) if row[0] == "manifest")
    environment, _ = reader.document(reader.chunks[hashes[0]])
    assert environment["python"] == ENVIRONMENT.python and environment["packages"] == [["numpy", "1.26"]]
    data = (STORES[-1] / "proposals" / "waiting").read_bytes()
    header, at = reader.part("proposal_header", data, 0)
    assert header["magic"] == b"pyshPROP" and header["length"] == len(data) - at
    assert header["crc"] == zlib.crc32(data[: at - 4] + data[at:])
    proposal, _ = reader.document(data[at:])
    assert proposal["parent"] == golden.HEAD
