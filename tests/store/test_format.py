"""Documents and fixed parts: what is written is what is read, and nothing else is read.

Runs in: tests.
"""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyshell.errors import CheckpointNotFound, StoreCorrupt, StoreError
from pyshell.store import (
    Binding,
    Buffer,
    Environment,
    Group,
    Manifest,
    Missing,
    Note,
    Proposal,
    Setting,
    changes,
    format,
    layout,
)
from pyshell.store.documents import decode_document, encode_document

text = st.text(st.characters(), max_size=8)  # lone surrogates too: globals() takes any str as a name
hashes = st.binary(min_size=32, max_size=32)
group_ids = hashes.map(bytes.hex)
numbers = st.integers(0, 2**40)
cells = st.none() | st.integers(0, 2**31)
seconds = st.floats(0, 2**40, allow_nan=False)

bindings = st.builds(Binding, text, numbers, text)
buffers = st.builds(Buffer, st.lists(hashes, max_size=3).map(tuple), numbers, st.booleans())
groups = st.builds(
    Group,
    st.lists(bindings, max_size=3).map(tuple),
    st.sampled_from(format.KINDS),
    st.sampled_from(format.CODECS),
    st.lists(text, max_size=3).map(tuple),
    st.lists(hashes, max_size=3).map(tuple),
    st.lists(buffers, max_size=3).map(tuple),
    text,
    cells,
    numbers,
)
environments = st.builds(
    Environment, text, text, text, text, st.lists(text).map(tuple), st.lists(st.tuples(text, text)).map(tuple),
    st.none() | text, st.none() | text, st.lists(st.builds(Setting, text, text, text, text), max_size=3).map(tuple),
)  # fmt: skip
missing = st.lists(st.builds(Missing, text, text, text, cells), max_size=3).map(tuple)
delta = {
    "parent": numbers, "cell": cells, "time": seconds, "seconds": seconds, "label": st.none() | text,
    "environment": hashes, "added": st.lists(st.tuples(group_ids, numbers), max_size=4).map(tuple),
    "dropped": st.lists(group_ids, max_size=4).map(tuple), "missing": missing, "written": numbers,
}  # fmt: skip
proposals = st.builds(Proposal, **delta)
manifests = st.builds(Manifest, sequence=numbers, base=numbers, name=text, **delta)


def no_base(sequence: int) -> tuple[Missing, ...]:
    raise CheckpointNotFound(str(sequence))


@given(groups)
def test_groups_come_back(group: Group) -> None:
    data = format.encode_group(group)
    again = format.decode_group(data)
    assert again == group
    assert format.encode_group(again) == data
    assert again.id == layout.hash_chunk(data).hex()


@given(environments)
def test_environments_come_back(environment: Environment) -> None:
    assert format.decode_environment(format.encode_environment(environment)) == environment


@given(proposals)
def test_proposals_come_back(proposal: Proposal) -> None:
    assert format.decode_proposal(format.encode_proposal(proposal)) == proposal


@given(manifests)
def test_manifests_come_back(manifest: Manifest) -> None:
    assert format.decode_manifest(format.encode_manifest(manifest), no_base) == manifest


@given(manifests)
def test_unsaved_names_may_be_those_of_the_base(manifest: Manifest) -> None:
    entry = format.encode_manifest(manifest, missing_as_base=True)
    seen = []

    def missing_of(sequence: int) -> tuple[Missing, ...]:
        seen.append(sequence)
        return manifest.missing

    assert format.decode_manifest(entry, missing_of) == manifest
    assert seen == [manifest.base]


def test_small_documents_come_back() -> None:
    assert format.decode_note(format.encode_note(Note("full", 1)).payload) == Note("full", 1.0)
    assert format.decode_label(format.encode_label(3, "kept").payload) == "kept"
    assert format.decode_label(format.encode_label(3, None).payload) is None
    assert format.decode_forget(format.encode_forget((1, 2)).payload) == [1, 2]


@given(st.binary(max_size=200))
def test_other_bytes_are_refused(data: bytes) -> None:
    for decode in (format.decode_group, format.decode_environment, format.decode_proposal, format.decode_note):
        with pytest.raises(StoreCorrupt):
            decode(data)


GROUP = Group((Binding("x", 1, "int"),), "data", "pickle", (), (b"h" * 32,), (), "", None, 3)
WRONG = [
    ("kind", "other"), ("codec", "other"), ("cell", True), ("cell", "1"), ("size", 1.0), ("size", None),
    ("bindings", [["x", 1]]), ("bindings", [["x", "1", "int"]]), ("bindings", None), ("stream", 2), ("stream", 0),
    ("stream", -1), ("references", [1]), ("buffers", [[0, 1]]), ("buffers", [[1, 1, True]]), ("buffers", [[0, 1, 1]]),
]  # fmt: skip


@pytest.mark.parametrize("name, value", WRONG)
def test_a_field_of_another_type_is_refused(name: str, value: object) -> None:
    content, found = decode_document(format.encode_group(GROUP))
    with pytest.raises(StoreCorrupt):
        format.decode_group(encode_document({**content, name: value}, found))


def test_unknown_fields_are_ignored_and_missing_ones_are_not() -> None:
    content, found = decode_document(format.encode_group(GROUP))
    assert format.decode_group(encode_document({**content, "newer": [1]}, found)) == GROUP
    for name in content.keys() - {"cell"}:  # without its cell, a group has none
        with pytest.raises(StoreCorrupt):
            format.decode_group(encode_document({key: content[key] for key in content if key != name}, found))


def test_hashes_that_are_none_are_refused_before_they_are_written() -> None:
    proposal = Proposal(0, 1, 1.0, 0.0, None, b"short", (), (), (), 0)
    with pytest.raises(StoreError):
        format.encode_proposal(proposal)


def test_every_field_of_a_dataclass_is_in_its_document() -> None:
    content, _ = decode_document(format.encode_group(GROUP))
    assert set(content) == {field.name for field in dataclasses.fields(Group)}
    environment = Environment(
        "3", "abi", "linux", "exe", (), (), "/work", "here", (Setting("os.environ", "A", "", ""),)
    )
    content, _ = decode_document(format.encode_environment(environment))
    assert set(content) == {field.name for field in dataclasses.fields(Environment)}
    assert format.decode_environment(format.encode_environment(environment)) == environment
    nowhere = dataclasses.replace(environment, directory=None, computer=None, settings=())  # as before it was noted
    content, _ = decode_document(format.encode_environment(nowhere))
    assert content.keys().isdisjoint({"directory", "computer", "settings"})
    assert format.decode_environment(format.encode_environment(nowhere)) == nowhere
    proposal = Proposal(0, 1, 1.0, 0.0, None, b"e" * 32, (), (), (), 0, line=7)
    content, found = decode_document(format.encode_proposal(proposal))
    assert set(content) | {"environment"} == {field.name for field in dataclasses.fields(Proposal)}
    assert format.decode_proposal(format.encode_proposal(proposal)) == proposal
    of_an_end = dataclasses.replace(proposal, line=None)  # as written before there were others
    assert "line" not in decode_document(format.encode_proposal(of_an_end))[0]
    assert format.decode_proposal(format.encode_proposal(of_an_end)) == of_an_end
    assert found == [b"e" * 32]


def test_the_json_is_canonical() -> None:
    data = encode_document({"b": "é\ud800", "a": [1, None]}, [b"h" * 32])
    assert data[4:-32] == b'{"a":[1,null],"b":"\\u00e9\\ud800"}'
    assert json.loads(data[4:-32]) == {"a": [1, None], "b": "é\ud800"}
    with pytest.raises(ValueError):
        encode_document({"time": float("nan")})


def test_changes() -> None:
    assert changes({}, {"a": 1}) == ((("a", 1),), ())
    assert changes({"a": 1, "b": 1, "c": 1}, {"b": 2, "c": 1, "d": 3}) == ((("b", 2), ("d", 3)), ("a",))


@pytest.mark.parametrize(
    "size, chunk",
    [(1, 64 << 10), (16 << 20, 64 << 10), ((16 << 20) + 1, 256 << 10), (64 << 20, 256 << 10), (1 << 30, 1 << 20)],
)
def test_buffers_are_cut_by_their_size(size: int, chunk: int) -> None:
    assert layout.buffer_chunk_size(size) == chunk


def test_records_are_found_behind_damage() -> None:
    key, mac = b"key", bytes(32)
    entries = [layout.Entry(layout.NOTE, number, 0, b"payload%d" % number) for number in range(3)]
    data = [layout.make_record(entry, mac, key) for entry in entries]
    assert [record.entry for record in layout.read_records(b"".join(data), 0, key)] == entries
    for at in range(len(data[1])):
        damaged = bytearray(data[1])
        damaged[at] ^= 1
        records = list(layout.read_records(data[0] + bytes(damaged) + data[2], 0, key))
        assert [record.entry for record in records] == [entries[0], entries[2]]
    (record,) = layout.read_records(data[0], 0, b"another key")
    assert not record.is_signed
    assert list(layout.read_records(data[0][:-1], 0, key)) == []
