"""What the keys do that are not about editing: interrupt, leave, scroll, help.

Runs in: console.
"""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pyshell.console.desk import Desk
from pyshell.console.editor import Editor
from pyshell.console.keyboard import Keyboard
from pyshell.console.keymap import PANELS, PASSED_ON, label
from pyshell.console.screen import Screen
from pyshell.errors import PyshellError

if TYPE_CHECKING:
    from pyshell.client import Session
    from pyshell.console.browsing import Browsing
    from pyshell.console.known import Model
    from pyshell.console.panels.stack import Panels
    from pyshell.protocol import MimeData, Remakeable, Status

RUNGS = {
    "nothing": "Nothing is running.",
    "signal": "Interrupt sent. Ctrl-C again shows where the cell is.",
    "stack": "Interrupt sent again; the stack is above. Ctrl-C again kills the worker and restores.",
    "kill": "The worker was killed; the state before the cell is being restored.",
}


class Display(Protocol):
    """What is asked of urwid's screen."""

    def clear(self) -> None: ...

    def set_mouse_tracking(self, enable: bool = True) -> None: ...


class Stage(Protocol):
    """What is asked of the main loop."""

    display: Display
    keyboard: Keyboard

    def leave(self) -> None:
        """End the main loop."""

    def copy(self, text: str) -> None:
        """Put text on the clipboard of the person's terminal, if it lets us."""

    def open_pager(self, path: Path) -> str:
        """Show a file in the person's pager; why not, or nothing."""

    def view(self, data: MimeData) -> str:
        """Show a picture on the whole screen; why not, or nothing."""

    def attach(self, name: str) -> None:
        """End this console; the next one is on another session."""

    def lend(self) -> bool:
        """Give the terminal to the program that wants it; False if none does."""


class Commands:
    """The console's own commands, by the names of the key table. Owned by the UI thread.

    A command returns False if the key means nothing here and is the editor's after all.
    """

    def __init__(self, desk: Desk, stage: Stage, editor: Editor, screen: Screen) -> None:
        self._desk = desk
        self._stage = stage
        self._editor = editor
        self._screen = screen
        editor.holding.press = self.key
        self._browsing: Browsing | None = None
        self._has_mouse = False
        self._asked_about: Remakeable | None = None
        self._running: int | None = None
        self.panels: Panels | None = None
        """Made when the first one is opened."""

    def key(self, key: str) -> bool:
        """One key for the console, or else for the editor; False if it is nobody's."""
        panels = self.panels if self.panels is not None and self.panels.is_open else None
        if panels is not None and len(key) == 1 and self._stage.keyboard.is_burst and panels.is_unasked:
            panels.close()  # whoever typed this had not seen it
            panels = None
        if panels is not None and panels.key(key):
            return True
        browsing = self._browsing if self._browsing is not None and self._browsing.is_on else None
        if browsing is not None and panels is None and browsing.key(key):
            return True
        command = self._editor.keymap.command(key)
        if panels is not None and command not in (*PANELS, *PASSED_ON):
            return True
        if browsing is not None and command not in PASSED_ON:
            return True
        if command == "leave" and self._editor.holding.holds(key):
            return True  # it may be the end of what a program reads
        self._screen.hint = ""
        action: Any = getattr(self, f"do_{command}", None) if command else None
        if action is not None and action() is not False:
            return True
        handled = self._editor.key(key)
        if (handled and command is None) or command in ("enter", "run"):
            self._screen.transcript.follow()
        return handled

    def do_interrupt(self) -> None:
        known = self._editor.model
        menu = self._editor.menu
        if (menu is not None and menu.takes_keys) or self._editor.search is not None:
            self._editor.do("cancel")
        elif known.running is not None or known.state in ("busy", "restarting"):
            self._desk.ask(lambda session: session.interrupt(), self._interrupted, "interrupt")
        elif self._editor.code.text:
            self._editor.clear()
        elif known.held and known.queue:
            self._desk.ask(partial(_drop, cells=known.queue))
        else:
            self._screen.hint = "Ctrl-D leaves; the session goes on."

    def _interrupted(self, rung: str | PyshellError) -> None:
        if self._editor.model.running is not None or rung == "nothing":  # else it has ended before this came
            self._screen.hint = str(rung) if isinstance(rung, PyshellError) else RUNGS.get(rung, rung)
        self._screen.refresh()

    def do_leave(self) -> None:
        if self._editor.buffer.text:
            self._editor.do("delete")
        elif self._editor.is_answering:
            self._desk.ask(lambda session: session.input_end())
        else:
            self._stage.leave()

    def do_cancel(self) -> bool:
        vi = self._editor.vi
        if self._editor.search is not None or self._editor.buffer.mark is not None or (vi and vi.takes_escape):
            return False
        if self._editor.menu is not None:
            self._editor.assistant.dismiss()
            return True
        self._screen.transcript.follow()
        return True

    def do_page_up(self) -> None:
        self._screen.scroll(-self._screen.page)

    def do_page_down(self) -> None:
        self._screen.scroll(self._screen.page)

    def do_scroll_up(self) -> None:
        self._screen.scroll(-1)

    def do_scroll_down(self) -> None:
        self._screen.scroll(1)

    def do_redraw(self) -> None:
        self._stage.display.clear()

    def do_suspend(self) -> None:
        os.kill(os.getpid(), signal.SIGTSTP)

    def do_mouse(self) -> None:
        self._has_mouse = not self._has_mouse
        self._stage.display.set_mouse_tracking(self._has_mouse)
        self._screen.hint = "The mouse scrolls; F3 gives it back." if self._has_mouse else "The terminal has the mouse."

    def do_raw_keys(self) -> None:
        if self._stage.lend():
            return
        self._stage.keyboard.is_raw = True
        self._screen.hint = f"Keys go to the program; {label(self._editor.keymap.raw_end)} ends that."

    def do_browse(self) -> None:
        self._browser().begin()

    def do_pager(self) -> None:
        self._browser().page_newest()

    def _browser(self) -> Browsing:
        if self._browsing is None:
            from pyshell.console.browsing import Browsing  # 10 ms that the first prompt must not wait for

            self._browsing = Browsing(self._desk, self._stage, self._editor, self._screen, self._browsing_keys)
        return self._browsing

    def _browsing_keys(self) -> None:
        self._panels().show_keys(self._editor.keymap.inside("browse"))

    def do_help(self) -> None:
        self._toggle("help")

    def do_variables(self) -> None:
        self._toggle("variables")

    def do_timeline(self) -> None:
        self._toggle("timeline")

    def do_queue(self) -> None:
        self._toggle("queue")

    def do_sessions(self) -> None:
        self._toggle("sessions")

    def follow(self, known: Model) -> None:
        """Do what is to be done by itself when something has happened."""
        if self._running is not None and known.running != self._running:
            self._stage.keyboard.is_raw = False  # there is no program any more that keys could be for
        self._running = known.running
        self._ask_about(known.offered)

    def _ask_about(self, offered: Remakeable | None) -> None:
        """Ask whether cells are to run again, once, and unless the person does something else at this moment."""
        if offered is not None and offered is not self._asked_about:
            # Only of now: when a console attaches it folds all that has been before.
            self._desk.ask(lambda session: session.status(), partial(self._ask_now, offered), "query")

    def _ask_now(self, offered: Remakeable, status: Status | PyshellError) -> None:
        known = self._editor.model
        is_past = isinstance(status, PyshellError) or known.offered is not offered or known.seq < status.last_event
        if is_past or offered is self._asked_about:
            return
        self._asked_about = offered
        panels = self._panels()
        if not self._editor.buffer.text and not panels.is_open:
            from pyshell.console.panels.remaking import Remaking  # only after a loss

            panels.open(Remaking(panels, offered))

    def _toggle(self, name: str) -> None:
        self._panels().toggle(name)

    def _panels(self) -> Panels:
        if self.panels is None:
            from pyshell.console.panels.stack import Panels  # none is open at the first prompt

            self.panels = Panels(self._desk, self._stage, self._editor, self._screen)
        return self.panels


def _drop(session: Session, cells: tuple[int, ...]) -> None:
    for cell in cells:
        session.cancel(cell)
    session.release()
