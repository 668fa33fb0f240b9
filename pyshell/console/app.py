"""The console itself: one urwid main loop around a session.

Runs in: console.

The UI thread never makes a call that may block (see remote.py) and never folds events for longer than
FOLD_SECONDS at a stretch, so keys are answered whatever is printed.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from urwid.util import set_encoding

from pyshell import protocol, starting
from pyshell.console import highlight, model, theme
from pyshell.console.commands import Commands
from pyshell.console.editor import Editor
from pyshell.console.farewell import farewell
from pyshell.console.frames import Frames
from pyshell.console.gallery import Gallery
from pyshell.console.handover import Handover, Lending
from pyshell.console.keyboard import Key, Keyboard, Listeners
from pyshell.console.known import NUMBERS, PYTHON
from pyshell.console.lines import Kind
from pyshell.console.notifying import Notifier, sequence
from pyshell.console.options import Options
from pyshell.console.outside import clipboard, edited, pager_of, run_program
from pyshell.console.painting import Painter
from pyshell.console.placing import Placed
from pyshell.console.recalling import recall
from pyshell.console.remote import (
    Answer,
    Broken,
    Connected,
    Ended,
    Interrupted,
    Lane,
    Lost,
    News,
    Remote,
    Resized,
    Trouble,
)
from pyshell.console.screen import Screen
from pyshell.console.usage import Watch
from pyshell.errors import PyshellError

if TYPE_CHECKING:
    from pyshell.client import Session

FOLD_SECONDS = 0.012
"""How long folding may keep the keyboard waiting."""
FRAME_SECONDS = 0.020
"""Frames come so far apart while output streams (urwid: 774 lines/s undelayed, 40,000 with this)."""
BURST_FRAMES = 10.0
"""So many come at once after a silence, so that a cell's few events are not delayed."""
TICK_SECONDS = 1.0
WARM_UP_SECONDS = 0.2  # after the connection: what was typed before it has run by then
HOLD_SECONDS = 0.010
"""A submitted cell, and news that change no more than the status line, may wait so long to be shown: what follows them
comes with them."""
QUIET = (protocol.Queued, protocol.Started, protocol.StateChanged)
SWITCH_INTERVAL = 0.0005
"""Seconds. With Python's own 5 ms a thread that has news waits for the end of a frame."""


def run(
    session_factory: Callable[[], Session], *, banner: str, colors: int = 256, options: Options | None = None
) -> int:
    """Show a session until the person leaves it or it ends; return the exit status.

    `session_factory` connects, and is called again when the connection is lost. `colors` is what the
    terminal can show: 1, 16, 88, 256 or 16777216.
    """
    while True:
        console = Console(session_factory, banner, theme.at_most(colors), options or Options())
        console.run()
        sys.stdout.write(farewell(console.editor.model, console.last_words(), console.colors))
        sys.stdout.flush()
        if not console.next_session:
            return console.exit_status
        session_factory = partial(starting.connect_or_start, console.next_session, client=console.client)
        banner = f'session "{console.next_session}"'


class Console:
    """Owned by the UI thread; the only other ones are those of `Remote`."""

    def __init__(
        self, session_factory: Callable[[], Session], banner: str, colors: theme.Colors, options: Options
    ) -> None:
        self.colors = colors
        self.exit_status = 0
        self._options = options
        self.editor = Editor(self, options)
        self._remote = Remote(session_factory, self._ring)
        self._prompts = PYTHON if options.prompt == "python" else NUMBERS
        self._bell, self._rung, self._ticking = -1, False, False
        self._last_fold, self._frames = 0.0, BURST_FRAMES
        self._ended: Ended | None = None
        self.client = ""
        """What the session calls us."""
        self.next_session = ""
        """The one to go to when this console has ended."""
        self._began = time.time()
        self._screen = Screen(self.editor, colors)
        self._commands = self._screen.commands = Commands(self, self, self.editor, self._screen)
        self.keyboard = Keyboard(Listeners(self._pasted, self._screen.scroll, self._typed), self.editor.keymap.raw_end)
        self._notifier = Notifier(self.keyboard, options.notify_after, self._notify)
        self._watch = Watch(self, self._screen.show_usage)
        self.display = Painter()
        self._loop = self._make_loop()
        drawn = Gallery(colors, self._draw, self._screen.refresh_transcript)
        self._placed = self._screen.transcript.gallery = Placed(drawn, self.display, options.terminal)
        self._look()
        resized = partial(self._remote.put, Resized())
        lending = Lending(self._keys, resized, self._taken_back, self.keyboard.raw_end)
        self._handover = Handover(self._loop, colors, lending)
        if banner:
            self.tell(banner)

    # --- start and end ---

    def _make_loop(self) -> Frames:
        set_encoding("utf-8")
        self.display.set_terminal_properties(colors=self.colors)
        self.display.register_palette(theme.palette(self._options.theme))
        return Frames(self._screen, screen=self.display, handle_mouse=False, input_filter=self._filter)

    def run(self) -> None:
        """Draw, connect, and serve keys and events until the person leaves."""
        sys.setswitchinterval(SWITCH_INTERVAL)
        highlight.hold()
        self._bell = self._loop.watch_pipe(self._rang)
        os.set_blocking(self._bell, False)
        previous = signal.signal(signal.SIGINT, lambda *_: self._remote.put(Interrupted()))
        try:
            self._loop.set_alarm_in(0, lambda *_: self._first_frame())
            self._loop.run()
        finally:
            self._handover.end(is_leaving=True)
            signal.signal(signal.SIGINT, previous)
            self._remote.close()

    def _first_frame(self) -> None:
        self._loop.draw_screen()
        self._remote.start()  # not before: it imports, for which the prompt would wait
        gc.freeze()  # what is there now stays
        gc.enable()  # opening.py has switched it off

    def _tick(self) -> None:
        """Keep the running time in the status line going, for as long as something runs."""
        self._ticking = self.editor.model.running is not None
        if self._ticking:
            self._watch.look_at(self.editor.model.pid)
            if self._commands.panels is not None:
                self._commands.panels.ticked()
            self._screen.refresh()
            self.later(TICK_SECONDS, self._tick)

    def attach(self, name: str) -> None:
        """End this console; the next one is on another session."""
        self.next_session = name
        self.leave()

    def leave(self) -> None:
        """End the main loop."""
        self._loop.leave()

    def last_words(self) -> str:
        """The line that stays on the normal screen below the transcript."""
        name = self._screen.session_name
        if self._ended is not None:
            return f"error: {self._ended.error}" if self._ended.error else f'Session "{name}" has ended.'
        return f'Detached from "{name}", which goes on. Come back with: pyshell attach -t {name}' if name else ""

    # --- what the editor asks of us (see editor.Desk) ---

    @property
    def is_connected(self) -> bool:
        return self._remote.is_connected

    def ask(
        self,
        work: Callable[[Session], Any],
        then: Callable[[Any], None] | None = None,
        lane: Lane = "control",
        refused: Callable[[PyshellError], None] | None = None,
    ) -> None:
        self._remote.ask(work, then, lane, refused)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self._loop.set_alarm_in(seconds, lambda *_: call())

    def expect(self) -> None:
        self._loop.hold(HOLD_SECONDS)

    def tell(self, text: str, kind: Kind = "notice") -> None:
        self._show(model.note(self.editor.model, text, kind))

    def _notify(self, title: str, text: str) -> None:
        self.display.tell(sequence(title, text, self._options.terminal))

    def copy(self, text: str) -> None:
        """Put text on the clipboard of the person's terminal, if it lets us."""
        if sequence := clipboard(text):
            self.display.tell(sequence)
        else:
            self._screen.hint = "That is too much for the terminal's clipboard."

    def edit_outside(self, text: str, then: Callable[[str], None]) -> None:
        changed, failure = edited(self._loop, text, self._options.editor)
        if failure:
            self.tell(failure, "failure")
        then(changed)

    # --- news from the other threads ---

    def _ring(self) -> None:
        """Wake the UI thread; called in any thread."""
        if not self._rung and self._bell >= 0:
            self._rung = True
            try:
                os.write(self._bell, b"!")
            except BlockingIOError:
                pass  # a full pipe wakes it as well

    def _rang(self, _: bytes) -> None:
        """Fold now or with the next frame; until then nobody rings again."""
        silence = time.monotonic() - self._last_fold
        self._frames = min(BURST_FRAMES, self._frames + silence / FRAME_SECONDS)
        if self._frames >= 1:
            self._fold()
        else:
            self.later(max(0.0, FRAME_SECONDS - silence), self._fold)

    def _fold(self) -> None:
        """Take what came in, for a moment; the rest in the next frame."""
        self._rung = False
        self._frames = max(0.0, self._frames - 1)
        self._last_fold = time.monotonic()
        deadline = self._last_fold + FOLD_SECONDS
        folded = self.editor.model
        is_quiet = True
        while (news := self._remote.take()) is not None:
            if isinstance(news, protocol.Event):
                is_quiet = is_quiet and isinstance(news.body, QUIET)
                folded = self._event(folded, self._remote.joined(news))
            else:
                is_quiet = False
                self._show(folded)
                self._news(news)
                folded = self.editor.model
            if time.monotonic() > deadline:
                self._ring()
                break
        if is_quiet:
            self.expect()
            self.editor.model = folded
            self.later(HOLD_SECONDS, lambda: self._show(self.editor.model))
        else:
            self._loop.release()
            self._show(folded)

    def _event(self, known: model.Model, event: protocol.Event) -> model.Model:
        body = event.body
        if isinstance(body, protocol.Queued):
            self.editor.arrived(body.code)
        if isinstance(body, protocol.Draft) and event.client == self.client:
            self.editor.draft(body.code)
        if isinstance(body, protocol.Leave) and event.client == self.client and event.time >= self._began:
            self.later(0, self.leave)
        if isinstance(body, (protocol.Finished, protocol.Died)):
            self._screen.hint = ""
        self._notifier.follow(known, event, self.client)
        known = model.apply(known, event)
        self._handover.follow(known, event, self.client)
        return known

    def _show(self, folded: model.Model) -> None:
        was_asked = self.editor.model.input is not None
        self.editor.follow(folded)
        self._screen.transcript.show(model.without_prompt(folded))
        if was_asked and folded.input is None and folded.running is not None:
            self.editor.holding.begin()
        elif self.editor.is_answering or folded.running is None:
            self.editor.holding.end()
        if self._commands.panels is not None:
            self._commands.panels.followed()
        if folded.running is not None and not self._ticking:
            self._tick()
        self._commands.follow(folded)
        self._screen.refresh()

    def _news(self, news: News) -> None:
        if isinstance(news, Answer):
            news.deliver()
        elif isinstance(news, Connected):
            self.client = news.client
            self._connected(news.name)
        elif isinstance(news, Resized):
            self._send_size()
        elif isinstance(news, Lost):
            self._handover.end()
            self.tell(f"{news.reason.rstrip('.')}. Connecting again…", "failure")
        elif isinstance(news, Trouble):
            self.tell(str(news.error), "failure")
        elif isinstance(news, Interrupted):
            self._commands.do_interrupt()
        elif isinstance(news, Ended):
            self._ended = news
            self.exit_status = 1 if news.error else 0
            self.leave()
        elif isinstance(news, Broken):
            raise news.error

    def _connected(self, name: str) -> None:
        if not self._screen.session_name:
            recall(self, self.editor)
            self.later(WARM_UP_SECONDS, self._screen.warm_up)
            self.later(WARM_UP_SECONDS, self._watch.look)
        self._screen.session_name = name
        self._send_size()

    def _send_size(self) -> None:
        columns, rows = self.display.get_cols_rows()
        self._look()
        self.ask(lambda session: session.resize(columns, rows))

    def _look(self) -> None:
        """Show what comes from here on in the width that there is now."""
        images = self._options.images and self.colors >= 256
        view = model.View(*self.display.get_cols_rows(), images, self._prompts, self.client)
        self.editor.model = self.editor.model._replace(view=view)

    def _draw(self, draw: Callable[[], Any], then: Callable[[Any], None]) -> None:
        self.ask(lambda _: draw(), then, "query")

    # --- programs that want the terminal for themselves ---

    def lend(self) -> bool:
        """Give the terminal to the program that wants it, which draws everything anew; False if none does."""
        if self.editor.model.terminal == "lines":
            return False
        self._handover.begin(self.editor.model)
        columns, rows = self.display.get_cols_rows()
        self.ask(lambda session: session.resize(columns, rows + 1))
        self._send_size()
        return True

    def open_pager(self, path: Path) -> str:
        """Show a file in the person's pager; why not, or nothing."""
        pager = pager_of(self._options.pager)
        return run_program(self._loop, [*pager, str(path)]) if pager else "There is no pager: set PAGER."

    def view(self, data: protocol.MimeData) -> str:
        """Show a picture on the whole screen; why not, or nothing."""
        if not self._options.images:
            return "Pictures are not drawn: the configuration or --no-images says so."
        from pyshell.console.viewing import Shown, view  # not needed before there is a picture

        return view(self._loop, Shown(data, self._placed.way, self.colors, self.display.look))

    def _keys(self, data: bytes) -> None:
        self.ask(lambda session: session.keys(data))

    def _taken_back(self) -> None:
        self._screen.hint = "The program goes on; F4 gives it the terminal again."

    # --- keys that are none ---

    def _filter(self, keys: list[Key], raw: list[int]) -> list[Key]:
        """See all input before urwid's widgets do."""
        self._loop.release()
        if "window resize" in keys:
            self._loop.screen_size = None
            if self._remote.is_connected:
                self._send_size()
        return self.keyboard.filter(keys, raw)

    def _pasted(self, text: str) -> None:
        self.editor.paste(text)
        self._screen.transcript.follow()
        self._screen.refresh()

    def _typed(self, data: bytes) -> None:
        if data:
            self._keys(data)
        else:
            self._screen.hint = ""
        self._screen.refresh()
