"""File layers that fail: a full disk, an I/O error, a short write, a sync refused, a process killed, power lost.

Runs in: tests.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pyshell.store import Files


class Killed(BaseException):
    """The process ended here: nothing of it runs any more, whatever it tries."""


def full_disk() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def broken_disk() -> OSError:
    return OSError(errno.EIO, os.strerror(errno.EIO))


Decide = Callable[[int, str], BaseException | None]


class FaultyFiles(Files):
    """Counts the operations that change something; `decide(number, operation)` may make one fail."""

    def __init__(self, decide: Decide = lambda number, operation: None) -> None:
        self.operations: list[str] = []
        self.decide = decide
        self.is_dead = False
        self.largest_write = 1 << 40
        self._open: set[int] = set()

    def end(self) -> None:
        """What the kernel does when a process has ended."""
        self.is_dead = True
        for fd in self._open:
            os.close(fd)
        self._open.clear()

    def step(self, operation: str) -> None:
        if self.is_dead:
            raise Killed
        self.operations.append(operation)
        fault = self.decide(len(self.operations) - 1, operation)
        if isinstance(fault, Killed):
            self.is_dead = True
        if fault is not None:
            raise fault

    def _opened(self, fd: int) -> int:
        self._open.add(fd)
        return fd

    def open_read(self, path: Path) -> int:
        return self._opened(super().open_read(self._alive(path)))

    def open_write(self, path: Path) -> int:
        return self._opened(super().open_write(self._alive(path)))

    def _alive(self, path: Path) -> Path:
        if self.is_dead:
            raise Killed
        return path

    def close(self, fd: int) -> None:
        if not self.is_dead:
            self._open.remove(fd)
            super().close(fd)

    def make_directory(self, path: Path) -> None:
        self.step(f"make_directory {path.name}")
        super().make_directory(path)

    def create(self, path: Path) -> int:
        self.step(f"create {path.name}")
        return self._opened(super().create(path))

    def write(self, fd: int, data: bytes | memoryview, offset: int) -> int:
        try:
            self.step("write")
        except (Killed, OSError):
            # What a failing write leaves: some of it.
            if not self.is_dead or self.operations[-1] == "write":
                super().write(fd, data[: len(data) // 2], offset)
            raise
        return super().write(fd, data[: self.largest_write], offset)

    def truncate(self, fd: int, size: int) -> None:
        self.step("truncate")
        super().truncate(fd, size)

    def sync(self, fd: int) -> None:
        self.step("sync")

    def sync_directory(self, path: Path) -> None:
        self.step(f"sync_directory {path.name}")

    def rename(self, source: Path, target: Path) -> None:
        self.step(f"rename {target.name}")
        super().rename(source, target)

    def unlink(self, path: Path) -> None:
        self.step(f"unlink {path.name}")
        super().unlink(path)


def at(number: int, fault: BaseException) -> Decide:
    """Fail at one operation."""
    return lambda count, operation: fault if count == number else None


def always(operation: str, fault: BaseException) -> Decide:
    """Fail at every operation of that kind."""
    return lambda count, name: fault if name.startswith(operation) else None


# --- power loss ------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Node:
    """A file as the disk has it: what was synced last, and what the kernel has since."""

    synced: bytes = b""
    last: bytes = b""


@dataclass(eq=False)
class Folder:
    """A directory: the entries that were synced last, and those the kernel has since."""

    synced: dict[str, Node | Folder] = field(default_factory=dict)
    live: dict[str, Node | Folder] = field(default_factory=dict)


LOSSES = ("nothing", "all", "entries", "contents", "halves")
"""What of the unsynced is lost: a kill loses nothing, a power cut any of the others."""


class PowerLossFiles(FaultyFiles):
    """Remembers what has been synced, and can lay out what a power cut would leave."""

    def __init__(self, root: Path, decide: Decide = lambda number, operation: None) -> None:
        super().__init__(decide)
        self._root = root
        self._tree = self._read_tree(root)
        self._nodes: dict[int, tuple[Node, Path]] = {}

    def _read_tree(self, path: Path) -> Folder:
        found: dict[str, Node | Folder] = {}
        for entry in path.iterdir():
            if entry.is_dir():
                found[entry.name] = self._read_tree(entry)
            else:
                found[entry.name] = Node(entry.read_bytes(), entry.read_bytes())
        return Folder(found, dict(found))

    def _folder(self, path: Path) -> Folder:
        folder = self._tree
        for part in path.relative_to(self._root).parts:
            inner = folder.live[part]
            assert isinstance(inner, Folder)
            folder = inner
        return folder

    def _node(self, path: Path) -> Node:
        node = self._folder(path.parent).live[path.name]
        assert isinstance(node, Node)
        return node

    def _remember(self, path: Path) -> None:
        """Before a name goes away: what the kernel had under it."""
        if path.exists():
            self._node(path).last = path.read_bytes()

    def make_directory(self, path: Path) -> None:
        super().make_directory(path)
        if path != self._root:
            self._folder(path.parent).live[path.name] = Folder()

    def create(self, path: Path) -> int:
        fd = super().create(path)
        node = Node()
        self._folder(path.parent).live[path.name] = node
        self._nodes[fd] = (node, path)
        return fd

    def open_write(self, path: Path) -> int:
        fd = super().open_write(path)
        self._nodes[fd] = (self._node(path), path)
        return fd

    def write(self, fd: int, data: bytes | memoryview, offset: int) -> int:
        try:
            return super().write(fd, data, offset)
        finally:
            if fd in self._nodes and not self.is_dead:
                self._nodes[fd][0].last = self._content(fd)

    def truncate(self, fd: int, size: int) -> None:
        super().truncate(fd, size)
        self._nodes[fd][0].last = self._content(fd)

    def _content(self, fd: int) -> bytes:
        return os.pread(fd, os.fstat(fd).st_size, 0)

    def sync(self, fd: int) -> None:
        super().sync(fd)
        self._nodes[fd][0].synced = self._content(fd)

    def sync_directory(self, path: Path) -> None:
        super().sync_directory(path)
        if path.is_relative_to(self._root):
            folder = self._folder(path)
            folder.synced = dict(folder.live)

    def rename(self, source: Path, target: Path) -> None:
        self._remember(source)
        self._remember(target)
        super().rename(source, target)
        self._folder(target.parent).live[target.name] = self._folder(source.parent).live.pop(source.name)

    def unlink(self, path: Path) -> None:
        self._remember(path)
        super().unlink(path)
        self._folder(path.parent).live.pop(path.name)

    def lay_out(self, target: Path, loss: str) -> None:
        """Make `target` what is found after the power comes back."""
        self._lay_out(self._tree, self._root, target, loss)

    def _lay_out(self, folder: Folder, source: Path, target: Path, loss: str) -> None:
        target.mkdir(mode=0o700, exist_ok=True)
        entries = folder.synced if loss in ("all", "entries") else folder.live
        for name, entry in entries.items():
            if isinstance(entry, Folder):
                self._lay_out(entry, source / name, target / name, loss)
            else:
                (target / name).write_bytes(self._surviving(entry, source / name, folder.live.get(name), loss))

    def _surviving(self, node: Node, source: Path, live: Node | Folder | None, loss: str) -> bytes:
        current = source.read_bytes() if live is node else node.last
        if loss in ("nothing", "entries"):
            return current
        if loss in ("all", "contents"):
            return node.synced
        return _half_of(node.synced, current)


def _half_of(before: bytes, after: bytes) -> bytes:
    """`after`, of which only the first half of what is new reached the disk."""
    start = next((i for i, (a, b) in enumerate(zip(before, after)) if a != b), min(len(before), len(after)))
    middle = start + (len(after.rstrip(b"\0")) - start) // 2
    return after[:middle] + before[middle:]
