"""Say who is writing a proposal, keep prune away meanwhile, and hand the proposal over.

Runs in: host and worker (Python 3.10 and newer).

    gate                 locked shared by everyone who writes packs or a proposal, exclusively by who removes packs:
                         a chunk that a writer found and did not write again stays until it has proposed
    proposals/NAME.part  locked by its writer from before the first chunk until the proposal is there
    proposals/NAME       a complete proposal that waits for the commit

The locks end with the process, so one that was killed leaves files behind but no claim.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from pyshell.errors import StoreCorrupt, StoreError
from pyshell.store import layout
from pyshell.store.files import Files, errors_named, read_file, write_all
from pyshell.store.format import Proposal, decode_proposal, encode_proposal

PART = ".part"
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def check_name(name: str) -> str:
    """Return `name` if packs and proposals may have it; StoreError otherwise."""
    if not NAME.fullmatch(name):
        raise StoreError(f"{name!r} cannot name a proposal: use up to 64 letters, digits, '_' and '-'")
    return name


class Gate:
    """The lock between those who add and the one who removes."""

    def __init__(self, path: Path, files: Files) -> None:
        self._path, self._files = path, files

    def enter(self) -> int:
        """Begin to add; waits while somebody removes. Closing the descriptor that is returned ends it."""
        return self._open(shared=True, wait=True)

    def close_to_others(self) -> int | None:
        """Begin to remove; None while anybody adds."""
        fd = self._open(shared=False, wait=False)
        return fd if fd >= 0 else None

    def _open(self, shared: bool, wait: bool) -> int:
        fd = self._files.open_write(self._path)
        try:
            if self._files.lock(fd, shared=shared, wait=wait):
                return fd
        except BaseException:  # whatever it is, it goes on when this is tidied up
            self._files.close(fd)
            raise
        self._files.close(fd)
        return -1


class Claim:
    """The right to write the proposal of one name; ends with `hand_over`, `release` or the process."""

    def __init__(self, directory: Path, name: str, gate: Gate, files: Files) -> None:
        self._part, self._final = directory / (name + PART), directory / name
        self._directory, self._files = directory, files
        self._fd = -1
        self._gate_fd = gate.enter()
        try:
            if files.exists(self._final):
                raise StoreError(f"a proposal {name} waits already: take another name")
            self._fd = files.create(self._part)
            files.lock(self._fd, wait=True)
        except BaseException:  # whatever it is, it goes on when this is tidied up
            self.release()
            raise

    @property
    def is_held(self) -> bool:
        return self._gate_fd >= 0

    def hand_over(self, proposal: Proposal) -> None:
        """Write the proposal and make it durable under its final name."""
        payload = encode_proposal(proposal)
        head = layout.PROPOSAL_HEADER.struct.pack(layout.PROPOSAL_MAGIC, layout.VERSION, len(payload), 0)
        try:
            write_all(self._files, self._fd, layout.add_crc(head, payload) + payload, 0)
            self._files.sync(self._fd)
            self._files.rename(self._part, self._final)
            self._files.sync_directory(self._directory)
        finally:
            self.release()

    def leave_to_child(self) -> None:
        """In the parent, after a fork: the locks are the child's now, and end with it."""
        for fd in (self._fd, self._gate_fd):
            self._files.close(fd)
        self._fd = self._gate_fd = -1

    def release(self) -> None:
        """Give up; harmless when it is over already."""
        if self._fd >= 0:
            # Renamed already, or not removable now: the next writer that opens the store removes it.
            with suppress(OSError):
                self._files.unlink(self._part)
            self._files.close(self._fd)
        if self._gate_fd >= 0:
            self._files.close(self._gate_fd)
        self._fd = self._gate_fd = -1


class Proposals:
    """The proposals of a store and who is writing them."""

    def __init__(self, path: Path, files: Files) -> None:
        self.directory = path / "proposals"
        self.gate = Gate(path / "gate", files)
        self._places = (self.directory, path / "packs")
        self._files = files
        self._claims: dict[str, Claim] = {}

    def inherit(self, name: str, claim: Claim) -> None:
        """In a forked child: the parent made the claim, so that nobody could find neither parent nor child at it."""
        self._claims[name] = claim

    def claim(self, name: str) -> Claim:
        if name in self._claims and self._claims[name].is_held:
            return self._claims[name]
        # Those of children, and those that were given up, are none any more.
        self._claims = {known: claim for known, claim in self._claims.items() if claim.is_held}
        with errors_named(f"begin the proposal {name}"):
            self._claims[name] = Claim(self.directory, check_name(name), self.gate, self._files)
        return self._claims[name]

    def hand_over(self, name: str, proposal: Proposal) -> None:
        claim = self._claims.pop(name, None)
        with errors_named(f"write the proposal {name}"):
            if claim is None or not claim.is_held:
                claim = Claim(self.directory, check_name(name), self.gate, self._files)
            claim.hand_over(proposal)

    def parts(self) -> list[str]:
        """Names of proposals and packs that a living process is writing."""
        return sorted({path.name[: -len(PART)] for path in self._part_files() if self._is_locked(path)})

    def waiting(self) -> list[str]:
        return sorted(name for name in self._files.names(self.directory) if not name.endswith(PART))

    def read(self, name: str) -> Proposal:
        """StoreError: there is none. StoreCorrupt: it is damaged, `discard` it."""
        try:
            data = read_file(self._files, self.directory / check_name(name))
        except FileNotFoundError:
            raise StoreError(f"there is no proposal {name}") from None
        size = layout.PROPOSAL_HEADER.size
        header, payload = data[:size], data[size:]
        if len(header) < size or not layout.is_intact(header, payload):
            raise StoreCorrupt(f"proposal {name} is damaged")
        magic, version, length, _ = layout.PROPOSAL_HEADER.struct.unpack(header)
        if magic != layout.PROPOSAL_MAGIC or version != layout.VERSION or length != len(payload):
            raise StoreCorrupt(f"proposal {name} is no proposal of version {layout.VERSION}")
        return decode_proposal(payload)

    def remove(self, name: str) -> None:
        """Remove a proposal, and what a dead writer left of it. StoreError while its writer lives."""
        check_name(name)
        parts = [directory / (name + PART) for directory in self._places]
        if any(self._is_locked(path) for path in parts):
            raise StoreError(f"proposal {name} is still being written: end its writer first")
        for path in (*parts, self.directory / name):
            with suppress(FileNotFoundError):
                self._files.unlink(path)

    def sweep(self) -> list[str]:
        """Remove what dead writers left; nothing while any writer lives. The names removed."""
        gate = self.gate.close_to_others()
        if gate is None:
            return []
        try:
            left = self._part_files()
            for path in left:
                self._files.unlink(path)
        finally:
            self._files.close(gate)
        return sorted({path.name for path in left})

    def _part_files(self) -> list[Path]:
        return [
            directory / name
            for directory in self._places
            for name in self._files.names(directory)
            if name.endswith(PART)
        ]

    def _is_locked(self, path: Path) -> bool:
        try:
            fd = self._files.open_read(path)
        except FileNotFoundError:
            return False
        try:
            return not self._files.lock(fd, shared=True)
        finally:
            self._files.close(fd)
