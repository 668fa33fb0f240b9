"""What the store keeps, and how each is written as a document: groups, environments, proposals, manifests, notes.

Runs in: host and worker (Python 3.10 and newer). No I/O.

How a document is made of fields and hashes says `documents.py`; the fixed binary parts are in `layout.py`.

    group        bindings [[name, order, type]…] kind codec references [name…] stream COUNT
                 buffers [[COUNT, size, readonly]…] code_version cell size
                 hashes: stream, then each buffer's chunks
    environment  python abi platform executable path [entry…] packages [[name, version]…] directory computer
                 settings [[keeper, item, value, code_version]…]                                  no hashes
    proposal     parent cell line time seconds label added [verified_at…] dropped COUNT missing written
                 hashes: environment, added groups, dropped groups
    manifest     the same, and name; missing null: the same as the base's (sequence and base: in the record)
    note         text time                                                                        no hashes
    label        label                                                                            no hashes
    head         nothing                                                                          no hashes
    forget       sequences [sequence…]: manifests that only serve as bases from here on              no hashes

A group's id is the hash of its document, which is stored as a chunk like any other: whoever knows that a manifest is
authentic knows it of everything that the manifest leads to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from functools import cached_property
from typing import Any

from pyshell.errors import StoreCorrupt, StoreError
from pyshell.frozen import dataclass
from pyshell.store import layout
from pyshell.store.documents import DocumentReader, as_row, encode_document, row_of, typed
from pyshell.store.layout import HASH_SIZE, Entry, hash_chunk

ChunkId = bytes
"""32 bytes: the SHA-256 of the uncompressed chunk."""

KINDS = ("module", "definition", "data")
"""What a group holds; also the order in which groups are brought back."""

CODECS = ("module", "pickle", "dill")
"""How a group's stream is to be read; `module`: there is no stream, the binding's type names what to import."""


@dataclass(frozen=True)
class Binding:
    """One name of the namespace. `order` grows with first binding, and restores the order of names."""

    name: str
    order: int
    type: str


@dataclass(frozen=True)
class Buffer:
    """Bytes that a stream keeps outside of itself (protocol 5), in page-aligned chunks."""

    chunks: tuple[ChunkId, ...]
    size: int
    readonly: bool


@dataclass(frozen=True)
class Group:
    """Names that share objects and so are one pickle."""

    bindings: tuple[Binding, ...]
    kind: str
    """`module`, `definition` or `data`."""
    codec: str
    """`module`, `pickle` or `dill`."""
    references: tuple[str, ...]
    """Names of other groups' definitions that the stream refers to by persistent id."""
    stream: tuple[ChunkId, ...]
    buffers: tuple[Buffer, ...]
    code_version: str
    """`3.11` when the stream holds code objects, which no other minor version may load; else empty."""
    cell: int | None
    """The cell that made it."""
    size: int
    """Bytes of stream and buffers."""

    @cached_property
    def id(self) -> str:
        """The hex hash of the encoded group."""
        return hash_chunk(encode_group(self)).hex()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple([binding.name for binding in self.bindings])

    def chunks(self) -> Iterable[ChunkId]:
        """Every chunk that the group's content needs, its own document not included."""
        yield from self.stream
        for buffer in self.buffers:
            yield from buffer.chunks


@dataclass(frozen=True)
class Missing:
    """A name that the checkpoint does not hold, and why; or a path into one that it holds, as `conf['lock']`."""

    name: str
    type: str
    reason: str
    cell: int | None


@dataclass(frozen=True)
class Setting:
    """Something that cells have set outside of the namespace, as a variable of the process's environment."""

    keeper: str
    """Where it lies: `os.environ`."""
    item: str
    """Which of the things that lie there; empty where there is one only."""
    value: str
    """A pickle in base64, of a dict from the empty name to a list of the value alone; empty: it is not there."""
    code_version: str
    """As of a group."""


@dataclass(frozen=True)
class Environment:
    """What the worker ran in; stored once as a chunk that manifests refer to."""

    python: str
    """`3.11.7`"""
    abi: str
    """The SOABI: `cpython-311-x86_64-linux-gnu`."""
    platform: str
    executable: str
    path: tuple[str, ...]
    """`sys.path`."""
    packages: tuple[tuple[str, str], ...]
    """(name, version) of the distributions in use, sorted."""
    directory: str | None = None
    """The one that it worked in; not there where it could not be told."""
    computer: str | None = None
    """The name of the one that it ran on."""
    settings: tuple[Setting, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """A checkpoint that somebody wrote and nobody committed yet: what changed since `parent`."""

    parent: int
    """The sequence of the checkpoint that this changes; 0: there is none, `added` is everything."""
    cell: int | None
    time: float
    """Seconds since 1970."""
    seconds: float
    """How long writing it took."""
    label: str | None
    environment: ChunkId
    added: tuple[tuple[str, int], ...]
    """(group id, the cell after which it was last verified); a known id again only changes that cell."""
    dropped: tuple[str, ...]
    missing: tuple[Missing, ...]
    """All unsaved names, not only new ones."""
    written: int
    """Bytes that it added to the store."""
    line: int | None = None
    """The line of `cell` that was running; None: `cell` had ended."""


@dataclass(frozen=True)
class Manifest:
    """A committed checkpoint. `added` and `dropped` are relative to `base`; `Store.members` folds them."""

    sequence: int
    parent: int
    """The checkpoint that was changed to get this one, or if that was pruned, the nearest one before it. 0: none."""
    base: int
    """The checkpoint that `added` and `dropped` are relative to; 0: to nothing."""
    name: str
    """Of the proposal that became this checkpoint."""
    cell: int | None
    time: float
    seconds: float
    label: str | None
    environment: ChunkId
    added: tuple[tuple[str, int], ...]
    dropped: tuple[str, ...]
    missing: tuple[Missing, ...]
    written: int
    line: int | None = None

    @property
    def ended(self) -> int | None:
        """The newest cell that it holds whole."""
        return self.cell if self.line is None or self.cell is None else self.cell - 1


@dataclass(frozen=True)
class Note:
    """A sentence in the log that is no checkpoint: the disk was full, the host gave up on a child."""

    text: str
    time: float


def changes(before: Mapping[str, int], after: Mapping[str, int]) -> tuple[tuple[tuple[str, int], ...], tuple[str, ...]]:
    """`(added, dropped)` that turn the group ids `before` into `after`; both map an id to its verified_at."""
    added = tuple([(group, verified) for group, verified in after.items() if before.get(group) != verified])
    return added, tuple([group for group in before if group not in after])


# --- groups ------------------------------------------------------------------------------------------------


def encode_group(group: Group) -> bytes:
    content = {
        "bindings": [as_row(binding) for binding in group.bindings],
        "kind": group.kind,
        "codec": group.codec,
        "references": list(group.references),
        "stream": len(group.stream),
        "buffers": [[len(buffer.chunks), buffer.size, buffer.readonly] for buffer in group.buffers],
        "code_version": group.code_version,
        "cell": group.cell,
        "size": group.size,
    }
    return encode_document(content, group.chunks())


def decode_group(data: bytes, group_id: str | None = None) -> Group:
    """`group_id`: the name of the chunk, where it is known; else it is computed when somebody asks."""
    reader = DocumentReader(data)
    plain = reader.plain(Group, "kind", "codec", "code_version", "cell", "size")
    if plain["kind"] not in KINDS or plain["codec"] not in CODECS:
        raise StoreCorrupt(f"a group is a {plain['kind']!r} in {plain['codec']!r}, which nothing can read")
    bindings = tuple([row_of(Binding, row) for row in reader.rows("bindings")])
    references = tuple([typed(name, str, "references") for name in reader.rows("references")])
    stream = reader.hashes(reader.count("stream"))
    buffers = tuple([_decode_buffer(reader, row) for row in reader.rows("buffers")])
    reader.done()
    group = Group(bindings=bindings, references=references, stream=stream, buffers=buffers, **plain)
    if group_id is not None:
        vars(group)["id"] = group_id
    return group


def _decode_buffer(reader: DocumentReader, row: Any) -> Buffer:
    if type(row) is not list or len(row) != 3:
        raise StoreCorrupt("a group has a buffer that is not (count, size, readonly)")
    return Buffer(reader.hashes(row[0]), typed(row[1], int, "size"), typed(row[2], bool, "readonly"))


# --- environments, notes, labels ------------------------------------------------------------------------------


def encode_environment(environment: Environment) -> bytes:
    content = {field.name: getattr(environment, field.name) for field in fields(environment)}
    content["settings"] = [as_row(setting) for setting in environment.settings] or None
    return encode_document({name: value for name, value in content.items() if value is not None})


def decode_environment(data: bytes) -> Environment:
    reader = DocumentReader(data)
    plain = reader.plain(Environment, "python", "abi", "platform", "executable", "directory", "computer")
    path = tuple([typed(entry, str, "path") for entry in reader.rows("path")])
    packages = []
    for row in reader.rows("packages"):
        name, version = typed(row, list, "packages")[:2] if type(row) is list and len(row) == 2 else (None, None)
        packages.append((typed(name, str, "packages"), typed(version, str, "packages")))
    settings = [row_of(Setting, row) for row in reader.rows("settings")] if "settings" in reader.content else []
    return Environment(path=path, packages=tuple(packages), settings=tuple(settings), **plain)


def encode_note(note: Note) -> Entry:
    return Entry(layout.NOTE, 0, 0, encode_document({"text": note.text, "time": float(note.time)}))


def decode_note(data: bytes) -> Note:
    return Note(**DocumentReader(data).plain(Note, "text", "time"))


def encode_label(sequence: int, label: str | None) -> Entry:
    return Entry(layout.LABEL, sequence, 0, encode_document({"label": label}))


def decode_label(data: bytes) -> str | None:
    label: str | None = DocumentReader(data).plain(Manifest, "label")["label"]
    return label


def encode_head(sequence: int) -> Entry:
    return Entry(layout.HEAD, sequence, 0, encode_document({}))


def encode_forget(sequences: Iterable[int]) -> Entry:
    return Entry(layout.FORGET, 0, 0, encode_document({"sequences": list(sequences)}))


def decode_forget(data: bytes) -> list[int]:
    return [typed(sequence, int, "sequences") for sequence in DocumentReader(data).rows("sequences")]


# --- proposals and manifests ------------------------------------------------------------------------------------

_SHARED = ("parent", "cell", "time", "seconds", "label", "written", "line")


def encode_proposal(proposal: Proposal) -> bytes:
    return encode_document(*_delta(proposal))


def encode_manifest(manifest: Manifest, missing_as_base: bool = False) -> Entry:
    """`missing_as_base`: leave the unsaved names out, because they are the base's."""
    content, hashes = _delta(manifest)
    content["name"] = manifest.name
    if missing_as_base:
        content["missing"] = None
    return Entry(layout.MANIFEST, manifest.sequence, manifest.base, encode_document(content, hashes))


def _delta(value: Proposal | Manifest) -> tuple[dict[str, Any], list[bytes]]:
    content: dict[str, Any] = {name: getattr(value, name) for name in _SHARED}
    content.update(time=float(value.time), seconds=float(value.seconds))
    if value.line is None:
        del content["line"]
    content["added"] = [verified for _, verified in value.added]
    content["dropped"] = len(value.dropped)
    content["missing"] = [as_row(missing) for missing in value.missing]
    groups = [group for group, _ in value.added] + list(value.dropped)
    hashes = [value.environment, *map(bytes.fromhex, groups)]
    if any(len(digest) != HASH_SIZE for digest in hashes):
        raise StoreError(f"a group id and an environment are hashes of {HASH_SIZE} bytes")
    return content, hashes


def decode_proposal(data: bytes) -> Proposal:
    reader = DocumentReader(data)
    common = _decode_delta(reader)
    return Proposal(missing=tuple([row_of(Missing, row) for row in reader.rows("missing")]), **common)


def decode_manifest(entry: Entry, missing_of: Callable[[int], tuple[Missing, ...]]) -> Manifest:
    """`missing_of` answers with the unsaved names of the base, for a manifest that only refers to them."""
    reader = DocumentReader(entry.payload)
    common = _decode_delta(reader) | reader.plain(Manifest, "name")
    if reader.content.get("missing") is not None:
        missing = tuple([row_of(Missing, row) for row in reader.rows("missing")])
    else:
        missing = missing_of(entry.base)
    return Manifest(sequence=entry.sequence, base=entry.base, missing=missing, **common)


def _decode_delta(reader: DocumentReader) -> dict[str, Any]:
    common = reader.plain(Proposal, *_SHARED)
    verified = [typed(cell, int, "added") for cell in reader.rows("added")]
    common["environment"] = reader.hashes(1)[0]
    added = reader.hashes(len(verified))
    common["added"] = tuple([(group.hex(), cell) for group, cell in zip(added, verified)])
    common["dropped"] = tuple([group.hex() for group in reader.hashes(reader.count("dropped"))])
    reader.done()
    return common
