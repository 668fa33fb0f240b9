"""The console without a screen: a line is read, lines are written, and nothing that stands there is drawn again.

Runs in: console.

For screen readers, terminals that can do nothing, pipes, and very slow lines. No urwid here. What is printed is what
the transcript of the other console gets (see model.py), and the session's output as it comes.
"""

from __future__ import annotations

import queue
import signal
import sys
import termios
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyshell import protocol, syntax
from pyshell.console import ansi, model
from pyshell.console.farewell import printed
from pyshell.console.known import NUMBERS, PYTHON
from pyshell.console.options import Options
from pyshell.console.remote import Answer, Broken, Connected, Ended, Interrupted, Lost, News, Remote, Trouble
from pyshell.console.tabbing import Tab
from pyshell.console.theme import Colors
from pyshell.errors import PyshellError

if TYPE_CHECKING:
    from pyshell.client import Session

TYPED = ("code", "output", "blank")
"""Lines of the transcript that stand there already: as they were typed, or as they came."""
FIRMER = {
    "stack": "Interrupt sent again; the stack is above. Ctrl-C again kills the worker and restores.",
    "kill": "The worker was killed; the state before the cell is being restored.",
}


def run(session_factory: Callable[[], Session], *, banner: str, colors: Colors, options: Options) -> int:
    """Read cells until the end of the input or of the session; return the exit status."""
    return Linewise(session_factory, colors, options).run(banner)


class Linewise:
    """Owned by the main thread; the only other ones are those of `Remote`."""

    def __init__(self, session_factory: Callable[[], Session], colors: Colors, options: Options) -> None:
        prompts = PYTHON if options.prompt == "python" else NUMBERS
        self._model = model.Model(view=model.View(prompts=prompts))
        self._colors = colors
        self._is_person = sys.stdin.isatty()
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._remote = Remote(session_factory, lambda: self._bell.put(None))
        self._tab = Tab(self._remote)
        self._name = self._client = ""
        self._since = time.time()
        self._at_line_start = True
        self._is_reading = self._is_leaving = False
        self._draft = ""
        self._echo = ""
        """What the worker's terminal will show of an answer, and stands here already."""
        self._ended: Ended | None = None
        self._asked: protocol.InputRequest | None = None
        """The question that has got its answer."""

    def run(self, banner: str) -> int:
        """Read a cell, run it, show what it shows, and so on."""
        previous = signal.signal(signal.SIGINT, self._interrupted)
        try:
            self._remote.start()
            self._say(banner)
            self._catch_up()
            while self._ended is None and not self._is_leaving and (code := self._read_cell()) is not None:
                if code.strip():
                    self._run(code)
        finally:
            signal.signal(signal.SIGINT, previous)
            self._set_echo(is_on=True)
            self._remote.close()
        self._say(self._last_words())
        return 1 if self._ended is not None and self._ended.error else 0

    def _interrupted(self, *_: Any) -> None:
        if self._is_reading:
            self._is_reading = False  # a second one is not to end what the first one began
            raise KeyboardInterrupt
        self._remote.put(Interrupted())

    def _last_words(self) -> str:
        if self._ended is not None:
            return f"error: {self._ended.error}" if self._ended.error else f'Session "{self._name}" has ended.'
        return f'Detached from "{self._name}", which goes on. Come back with: pyshell attach -t {self._name}'

    # --- the session ---

    def _catch_up(self) -> None:
        """Take in what has been, without a word, and wait for what runs."""
        status = self._answer(lambda session: session.status())
        if isinstance(status, protocol.Status):
            self._follow(lambda: self._model.seq >= status.last_event and self._is_idle)
        if self._is_person and sys.stdout.isatty():
            self._remember(self._answer(lambda session: session.history(limit=1000)))

    def _remember(self, entries: Any) -> None:
        try:
            self._tab.install()
            import readline  # late: only a person at a terminal has it, and not every Python
        except ImportError:
            return
        for entry in entries if isinstance(entries, tuple) else ():
            if "\n" not in entry.code:
                readline.add_history(entry.code)

    @property
    def _is_idle(self) -> bool:
        known = self._model
        is_back = known.death is None or known.state in ("dead", "stopped")
        return known.running is None and (not known.queue or known.held) and is_back

    def _run(self, code: str) -> None:
        """Run a cell and all that waits, and show what comes."""
        if self._model.held:
            self._remote.ask(lambda session: session.release())
        cell = self._answer(lambda session: session.execute(code))
        if isinstance(cell, int):
            self._follow(lambda: self._model.next_cell > cell and self._is_idle)

    def _answer(self, work: Callable[[Session], Any]) -> Any:
        """What the session answers; None if it is not there any more. An error is told."""
        answers: list[Any] = []
        self._remote.ask(work, answers.append)
        self._follow(lambda: answers)
        if answers and isinstance(answers[0], PyshellError):
            self._say(str(answers[0]))
        return answers[0] if answers else None

    def _follow(self, is_done: Callable[[], object]) -> None:
        """Show what happens until that is so, or the session has ended."""
        while self._ended is None and not is_done():
            self._bell.get()
            while self._ended is None and (news := self._remote.take()) is not None:
                self._news(news)
            request = self._model.input
            if request is not None and request is not self._asked and self._ended is None:
                self._asked = request
                self._reply(request)

    def _news(self, news: News) -> None:
        if isinstance(news, protocol.Event):
            self._event(news)
        elif isinstance(news, Answer):
            news.deliver()
        elif isinstance(news, Connected):
            self._name, self._client = news.name, news.client
            self._model = self._model._replace(view=self._model.view._replace(client=news.client))
        elif isinstance(news, Lost):
            self._say(f"{news.reason.rstrip('.')}. Connecting again…")
        elif isinstance(news, Trouble):
            self._say(str(news.error))
        elif isinstance(news, Interrupted):
            self._remote.ask(lambda session: session.interrupt(), self._told, "interrupt")
        elif isinstance(news, Ended):
            self._ended = news
        elif isinstance(news, Broken):
            raise news.error

    def _told(self, rung: str | PyshellError) -> None:
        if sentence := str(rung) if isinstance(rung, PyshellError) else FIRMER.get(rung):
            self._say(sentence)

    # --- what is shown ---

    def _event(self, event: protocol.Event) -> None:
        end = self._model.log.end
        self._model = model.apply(self._model, event)
        if event.time < self._since:
            return
        body = event.body
        if isinstance(body, protocol.Output):
            text = self._without_echo(body.text)
            self._write(ansi.ESCAPE.sub("", text) if self._colors == 1 else text)
        elif isinstance(body, protocol.Draft):
            self._draft = body.code.rstrip("\n") if event.client == self._client else ""
        elif isinstance(body, protocol.Leave):
            self._is_leaving = self._is_leaving or event.client == self._client
        else:
            is_others = isinstance(body, protocol.Started) and event.client != self._client
            for number in range(end, self._model.log.end):
                line = self._model.log.line(number)
                if line.kind not in TYPED or (is_others and line.kind == "code"):
                    self._say(printed(line, self._colors))

    def _without_echo(self, text: str) -> str:
        echo, self._echo = self._echo, ""
        if echo and echo.startswith(text):
            self._echo = echo[len(text) :]
            return ""
        return text.removeprefix(echo)

    def _say(self, text: str) -> None:
        """A line of its own."""
        self._begin_line()
        self._write(text + "\n")

    def _begin_line(self) -> None:
        self._write("" if self._at_line_start else "\n")

    def _write(self, text: str) -> None:
        if text:
            sys.stdout.write(text)
            sys.stdout.flush()
            self._at_line_start = text.endswith("\n")

    # --- what is read ---

    def _read_cell(self) -> str | None:
        """A cell of as many lines as it needs; None at the end of the input."""
        prompts, number = self._model.view.prompts, self._model.next_cell
        self._begin_line()
        draft, self._draft = self._draft, ""
        if draft:
            self._say(f"{draft}\nEnter runs this; another cell takes its place.")
        lines: list[str] = []
        try:
            while not lines or syntax.is_complete("\n".join(lines)).status == "incomplete":
                self._tab.above = "".join([f"{line}\n" for line in lines])
                lines.append(self._read(prompts.more(number) if lines else prompts.first(number)))
        except EOFError:
            self._write("\n" if self._is_person else "")
            return "\n".join(lines) if lines else None
        except KeyboardInterrupt:
            self._write("\n")
            return ""
        finally:
            self._tab.above = None
        return "\n".join(lines) if lines[0].strip() else draft

    def _read(self, prompt: str) -> str:
        self._set_echo(is_on=True)
        self._is_reading = True
        try:
            return input(prompt if self._is_person else "")
        finally:
            self._is_reading = False
            self._set_echo(is_on=False)

    def _set_echo(self, *, is_on: bool) -> None:
        """Off while nothing is read: what is typed ahead may be a password. Nothing that was typed is thrown away."""
        if self._is_person:
            mode = termios.tcgetattr(sys.stdin.fileno())
            mode[3] = mode[3] | termios.ECHO if is_on else mode[3] & ~termios.ECHO
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, mode)

    def _reply(self, request: protocol.InputRequest) -> None:
        """Answer a cell that waits for a line."""
        prompt = "" if not self._at_line_start else request.prompt.split("\n")[-1]
        try:
            if request.password:
                line = self._hidden(prompt)
            else:
                line = self._read(prompt)
                self._echo = f"{line}\n"
                self._at_line_start = True
            self._remote.ask(lambda session: session.input(line))
        except EOFError:
            self._remote.ask(lambda session: session.input_end())
        except KeyboardInterrupt:
            self._remote.put(Interrupted())

    def _hidden(self, prompt: str) -> str:
        """A line that is not shown. Not by getpass: that throws away what was typed before it was asked for."""
        self._write(prompt)
        self._is_reading = True
        try:
            line = sys.stdin.readline()
        finally:
            self._is_reading = False
        if not line:
            raise EOFError
        return line.rstrip("\n")
