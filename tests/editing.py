"""What an editor's plugin must do, as one walk through everything: a person at the editor, a real session behind it.

Runs in: tests.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pyshell
from pyshell.errors import PyshellError
from tests.sessions import becomes_true, host_of, kill

NAME = "project"
SECONDS = 60
"""What an editor is waited for."""

WORK = """\
# %%
greeting = "hello"
greeting

# %%
def divide(by):
    return 1 / by

divide(0)

# %% busy
open(GATE).close()
"through"

# %% asks
name = input("who? ")
name.upper()

# %% dies
import os, signal
os.kill(os.getpid(), signal.SIGKILL)

# %% changes
greeting = "bye"

# %% prints
for i in range(40):
    print(f"line {i} of 40")
    if i == 4:
        open(GATE).close()

# %% moves
open(GATE).close()
1 / 0
"not reached"
"""

KEYED = """\
# %% counts
count = 1
pair = [10, count]
count

# %% more
count = 2

# %% for ever
while True:
    pass

# %% dies
import os, signal
open(GATE).close()
os.kill(os.getpid(), signal.SIGKILL)

# %% asks
input("later? ")
"""


def row(text: str, work: str = WORK) -> int:
    """The number of the line of WORK that has this text."""
    return next(number for number, line in enumerate(work.splitlines(), 1) if text in line)


class Editor(ABC):
    """A running editor that visits the file, with the plugin."""

    hides_output: bool
    """Whether the key that shows the output also takes it away."""

    @abstractmethod
    def wait(self, what: str, text: str) -> str:
        """Until `what` has the text; all of it. It is one of

        marks (a line "row text" each), output, notes (what the person was told), view (the list in front), document;
        variables, states, value.
        """

    @abstractmethod
    def do(self, verb: str, at: int = 1) -> None:
        """What the plugin's command or key of that name does, with the cursor at the beginning of a line."""

    @abstractmethod
    def press(self, what: str, at: int = 1) -> None:
        """Press the editor's keys for that, with the cursor at the beginning of a line."""

    @abstractmethod
    def choose(self, list: str, text: str, what: str) -> None:
        """Press the keys for that in the list of that name, on the line that has the text."""

    @abstractmethod
    def shown(self) -> int:
        """How many windows show the output."""

    @abstractmethod
    def complete(self, at: int, typed: str, wanted: str) -> None:
        """Type that above a line, ask for completions until there is one, and take it all back."""

    @abstractmethod
    def change(self, at: int) -> None:
        """Change a line."""

    @abstractmethod
    def put_above(self) -> None:
        """Put a line above all others."""

    @abstractmethod
    def bridge(self) -> int:
        """The process through which it talks to the session."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it has begun to listen."""

    @abstractmethod
    def quit(self) -> None:
        """Leave the editor as a person does."""


AnEditor = TypeVar("AnEditor", bound=Editor)


@contextmanager
def running(editor: AnEditor, command: Sequence[str], file: Path, env: dict[str, str]) -> Iterator[AnEditor]:
    """The editor that the command starts; it is left at the end, and ended if that does not help."""
    process = subprocess.Popen(command, env=env, cwd=file.parent, stdin=subprocess.DEVNULL)
    try:
        assert becomes_true(editor.answers)
        yield editor
        editor.quit()
        assert process.wait(SECONDS) == 0
    finally:
        process.kill()
        process.wait()


def prepare(directory: Path, work: str = WORK) -> tuple[Path, Path]:
    """A project with a file in it, and the pipe at which two of its cells wait."""
    project = directory / NAME
    (project / ".git").mkdir(parents=True)
    gate = directory / "gate"
    os.mkfifo(gate)
    file = project / "work.py"
    file.write_text(work.replace("GATE", repr(str(gate))))
    return file, gate


def install(editor: str, env: dict[str, str]) -> str:
    """The plugin as a person installs it; what it says is to be added to the init file."""
    command = [sys.executable, "-m", "pyshell", "editor", "install", editor]
    answer = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return answer.stdout.partition(":\n")[2]


def environment(home: Path) -> dict[str, str]:
    """The test's own directories and this pyshell, for an editor and all that it starts."""
    mine = {"HOME": str(home), "TMPDIR": str(home)}  # Emacs compiles beside its work, and leaves what it has not done
    return {**os.environ, **mine, "PYTHONPATH": str(Path(pyshell.__file__).parents[1])}


@contextmanager
def session_ended() -> Iterator[None]:
    """The session goes, whatever a test did with it."""
    try:
        yield
    finally:
        with contextlib.suppress(PyshellError):  # it is ending, or has ended
            pyshell.connect(NAME).kill()


def walk(editor: Editor, gate: Path) -> None:
    """Everything but the editor's own end: results, errors, completion while busy, input, a death, going back."""
    editor.do("next", row("greeting ="))
    editor.wait("marks", "3 Out[1]: 'hello'")
    editor.do("cell", row("divide(0)"))
    assert f"{row('return 1 / by')} ✗ ZeroDivisionError: division by zero" in editor.wait("marks", "ZeroDivisionError")
    assert f'work.py", line {row("divide(0)")}' in editor.wait("output", "ZeroDivisionError: division by zero")

    editor.do("cell", row('"through"'))
    editor.wait("marks", "In[3] running")
    editor.complete(row("# %% asks"), "greet", "greeting")
    editor.do("document", row("greeting ="))
    assert "str" in editor.wait("document", "hello")
    with open(gate, "w"):
        editor.wait("marks", "Out[3]: 'through'")

    editor.do("cell", row("name ="))
    editor.wait("marks", "Out[4]: 'ADA'")
    editor.do("variables")
    editor.wait("view", "greeting")
    with pyshell.connect(NAME) as session:
        session.wait_saved(4, timeout=SECONDS)

    editor.do("cell", row("os.kill"))
    editor.wait("notes", "SIGKILL")
    editor.wait("notes", "a new worker has")
    editor.wait("marks", "SIGKILL")
    output = editor.wait("output", "═══ RESTART: epoch 2 ═══")
    assert re.search(r"Restored in [0-9.]+ s: .*greeting", editor.wait("output", "Restored in")), output

    editor.do("line", row('greeting = "bye"'))
    editor.wait("marks", "✓ In[6]")
    editor.do("undo")
    editor.wait("output", "At saved state")
    shown = row("greeting =") + 1
    editor.do("line", shown)
    editor.wait("marks", f"{shown} Out[7]: 'hello'")
    editor.change(shown)
    assert becomes_true(lambda: "Out[7]" not in editor.wait("marks", "✓ In[6]"))


def lose_connections(editor: Editor, gate: Path) -> None:
    """The process in between dies while a cell prints, then the session's host: nothing is lost or told twice."""
    editor.do("cell", row("for i in range(40)"))
    editor.wait("output", "line 4 of 40")
    os.kill(editor.bridge(), signal.SIGKILL)
    with open(gate, "w"):
        output = editor.wait("output", "line 39 of 40")
    assert re.findall(r"line (\d+) of 40", output) == [str(i) for i in range(40)]
    editor.wait("notes", "connected again")
    editor.wait("marks", "✓ In[8]")

    with pyshell.connect(NAME) as session:
        kill(host_of(session))
    assert becomes_true(lambda: editor.wait("notes", "connected").count("connected again") > 1)
    editor.do("line", row("name.upper()"))
    editor.wait("marks", "Out[9]: 'ADA'")


def move(editor: Editor, gate: Path) -> None:
    """The mark of an error stands at the line that raised it, wherever that is by then."""
    editor.do("cell", row("1 / 0"))
    editor.wait("marks", "In[10] running")
    editor.put_above()
    with open(gate, "w"):
        editor.wait("marks", f"{row('1 / 0') + 1} ✗ ZeroDivisionError")
    assert f'work.py", line {row("1 / 0")}' in editor.wait("output", f"line {row('1 / 0')}")


def while_away() -> None:
    """Somebody else uses the session while no editor is there."""
    with pyshell.connect(NAME) as session:
        assert session.run("print('while', 'you were away')").status == "ok"


def come_back(editor: Editor) -> None:
    """An editor that was started anew tells what was missed, and nothing else; then it ends the session."""
    editor.do("start")
    output = editor.wait("output", "while you were away")
    assert output.count("you were away") == 1 + output.count("'you were away'") and "of 40" not in output
    editor.do("kill")
    editor.wait("notes", "has ended")


def keys(editor: Editor, gate: Path) -> None:
    """Every key and command that the documentation lists, as the person presses it."""
    counts, more, asks = row("count = 1", KEYED), row("count = 2", KEYED), row("input(", KEYED)
    _send_and_look(editor, counts)
    _go_back_and_forth(editor, counts, more)
    _stop_and_begin_again(editor)
    _ask_later_and_release(editor, gate, counts, asks)
    editor.press("clear")
    assert editor.wait("marks", "") == ""
    editor.press("detach")
    with pyshell.connect(NAME) as session:
        assert session.run("print('while', 'detached')").status == "ok"
    editor.press("start")
    editor.wait("output", "while detached")
    editor.press("kill")
    editor.wait("notes", "has ended")


def _send_and_look(editor: Editor, counts: int) -> None:
    editor.press("line", counts)
    editor.wait("marks", f"{counts} ✓ In[1]")
    editor.press("region", counts + 1)  # that line and the next one
    editor.wait("marks", f"{counts + 2} Out[2]: 1")
    shown = editor.shown()
    editor.press("output")
    assert becomes_true(lambda: editor.shown() == (0 if editor.hides_output else shown) and shown == 1)
    editor.press("document", counts)
    assert "int" in editor.wait("document", "count")
    editor.press("variables")
    editor.wait("variables", "count")
    editor.choose("variables", "pair", "open")
    editor.wait("value", "[1]")


def _go_back_and_forth(editor: Editor, counts: int, more: int) -> None:
    """A saved state by its label, and the states before and after a change."""
    editor.press("save")
    editor.wait("notes", "first")
    with pyshell.connect(NAME) as session:
        assert becomes_true(lambda: "first" in [saved.label for saved in session.checkpoints()])
        editor.press("line", more)
        editor.wait("marks", f"{more} ✓ In[3]")
        session.wait_saved(3, timeout=SECONDS)
        editor.press("undo")
        assert becomes_true(lambda: _count(session) == "1")
        editor.press("redo")
        assert becomes_true(lambda: _count(session) == "2")
        editor.press("states")
        editor.wait("states", "first")
        editor.choose("states", "first", "label")
        editor.wait("states", "other")
        assert "other" in [saved.label for saved in session.checkpoints()]
        editor.choose("states", "other", "go")
        assert becomes_true(lambda: _count(session) == "1")


def _count(session: pyshell.Session) -> str:
    """What `count` is when nothing runs; looked at without a cell, which would be one more state."""
    found = [variable.preview for variable in session.variables() if variable.name == "count"]
    return found[0] if found and session.state == "idle" else ""


def _stop_and_begin_again(editor: Editor) -> None:
    editor.press("buffer")
    editor.wait("marks", "In[4] running")
    editor.press("interrupt")
    editor.wait("marks", "✗ KeyboardInterrupt")
    editor.press("interrupt")
    editor.wait("notes", "no cell runs")
    with pyshell.connect(NAME) as session:
        session.wait_saved(4, timeout=SECONDS)
        editor.press("restart")
        editor.wait("output", "RESTART: epoch 2")
        assert becomes_true(lambda: _count(session) == "2")
        editor.press("fresh")
        editor.wait("output", "RESTART: epoch 3")
        session.wait_up()
        assert [variable.name for variable in session.variables()] == []


def _ask_later_and_release(editor: Editor, gate: Path, counts: int, asks: int) -> None:
    editor.press("line", counts)
    editor.wait("marks", f"{counts} ✓ In[5]")
    with pyshell.connect(NAME) as session:
        session.wait_saved(5, timeout=SECONDS)
        editor.press("cell", row("os.kill", KEYED))
        editor.wait("marks", "In[6] running")
        editor.press("next", counts)
        assert becomes_true(lambda: session.status().queued == (7,))
    with open(gate, "w"):
        editor.wait("notes", "held")
    editor.press("release")
    editor.wait("marks", "Out[7]: 1")
    editor.press("cell", asks)
    editor.wait("notes", "the cell waits on")
    editor.press("input")
    editor.wait("marks", "Out[8]: 'Ada'")
