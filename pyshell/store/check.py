"""Check a store: read everything, and say in sentences what is not as it was written.

Runs in: host and worker (Python 3.10 and newer).

Nothing is repaired here. What a killed process left behind (a `.part` file, a pack that no checkpoint needs, a
committed proposal) is no inconsistency: crashes make such things, and the next writer or `prune` clears them away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pyshell.errors import StoreCorrupt, StoreError
from pyshell.store import format, layout
from pyshell.store.claims import NAME, PART
from pyshell.store.format import Group
from pyshell.store.index import Index, read_chunk, read_header, read_pack
from pyshell.store.log import Log
from pyshell.store.packs import SUFFIX
from pyshell.store.reading import Reader
from pyshell.store.timeline import Timeline


def check(store: Reader) -> list[str]:
    """Every inconsistency; [] when sound. Looks at the files, not at what `store` remembers of them."""
    found: list[str] = []
    log = Log(store.path / "log", store.log.key, store.files)
    timeline = Timeline(log)
    index = Index(store.index.directory, store.files)
    try:
        timeline.load()
        index.refresh()
    except (StoreError, OSError) as exc:
        return [f"the store cannot be read: {exc}"]
    found += log.damage + timeline.damage
    if log.is_torn:
        found.append("the log ends in something that is no record")
    elif not log.has_reserve:
        found.append("the log has no reserve: the disk is full, or the end of the log was lost")
    found += _check_packs(store, index)
    found += _check_checkpoints(timeline, index)
    found += _check_proposals(store)
    return found


def _check_packs(store: Reader, index: Index) -> Iterator[str]:
    for name in sorted(store.files.names(index.directory)):
        stem = name[: -len(SUFFIX)] if name.endswith(SUFFIX) else name[: -len(PART)]
        if not name.endswith((SUFFIX, PART)) or not NAME.fullmatch(stem):
            yield f"packs/{name} is no pack"
        elif name.endswith(SUFFIX):
            yield from _check_pack(store, stem)


def _check_pack(store: Reader, name: str) -> Iterator[str]:
    files, directory = store.files, store.index.directory
    try:
        pack = read_pack(files, directory, name)
        fd = files.open_read(directory / f"{name}{SUFFIX}")
    except FileNotFoundError:
        return  # pruned meanwhile
    except (StoreCorrupt, OSError) as exc:
        yield str(exc)
        return
    try:
        yield from read_header(files, fd, name)
        for chunk, place, aligned in pack.entries():
            if aligned and place[1] % layout.PAGE:
                yield f"chunk {chunk.hex()[:16]} in pack {name} is not aligned"
            try:
                read_chunk(files, fd, chunk, place)
            except (StoreCorrupt, OSError) as exc:
                yield str(exc)
    finally:
        files.close(fd)


def _check_checkpoints(timeline: Timeline, index: Index) -> Iterator[str]:
    """Chunks are only looked up here: whether they can be read was told for their packs."""
    groups: dict[str, Group | str] = {}
    for sequence in timeline.sequences:
        try:
            manifest = timeline.manifest(sequence)
            members = timeline.members(sequence)
        except StoreError as exc:
            yield f"checkpoint {sequence} cannot be used: {exc}"
            continue
        for group_id in members:
            if group_id not in groups:
                groups[group_id] = _read_group(index, group_id)
        for complaint in _check_members({group_id: groups[group_id] for group_id in members}, index):
            yield f"checkpoint {sequence}: {complaint}"
        try:
            format.decode_environment(b"".join(index.read([manifest.environment])))
        except (StoreCorrupt, OSError) as exc:
            yield f"checkpoint {sequence}: its environment cannot be read: {exc}"


def _read_group(index: Index, group_id: str) -> Group | str:
    try:
        (data,) = index.read([bytes.fromhex(group_id)])
        return format.decode_group(data)
    except (StoreCorrupt, OSError) as exc:
        return f"group {group_id[:16]} cannot be read: {exc}"


def _check_members(groups: Mapping[str, Group | str], index: Index) -> Iterator[str]:
    sound = [group for group in groups.values() if isinstance(group, Group)]
    yield from (group for group in groups.values() if isinstance(group, str))
    for group in sound:
        lacking = sum(chunk not in index for chunk in group.chunks())
        if lacking:
            yield f"{lacking} chunks of the group of {', '.join(group.names)} are missing"
    for name in repeated(name for group in sound for name in group.names):
        yield f"the name {name} is bound by two groups"


def repeated(names: Iterable[str]) -> list[str]:
    """Which of the names come more than once, in their order."""
    seen: set[str] = set()
    found = []
    for name in names:
        if name in seen and name not in found:
            found.append(name)
        seen.add(name)
    return found


def _check_proposals(store: Reader) -> Iterator[str]:
    for name in store.proposals.waiting():
        try:
            store.proposals.read(name)
        except (StoreError, OSError) as exc:
            yield str(exc)
