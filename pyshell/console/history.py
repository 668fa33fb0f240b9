"""Going back through earlier cells, those that start as the typed text does, and searching them all. Pure.

Runs in: console.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pyshell.console.buffer import Buffer, filled
from pyshell.protocol import KEPT_OUT

MAX_ENTRIES = 5000


class Entry(NamedTuple):
    """A cell of the past."""

    code: str
    session: str = ""
    """Whose it is, if it is another session's."""
    time: float = 0.0
    """Seconds since the epoch; 0 if it was sent a moment ago."""


class History:
    """The cells of the past, and how far back the person is in them. Owned by the UI thread."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._elsewhere: list[Entry] = []
        self._place: int | None = None
        self._draft = Buffer()
        self._suggested = ("", "")

    def add(self, code: str, time: float = 0.0) -> None:
        """Remember the newest cell; the same one twice in a row counts once, and one behind a space does not."""
        self.leave()
        is_kept_out = code[:1] == " " or code == KEPT_OUT
        code = code.rstrip()
        if code and not is_kept_out and (not self._entries or self._entries[-1].code != code):
            self._entries.append(Entry(code, "", time))
            del self._entries[:-MAX_ENTRIES]
            self._suggested = ("", "")

    def put_before(self, entries: Iterable[Entry]) -> None:
        """Older cells, oldest first, that became known late."""
        newer, self._entries = self._entries, []
        for entry in (*entries, *newer):
            self.add(entry.code, entry.time)

    def put_elsewhere(self, entries: Iterable[Entry]) -> None:
        """Cells of other sessions, oldest first: to be found and suggested, but not gone through."""
        self._elsewhere = list(entries)[-MAX_ENTRIES:]
        self._suggested = ("", "")

    def newest_first(self) -> Iterator[Entry]:
        """All that is known, this session's before the others'."""
        yield from reversed(self._entries)
        yield from reversed(self._elsewhere)

    # --- one after the other ---

    def leave(self) -> None:
        """Forget the place: what is in the buffer is a text of its own now."""
        self._place = None

    def older(self, buffer: Buffer) -> Buffer | None:
        """The newest cell before this place that starts with what stood before the cursor."""
        if self._place is None:
            self._draft, self._place = buffer, len(self._entries)
        return self._search(range(self._place - 1, -1, -1), buffer)

    def newer(self, buffer: Buffer) -> Buffer | None:
        """The next cell towards now; at the end the text that was being typed."""
        if self._place is None:
            return None
        found = self._search(range(self._place + 1, len(self._entries)), buffer)
        if found is None:
            self._place = None
            return self._draft
        return found

    def _search(self, places: range, buffer: Buffer) -> Buffer | None:
        for place in places:
            code = self._entries[place].code
            if code.startswith(self._draft.before) and code != buffer.text:
                self._place = place
                return filled(code)
        return None

    # --- what the text may become ---

    def suggestion(self, buffer: Buffer) -> str:
        """How the newest cell goes on that begins with the whole text; empty if none does."""
        text = buffer.text
        if buffer.cursor < len(text) or not text.strip():
            return ""
        before, rest = self._suggested
        more = text[len(before) :]
        # What begins with more of the text began with less of it, and is the newest still.
        if before and text.startswith(before) and (not rest or (rest.startswith(more) and rest != more)):
            rest = rest[len(more) :]
        else:
            found = (entry.code for entry in self.newest_first())
            rest = next((code[len(text) :] for code in found if code != text and code.startswith(text)), "")
        self._suggested = (text, rest)
        return rest
