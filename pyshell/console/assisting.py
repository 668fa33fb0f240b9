"""What comes up beside the text while it is typed: completions, what they mean, the call that the cursor is in.

Runs in: console.

No urwid here. Questions go to the session's query lane when the keys rest for a moment; an answer to a text that has
changed since is dropped. Nothing here takes a key that the person did not give it (see Menu.is_unasked).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from pyshell.console.buffer import Buffer
from pyshell.console.completion import Menu, is_worth_offering, offered, opened
from pyshell.console.desk import Desk
from pyshell.errors import PyshellError
from pyshell.protocol import Call, Completions, Inspection, Match

if TYPE_CHECKING:
    from pyshell.client import Session

REST_SECONDS = 0.1
"""Keys that follow each other faster are one thought; nothing comes up between them."""


class Text(Protocol):
    """What is under edit."""

    code: Buffer

    @property
    def is_answering(self) -> bool: ...

    def put(self, buffer: Buffer) -> None:
        """Change it, so that undo knows."""


class Found(NamedTuple):
    """What the session said of a place in the text."""

    completions: Completions | None
    inspection: Inspection | None


class Assistant:
    """Owned by the UI thread."""

    def __init__(self, desk: Desk, text: Text, *, offers: bool = True) -> None:
        self._desk = desk
        self._text = text
        self._offers = offers
        self.menu: Menu | None = None
        self.call: Call | None = None
        """The call that the cursor is in."""
        self.about: Inspection | None = None
        """What is known of the chosen completion, or still of the one that was chosen before it."""
        self.about_match: Match | None = None
        """Which one that is."""
        self._is_timed = False

    # --- keys that are for the list ---

    def key(self, command: str | None) -> bool:
        """Take a command that is the list's; False if it is not."""
        menu = self.menu
        if menu is None:
            return False
        if command == "tab" and not menu.takes_keys:
            self._enter_list(menu)
        elif not menu.takes_keys:
            return False
        elif command in ("tab", "down", "dedent", "up"):
            self._choose(menu.moved(1 if command in ("tab", "down") else -1))
        elif command == "enter" and menu.selected is not None:
            self.close()
        elif command == "cancel":
            self.dismiss()
        else:
            return False
        return True

    def _enter_list(self, menu: Menu) -> None:
        """The first Tab in a list that came up by itself: insert what is certain, or choose the first."""
        found = Completions(menu.matches, menu.start, menu.base.cursor, "live")
        self.menu, buffer = opened(menu.base, found)
        self._text.put(buffer)
        if self.menu is not None and buffer == menu.base:
            self._choose(self.menu.moved(1))

    def _choose(self, menu: Menu) -> None:
        # What stands beside the list stays until the answer comes, or it would be sent to the terminal twice.
        self.menu = menu
        self._text.put(menu.applied())
        self._wait_for_rest()

    def dismiss(self) -> None:
        """Take the list away, and what was chosen in it."""
        if self.menu is not None:
            self._text.put(self.menu.base)
            self.close()

    def close(self) -> None:
        """Take the list away; what was chosen stays."""
        self.menu = self.about = None

    # --- while the person types ---

    def typed(self) -> None:
        """One character came, or went: what is listed fits less, or more."""
        self.about = None
        if self.menu is not None:
            self.menu = self.menu._replace(selected=None).narrowed(self._text.code)
        self.moved()

    def moved(self) -> None:
        """The text or the cursor's place in it is another one."""
        if self.call is not None and not _may_be_in_call(self._text.code):
            self.call = None
        self._wait_for_rest()

    def _wait_for_rest(self) -> None:
        """Ask when nothing has changed for a moment. One alarm at a time: urwid draws a frame after each."""
        asked = self._text.code
        if not self._is_timed and self._is_worth_asking(asked):
            self._is_timed = True
            self._desk.later(REST_SECONDS, lambda: self._rested(asked))

    def _rested(self, asked: Buffer) -> None:
        self._is_timed = False
        code = self._text.code
        if code != asked:
            self._wait_for_rest()
        elif not self._text.is_answering and self._desk.is_connected and self._is_worth_asking(code):
            self._ask(code, completes=self.menu is None and self._offers and is_worth_offering(code))

    def _is_worth_asking(self, code: Buffer) -> bool:
        if self.menu is not None and self.menu.selected is not None:
            return True
        return _may_be_in_call(code) or (self._offers and is_worth_offering(code))

    def _ask(self, code: Buffer, *, completes: bool) -> None:
        chosen = self.menu is not None and self.menu.selected is not None
        inspects = chosen or _may_be_in_call(code)

        def work(session: Session) -> Found:
            completions = session.complete(code.text, code.cursor) if completes else None
            return Found(completions, session.inspect(code.text, code.cursor) if inspects else None)

        def answered(found: Found | PyshellError) -> None:
            if self._text.code != code or self._text.is_answering:
                return
            if isinstance(found, Found):
                self._show(found, about=chosen)
            elif chosen:
                self.about = None

        self._desk.ask(work, answered, "query")

    def _show(self, found: Found, *, about: bool) -> None:
        if found.completions is not None and self.menu is None:
            self.menu = offered(self._text.code, found.completions)
        if about:
            self.about = found.inspection
            self.about_match = self.menu.chosen if self.menu is not None else None
        elif found.inspection is not None:
            self.call = found.inspection.call

    # --- when the person asks ---

    def complete(self) -> None:
        """Tab: insert what is certain, and list the rest."""
        asked = self._text.code

        def answered(reply: Completions | PyshellError) -> None:
            # Typed on meanwhile: the answer is to another question.
            if isinstance(reply, Completions) and self._text.code == asked and not self._text.is_answering:
                self.menu, buffer = opened(asked, reply)
                self._text.put(buffer)

        self._desk.ask(lambda session: session.complete(asked.text, asked.cursor), answered, "query")

    def clear(self) -> None:
        """Another text begins."""
        self.close()
        self.call = None


def _may_be_in_call(code: Buffer) -> bool:
    """Whether a bracket may be open before the cursor; the session knows for sure."""
    before = code.before
    return before.count("(") > before.count(")")
