"""Lay out the fixed binary parts of the store's files: headers, index entries and record frames.

Runs in: host and worker (Python 3.10 and newer).

    packs/NAME.pack      pack_header · chunk payloads · pack_entry × count · pack_trailer
    proposals/NAME       proposal_header · payload
    log                  log_header · (record_header · payload) … · zeros, the reserve

All numbers are big-endian. Every table of `docs/disk-format.md` is generated from what stands here, and a test
compares: a change here is a change of the format, and needs a new VERSION.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
import zlib
from collections.abc import Iterator

from pyshell.frozen import dataclass

VERSION = 1
"""Of all files of a store. A program refuses a version that it does not know."""

PAGE = 4096
"""Payloads of aligned chunks begin at multiples of this offset in their pack."""

STREAM_CHUNK = 1 << 20
"""The most bytes of a stream in one chunk."""

BUFFER_CHUNKS = ((16 << 20, 64 << 10), (64 << 20, 256 << 10))
"""(size of buffer up to which, size of its chunks); larger buffers are cut like streams."""

RESERVE = 64 << 10
"""The zeros after the last record: room that is already allocated when the disk is full."""

FULL_EVERY = 32
"""The longest chain of manifests that say only what changed; the next one stands alone."""

HASH_SIZE = 32
"""Bytes of a chunk's name: the SHA-256 of its uncompressed content."""

# SHA-256, not BLAKE2b: with the instructions that every current processor has for it, it is three times faster.


@dataclass(frozen=True)
class Field:
    """One field of a fixed part: its `struct` code and what it means."""

    name: str
    code: str
    meaning: str


class Layout:
    """A fixed sequence of fields. `struct` is there for loops that need its speed."""

    def __init__(self, name: str, *fields: tuple[str, str, str]) -> None:
        self.name = name
        self.fields = tuple([Field(*field) for field in fields])
        self.struct = struct.Struct(">" + "".join(field.code for field in self.fields))
        self.size = self.struct.size


PACK_MAGIC = b"pyshPACK"
TRAILER_MAGIC = b"pyshTAIL"
PROPOSAL_MAGIC = b"pyshPROP"
LOG_MAGIC = b"pyshLOG\n"
RECORD_MAGIC = b"REC1"

RAW = 0
ZLIB = 1
CODECS = {"raw": RAW, "zlib": ZLIB}
"""How a chunk's payload is stored."""

MANIFEST = 1
LABEL = 2
HEAD = 3
NOTE = 4
FORGET = 5
RECORDS = {"manifest": MANIFEST, "label": LABEL, "head": HEAD, "note": NOTE, "forget": FORGET}
"""The kinds of records in the log."""

PACK_HEADER = Layout(
    "pack_header",
    ("magic", "8s", "`pyshPACK`"),
    ("version", "I", "1"),
    ("page", "I", "what aligned payloads are aligned to: 4096"),
)
PACK_ENTRY = Layout(
    "pack_entry",
    ("hash", "32s", "SHA-256 of the uncompressed chunk: its name"),
    ("offset", "Q", "where its payload begins in this file"),
    ("stored", "I", "bytes of the payload"),
    ("size", "I", "bytes of the chunk, uncompressed"),
    ("codec", "B", "0: as it is, 1: zlib"),
    ("aligned", "B", "1: the payload begins at a page"),
    ("zero", "2s", "zeros"),
)
PACK_TRAILER = Layout(
    "pack_trailer",
    ("magic", "8s", "`pyshTAIL`"),
    ("index", "Q", "where the first pack_entry begins"),
    ("count", "I", "number of entries; they end where the trailer begins"),
    ("index_crc", "I", "CRC-32 of all entries"),
    ("zero", "4s", "zeros"),
    ("crc", "I", "CRC-32 of the trailer up to here: the last bytes of the file"),
)
PROPOSAL_HEADER = Layout(
    "proposal_header",
    ("magic", "8s", "`pyshPROP`"),
    ("version", "I", "1"),
    ("length", "I", "bytes of the payload, a proposal document"),
    ("crc", "I", "CRC-32 of the header up to here and of the payload"),
)
LOG_HEADER = Layout(
    "log_header",
    ("magic", "8s", "`pyshLOG` and a line feed"),
    ("version", "I", "1"),
    ("generation", "16s", "random; another one each time the log is rewritten"),
    ("mac", "32s", "HMAC-SHA256 of the header up to here"),
    ("crc", "I", "CRC-32 of the header up to here"),
)
RECORD_HEADER = Layout(
    "record_header",
    ("magic", "4s", "`REC1`"),
    ("kind", "B", "1: manifest, 2: label, 3: head, 4: note, 5: forget"),
    ("zero", "3s", "zeros"),
    ("sequence", "Q", "the manifest's number, or of which manifest this speaks; 0 in a note and a forget"),
    ("base", "Q", "the manifest that a manifest is relative to; 0: it stands alone, or is none"),
    ("length", "I", "bytes of the payload"),
    ("previous", "32s", "mac of the record before; of the log_header in the first"),
    ("mac", "32s", "HMAC-SHA256 of the header up to here and of the payload"),
    ("crc", "I", "CRC-32 of the header up to here and of the payload"),
)
LAYOUTS = (PACK_HEADER, PACK_ENTRY, PACK_TRAILER, PROPOSAL_HEADER, LOG_HEADER, RECORD_HEADER)

_CRC_SIZE = 4
_MAC_SIZE = 32


def hash_chunk(data: bytes | memoryview) -> bytes:
    """The name of a chunk with this content."""
    return hashlib.sha256(data).digest()


def buffer_chunk_size(size: int) -> int:
    """How a buffer of `size` bytes is cut: the same for every buffer of that size, or nothing would be found again."""
    for limit, chunk in BUFFER_CHUNKS:
        if size <= limit:
            return chunk
    return STREAM_CHUNK


def add_crc(header: bytes, payload: bytes) -> bytes:
    """A header whose last field is its CRC, with that CRC."""
    return header[:-_CRC_SIZE] + zlib.crc32(payload, zlib.crc32(header[:-_CRC_SIZE])).to_bytes(_CRC_SIZE, "big")


def seal(header: bytes, key: bytes, payload: bytes = b"") -> bytes:
    """A log_header or a record_header with the mac and the CRC that it ends in."""
    body = header[: -_CRC_SIZE - _MAC_SIZE]
    return add_crc(body + hmac.digest(key, body + payload, "sha256") + bytes(_CRC_SIZE), payload)


def is_intact(header: bytes, payload: bytes = b"") -> bool:
    """Whether a header that ends in a CRC, with its payload, is what was written."""
    return add_crc(header, payload) == header


def is_signed(header: bytes, key: bytes, payload: bytes = b"") -> bool:
    """Whether the mac of a sealed header was made with this key."""
    body = header[: -_CRC_SIZE - _MAC_SIZE]
    return hmac.compare_digest(mac_of(header), hmac.digest(key, body + payload, "sha256"))


@dataclass(frozen=True)
class Entry:
    """What a record says; the payload is a document of `format.py`, not yet decoded."""

    kind: int
    sequence: int
    base: int
    payload: bytes


@dataclass(frozen=True)
class Record:
    """One record of the log as it lies on disk."""

    offset: int
    entry: Entry
    previous: bytes
    mac: bytes
    is_signed: bool

    @property
    def end(self) -> int:
        return self.offset + RECORD_HEADER.size + len(self.entry.payload)


def make_log_header(generation: bytes, key: bytes) -> bytes:
    return seal(LOG_HEADER.struct.pack(LOG_MAGIC, VERSION, generation, b"", 0), key)


def make_record(entry: Entry, previous: bytes, key: bytes) -> bytes:
    """The bytes of one record; `previous` chains it to the record before."""
    values = (entry.kind, b"", entry.sequence, entry.base, len(entry.payload), previous, b"", 0)
    head = RECORD_HEADER.struct.pack(RECORD_MAGIC, *values)
    return seal(head, key, entry.payload) + entry.payload


def mac_of(header: bytes) -> bytes:
    """The mac in a sealed header, to chain the next record to."""
    return header[-_CRC_SIZE - _MAC_SIZE : -_CRC_SIZE]


def read_record(data: bytes, offset: int, key: bytes | None) -> Record | None:
    """The record at `offset`, or None where no intact one begins. With a key its mac is checked too."""
    header = data[offset : offset + RECORD_HEADER.size]
    if len(header) < RECORD_HEADER.size or header[:4] != RECORD_MAGIC:
        return None
    _, kind, _, sequence, base, length, previous, mac, _ = RECORD_HEADER.struct.unpack(header)
    payload = data[offset + RECORD_HEADER.size : offset + RECORD_HEADER.size + length]
    if len(payload) < length or not is_intact(header, payload):
        return None
    signed = key is None or is_signed(header, key, payload)
    return Record(offset, Entry(kind, sequence, base, payload), previous, mac, signed)


def read_records(data: bytes, offset: int, key: bytes | None) -> Iterator[Record]:
    """Every intact record from `offset` on, also those behind a damaged one."""
    while offset >= 0:
        record = read_record(data, offset, key)
        if record is not None:
            yield record
            offset = record.end
        else:
            offset = data.find(RECORD_MAGIC, offset + 1)
