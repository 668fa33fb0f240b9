"""The prompt's behaviour: keys go in, the text under edit and calls to the session come out.

Runs in: console.

No urwid here. What may block is asked of a `Desk`; the answer comes back in the UI thread, which owns the editor.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pyshell import syntax
from pyshell.console import buffer as edit
from pyshell.console import searching, selection
from pyshell.console.assisting import Assistant
from pyshell.console.buffer import EDITS, KILLS, MOVES, Buffer, filled
from pyshell.console.completion import Menu
from pyshell.console.desk import Desk
from pyshell.console.history import Entry, History
from pyshell.console.holding import Holding
from pyshell.console.keymap import Keymap
from pyshell.console.model import Model
from pyshell.console.options import Options
from pyshell.console.pasting import cleaned
from pyshell.console.searching import Search
from pyshell.console.undoing import Steps
from pyshell.errors import PyshellError
from pyshell.protocol import KEPT_OUT, InputRequest

if TYPE_CHECKING:
    from pyshell.console.vi_keys import ViKeys

_WORD, _ALL = re.compile(r"\s*(?:\w+|[^\w\s]+)|\s+"), re.compile(r"(?s).+")
_ACCEPTING = {"right": _ALL, "line_end": _ALL, "word_right": _WORD}
"""Moves that take the suggestion, where there is one, and how much of it."""
_CHANGES = {**MOVES, **EDITS, **selection.BLOCKS}
SELECT = "select_"
"""What the name of a move begins with when it selects."""


class Editor:
    """The text under edit, its history, and what Enter and Tab do with it."""

    def __init__(self, desk: Desk, options: Options | None = None) -> None:
        options = options or Options()
        self._desk = desk
        self.keymap = Keymap(options.keys, options.places)
        self.model = Model()
        self.code = Buffer()
        self.answer = Buffer()
        self.history = History()
        self.assistant = Assistant(desk, self, offers=options.offers)
        self.vi = self._vi_keys() if options.is_vi else None
        self.search: Search | None = None
        self.submitted: list[str] = []
        """Cells sent whose `queued` event has not come yet."""
        self.steps = Steps()
        self._killed = ""
        self._is_marking = False
        """Ctrl-Space was pressed: moves select."""
        self.holding = Holding(desk, self.key)
        """Between an answer and the next question: whose the keys are is not known."""
        self._answered: InputRequest | None = None
        """The question that has got its line; what is typed until the next one is not for it."""

    def _vi_keys(self) -> ViKeys:
        from pyshell.console.vi_keys import ViKeys  # late: most people have other keys

        return ViKeys(self)

    # --- what is on the screen ---

    @property
    def is_answering(self) -> bool:
        """Whether the prompt belongs to a running cell that asks for input."""
        return self.model.input is not None and self.model.input is not self._answered

    @property
    def hides_text(self) -> bool:
        """Whether what is typed is a password."""
        return self.is_answering and self.model.input is not None and self.model.input.password

    @property
    def buffer(self) -> Buffer:
        if self.is_answering:
            return self.answer
        return self.code if self.search is None else self.search.shown()

    @property
    def menu(self) -> Menu | None:
        return self.assistant.menu

    @property
    def selected(self) -> tuple[int, int]:
        """Where what is selected begins and ends."""
        region = self.vi.selected if self.vi is not None and not self.is_answering else None
        return selection.span(self.buffer) if region is None else region[:2]

    @property
    def suggestion(self) -> str:
        """What the newest cell that begins like the text would add to it."""
        is_other = self.is_answering or self.search is not None or self.code.mark is not None
        if is_other or (self.menu is not None and self.menu.selected is not None):
            return ""
        return self.history.suggestion(self.code)

    def follow(self, model: Model) -> None:
        """Know more; what was being typed for a question that is open no longer is for no other one."""
        if self.is_answering and model.input is not self.model.input:
            self.answer = Buffer()
        self.model = model

    def put(self, buffer: Buffer) -> None:
        """Change the text under edit, so that undo knows."""
        if self.is_answering:
            self.answer = buffer
            return
        self.steps.changed(self.code, buffer)
        self.code = buffer

    # --- keys ---

    def key(self, key: str) -> bool:
        """Take one key; False if it means nothing here."""
        if self.holding.holds(key):
            return True
        command = self.keymap.command(key)
        if self.search is not None and self._search_on(key, command):
            return True
        if self.assistant.key(command):
            return True
        if self.vi is not None and not self.is_answering and self.vi.key(key):
            self.assistant.close()
            return True
        if command is None and len(key) == 1:
            self._type(key)
            return True
        return command is not None and self.do(command)

    def do(self, command: str) -> bool:
        """Do what the key table calls by that name; False if that is nothing of the editor's."""
        if command != "backspace":
            self.assistant.close()
        if command != "cancel":
            self._end_search()
        action = getattr(self, f"_do_{command}", None)
        if action is not None:
            action()
        elif not self._edit(command):
            return False
        if command != "cancel":
            self._tell_assistant(typed=command == "backspace")
        return True

    def _tell_assistant(self, *, typed: bool) -> None:
        if not self.is_answering:
            (self.assistant.typed if typed else self.assistant.moved)()

    def paste(self, text: str) -> None:
        """Insert pasted text whole; nothing in it runs."""
        self.search = None
        text = cleaned(text, dedents=not self.buffer.text and not self.is_answering)
        self.assistant.close()
        self.history.leave()
        self._insert(text)

    def _type(self, character: str) -> None:
        self.history.leave()
        self._insert(character)
        self._tell_assistant(typed=True)

    def _insert(self, text: str) -> None:
        """In place of what is selected."""
        self._is_marking = False
        self.put(edit.insert(selection.without(self.buffer), text))

    def _edit(self, command: str) -> bool:
        before = self.buffer
        if command in _ACCEPTING and (accepted := _ACCEPTING[command].match(self.suggestion)):
            self.put(filled(before.text + accepted.group()))
            return True
        move = MOVES.get(command.removeprefix(SELECT))
        if move is not None and (self._is_marking or command.startswith(SELECT)):
            self.put(selection.extended(before, move))
        elif command in ("backspace", "delete") and selection.selected(before):
            self.put(selection.without(before))
        elif command in _CHANGES:
            self.put(_CHANGES[command](before))
        elif command in KILLS:
            self.put(KILLS[command](before))
            gone = len(before.text) - len(self.buffer.text)
            self._killed = before.text[self.buffer.cursor : self.buffer.cursor + gone] or self._killed
        else:
            return False
        self._is_marking = self._is_marking and self.buffer.mark is not None
        self.history.leave()
        return True

    def _do_yank(self) -> None:
        self._insert(self._killed)

    def _do_undo(self) -> None:
        if not self.is_answering:
            self.code = self.steps.undo(self.code) or self.code

    def _do_redo(self) -> None:
        if not self.is_answering:
            self.code = self.steps.redo(self.code) or self.code

    def _do_newline(self) -> None:
        if not self.is_answering:
            self.put(edit.newline(selection.without(self.code)))

    def _do_up(self) -> None:
        if not self.buffer.on_first_line or self._is_marking:
            self._edit("line_up")
        elif not self.is_answering and (older := self.history.older(self.buffer)):
            self.put(older)

    def _do_down(self) -> None:
        if not self.buffer.on_last_line or self._is_marking:
            self._edit("line_down")
        elif not self.is_answering and (newer := self.history.newer(self.buffer)):
            self.put(newer)

    def clear(self) -> None:
        """Throw the text away (undo brings it back)."""
        self.holding.drop()
        self.history.leave()
        self._begin()
        self.put(Buffer())

    def _begin(self) -> None:
        """Another cell is typed from here on."""
        self._is_marking = False
        self.assistant.clear()
        if self.vi is not None:
            self.vi.insert()

    # --- what is selected ---

    def _do_mark(self) -> None:
        self.put(selection.marked(self.buffer))
        self._is_marking = self.buffer.mark is not None

    def _do_copy(self) -> None:
        self._take(selection.selected(self.buffer))
        self.put(self.buffer._replace(mark=None))

    def _do_cut(self) -> None:
        self._take(selection.selected(self.buffer))
        self.put(selection.without(self.buffer))

    def _do_kill_word_left(self) -> None:
        if selection.selected(self.buffer):
            self._do_cut()
        else:
            self._edit("kill_word_left")

    def _take(self, text: str) -> None:
        self._is_marking = False
        if text:
            self._killed = text
            self._desk.copy(text)

    def _do_dedent(self) -> None:
        is_block = selection.reaches_over_lines(self.buffer)
        self.put((selection.dedent_lines if is_block else edit.dedent)(self.buffer))

    def _do_cancel(self) -> None:
        """Close what is open: the search, the list; give up the selection."""
        self._is_marking = False
        self.search = None
        self.assistant.dismiss()
        self.put(self.buffer._replace(mark=None))

    def _do_edit_outside(self) -> None:
        """Hand the text to the person's own editor."""
        if not self.is_answering:
            self._desk.edit_outside(self.code.text, lambda text: self.put(filled(text)))

    # --- searching the history ---

    def _do_search_history(self) -> None:
        if not self.is_answering:
            self.assistant.clear()
            self.search = searching.searched(self.code.text, self.history.newest_first())

    def learn(self, entries: Iterable[Entry]) -> None:
        """Cells of other sessions became known."""
        self.history.put_elsewhere(entries)
        if self.search is not None:
            self.search = searching.searched(self.search.pattern, self.history.newest_first())

    def _search_on(self, key: str, command: str | None) -> bool:
        """Take a key while a search is open; False if it ended the search, and is for the cell that was found."""
        assert self.search is not None
        search = searching.pressed(self.search, key, command, self.history.newest_first())
        if search is not None:
            self.search = search
        elif command == "cancel":
            self._do_cancel()
        else:
            self._end_search()
            if command != "enter":
                return False
            self.code = edit.text_end(self.code)  # where a second one runs it
        return True

    def _end_search(self) -> None:
        """What was found is the text now."""
        if self.search is not None and self.search.entry is not None:
            self.put(self.search.shown())
        self.search = None

    # --- Enter ---

    def _do_enter(self) -> None:
        if self.is_answering:
            self._send_answer()
        elif not self.code.text.strip():
            self._enter_on_nothing()
        elif self.code.text[self.code.line_end :].strip():
            self._do_newline()
        else:
            self._run_or_go_on()

    def _do_run(self) -> None:
        if self.is_answering:
            self._send_answer()
        elif self.code.text.strip():
            self._submit()

    def _enter_on_nothing(self) -> None:
        if self.model.held:
            self._desk.ask(lambda session: session.release())
        self.code = Buffer()

    def _send_answer(self) -> None:
        line, _, rest = self.answer.text.partition("\n")
        self.answer = filled(rest)
        self._answered = self.model.input
        self.holding.begin()

        def refused(error: PyshellError) -> None:
            self._answered = None
            self.answer = filled(line)
            self._desk.tell(f"The answer did not arrive: {error}")

        self._desk.ask(lambda session: session.input(line), refused=refused)

    def _run_or_go_on(self) -> None:
        # Decided here and at once: a thread would gain nothing, for the compiler holds the GIL.
        reply = syntax.is_complete(self.code.text)
        if reply.status == "incomplete":
            self.put(edit.newline(edit.text_end(self.code), reply.indent))
        else:
            self._submit()

    def _submit(self) -> None:
        code = self.code.text.rstrip()
        self.history.add(code)
        self.code = Buffer()
        self.steps.clear()
        self._begin()
        told = KEPT_OUT if code[:1] == " " else code  # what its event will say
        self.submitted.append(told)

        def refused(error: PyshellError) -> None:
            self.arrived(told)
            self._desk.tell(f"The cell was not accepted: {error}")
            if not self.code.text:
                self.code = filled(code)

        self._desk.ask(lambda session: session.execute(code), refused=refused)
        self._desk.expect()

    def arrived(self, code: str) -> None:
        """A `queued` event came: the cell is in the model now."""
        if code in self.submitted:
            self.submitted.remove(code)

    def draft(self, code: str) -> None:
        """A cell of ours has put code at the prompt; what is typed there already stays."""
        if not self.code.text:
            self.code = filled(code.rstrip("\n"))

    # --- Tab ---

    def _do_tab(self) -> None:
        if self.is_answering:
            self.put(edit.insert(self.buffer, "\t"))
        elif selection.reaches_over_lines(self.code):
            self.put(selection.indent_lines(self.code))
        elif edit.at_line_start(self.code):
            self.put(edit.indent(self.code))
        else:
            self.assistant.complete()
