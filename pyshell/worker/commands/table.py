"""All commands of a cell: name, what it does in a line, and where its function is.

Runs in: worker, for the completion of `%` and to run them; the documentation build.

Cheap to import: a command's file is imported when it is called.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from inspect import getdoc
from typing import Any

from pyshell.frozen import dataclass

PACKAGE = "pyshell.worker.commands."


@dataclass(frozen=True)
class Command:
    """One command; `%%name` begins a cell, `%name` stands on a line."""

    name: str
    help: str
    file: str
    """The file of this directory that has its function."""
    is_line: bool = True
    is_cell: bool = False
    function_name: str = ""

    @property
    def function(self) -> Callable[[Any], Any]:
        """Takes a `Call`; what it returns is the value of the line. Its docstring says how to use it."""
        found: Callable[[Any], Any] = getattr(import_module(PACKAGE + self.file), self.function_name or self.name)
        return found

    @property
    def usage(self) -> str:
        """All that there is to know, for `%name?` and the documentation: the first line is what to type."""
        return getdoc(self.function) or ""


def _line(name: str, help: str, file: str, function_name: str = "") -> Command:
    return Command(name, help, file, function_name=function_name)


def _cell(name: str, help: str, file: str, function_name: str = "") -> Command:
    return Command(name, help, file, is_line=False, is_cell=True, function_name=function_name)


def _both(name: str, help: str, file: str) -> Command:
    return Command(name, help, file, is_cell=True)


_ALL = (
    _line("help", "list the commands, or tell more about one", "looking_up", "help_page"),
    _line("lsmagic", "list the commands", "looking_up", "help_page"),
    _line("who", "the names that are bound", "variables"),
    _line("whos", "the names that are bound, with types and values", "variables"),
    _line("who_ls", "the names that are bound, as a list", "variables"),
    _line("reset", "remove names, after asking", "variables"),
    _both("time", "run something once, and say how long it took", "timing"),
    _both("timeit", "run something often, and say how long it takes", "timing"),
    _line("run", "run a file of Python", "files"),
    _line("load", "put a file or past cells at the prompt, to change and run them", "files"),
    _line("save", "write past cells to a file", "files"),
    _line("edit", "write code in an editor, then run it", "files"),
    _cell("writefile", "write the cell to a file", "files"),
    _cell("file", "write the cell to a file", "files", "writefile"),
    _line("history", "cells of the past", "past"),
    _line("hist", "cells of the past", "past", "history"),
    _line("rerun", "run past cells again", "past"),
    _line("paste", "run what the clipboard holds", "past"),
    _line("cd", "change the directory", "directories"),
    _line("pwd", "the directory", "directories"),
    _line("env", "read and set environment variables", "directories"),
    _line("ls", "list files", "programs"),
    _line("pip", "run this interpreter's pip", "programs"),
    _cell("bash", "run the cell with bash", "programs", "script"),
    _cell("sh", "run the cell with sh", "programs", "script"),
    _cell("!", "run the cell with the user's shell", "programs", "script"),
    _line("system", "run a program, as `!` does", "programs"),
    _line("sx", "run a program and return its lines, as `x = !` does", "programs"),
    _cell("capture", "run the cell and keep what it prints", "capturing"),
    _line("matplotlib", "choose where matplotlib draws", "drawing"),
    _line("debug", "look around where the last exception was raised, or step through a statement", "debugging"),
    _line("pdb", "open the debugger after every exception, or stop doing so", "debugging"),
    _both("bg", "run something in the background, list or cancel what runs there", "behind"),
    _line("queue", "the cells that wait, and those in the background", "behind"),
    _line("checkpoint", "save the state that this cell leaves, and give it a name", "states"),
    _line("store", "save single names, where nothing is saved by itself", "states"),
    _line("undo", "take back what the last cell changed", "states"),
    _line("redo", "go on again after an undo", "states"),
    _line("restore", "go to a saved state", "states"),
    _line("timeline", "the saved states", "states"),
    _line("replay", "run cells again to recreate what could not be saved", "replaying"),
    _line("python", "which interpreter runs the code, or go on in another one", "states"),
    _line("kill", "end the session; what is saved stays", "states"),
)

COMMANDS: dict[str, Command] = {command.name: command for command in _ALL}
"""By their names, in the order of the help."""
