"""What the conformance tests drive: a client of whatever kind, and what its protocol has no words for.

Runs in: tests.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Object = dict[str, Any]


class Client(abc.ABC):
    """What every client can do. Events are objects as docs/jsonrpc.md has them."""

    unsaid: Mapping[str, str] = {}
    """What cannot be told or asked for this way, and why: kinds of events, their fields, operations."""

    @abc.abstractmethod
    def execute(self, code: str, expressions: Sequence[str] = ()) -> int: ...

    @abc.abstractmethod
    def events(self, after: int) -> Iterator[Object]:
        """Those with numbers over `after`, without an end."""

    @abc.abstractmethod
    def input(self, text: str) -> None: ...

    @abc.abstractmethod
    def complete(self, code: str) -> list[str]: ...

    @abc.abstractmethod
    def interrupt(self) -> None: ...

    @abc.abstractmethod
    def undo(self) -> None: ...

    @abc.abstractmethod
    def wait_saved(self, cell: int) -> None: ...
