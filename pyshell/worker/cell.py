"""Compile and run one cell, and describe what it raised.

Runs in: worker, on its main thread.
"""

from __future__ import annotations
import __future__

import ast
import inspect
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import CodeType, TracebackType
from typing import TYPE_CHECKING, Any

from pyshell.protocol import ErrorInfo
from pyshell.worker import stepping
from pyshell.worker.frames import file_of, is_around, is_ours
from pyshell.worker.namespace import source_lines
from pyshell.worker.pickles import rebuilding
from pyshell.worker.places import Place
from pyshell.worker.ran import Ran
from pyshell.worker.suggesting import suggestion
from pyshell.worker.touched import names_in

if TYPE_CHECKING:
    from pyshell.worker.awaiting import Awaiting

MAX_TRACEBACK = 500_000
"""Characters; a traceback must fit into a message."""
MAX_MESSAGE = 100_000

_FEATURES = {name: getattr(__future__, name).compiler_flag for name in __future__.all_feature_names}
_FUTURE_MASK = 0
for _flag in _FEATURES.values():
    _FUTURE_MASK |= _flag


NOTHING = object()
"""What a cell shows that does not end with an expression."""

Scope = tuple[dict[str, Any], Any]
"""Globals and locals."""


class CellRunner:
    """Runs code in one namespace; keeps the event loop that top-level `await` uses."""

    def __init__(self, variables: dict[str, Any]) -> None:
        self._variables = variables
        self._awaiting: Awaiting | None = None
        self._features = 0
        self.named: set[str] | None = set()
        """Names in the code of the last cell, and in what ran with it (`note_ran`); None: other code may have run."""
        self._ran = Ran()
        self.watch = self._ran.watch
        """To be told of code that the session has got in another way than by a cell."""
        rebuilding.code_made.append(self.watch)

    def run(self, place: Place) -> None:
        """Run all statements; show the last value through sys.displayhook if it is an expression's, and no script's.

        Raises whatever the code raises, a SyntaxError included.
        """
        self.named = set()
        self._features |= _features_in(self._variables)
        self._ran.begin()
        tree = self.parse(place.code, place.filename)
        if place.is_inside:
            tree.body[:1] = tree.body[0].body  # type: ignore[attr-defined]  # of the `if` that places.py has put around
        try:
            value = self.run_tree(tree, place.code, place.filename)
        finally:
            stepping.end_steps()
        if value is not NOTHING and not place.is_script:
            sys.displayhook(value)

    def evaluate(self, expression: str, filename: str) -> Any:
        """The value of an expression, as a part of the cell that has run. Raises whatever it raises."""
        flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | self._features
        tree: ast.Expression = compile(expression.strip(), filename, "eval", flags, dont_inherit=True)
        return self._run(self._compile(tree, filename, "eval"), None)

    def parse(self, code: str, filename: str) -> ast.Module:
        """The code as a tree; what is no Python may be a command."""
        flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | self._features
        try:
            # Not ast.parse: its frame would be in the traceback of every SyntaxError.
            tree: ast.Module = compile(code, filename, "exec", flags, dont_inherit=True)
            return tree
        except SyntaxError as exc:
            from pyshell.worker.commands.source import parse_with_commands  # cells of plain Python pay nothing for it

            return parse_with_commands(code, filename, flags, exc)

    def run_tree(self, tree: ast.Module, code: str, filename: str, scope: Scope | None = None) -> Any:
        """Run the statements; the last one's value if it is an expression that no semicolon silences, else NOTHING."""
        last = tree.body[-1] if tree.body else None
        if isinstance(last, ast.Expr):
            tree.body.pop()
        if tree.body:
            self._run(self._compile(tree, filename, "exec"), scope)
        if isinstance(last, ast.Expr):
            value = self._run(self._compile(ast.Expression(last.value), filename, "eval"), scope)
            return NOTHING if _is_silenced(code, last) else value
        return NOTHING

    def compiled(self, tree: ast.Module, filename: str) -> tuple[CodeType, CodeType | None]:
        """The statements for another thread, and the last expression; from here on anything may be touched."""
        self.named = None
        last = tree.body[-1] if tree.body else None
        if not isinstance(last, ast.Expr):
            return self._compile(tree, filename, "exec"), None
        tree.body.pop()
        return self._compile(tree, filename, "exec"), self._compile(ast.Expression(last.value), filename, "eval")

    def note(self, code: CodeType | None) -> None:
        """Something else runs with the cell, which can touch what it names; None: anything."""
        self.named = None if code is None or self.named is None else self.named | names_in(code)

    def note_ran(self) -> None:
        """The cell has ended: what of the session's ran with it, whoever called it, can have touched what it names."""
        ran = self._ran.take()
        if self.named is not None:
            self.named |= ran

    def _compile(self, tree: ast.Module | ast.Expression, filename: str, mode: str) -> CodeType:
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | self._features
        code: CodeType = compile(tree, filename, mode, flags, dont_inherit=True)
        # `from __future__ import …` holds for the cells after it, as at Python's own prompt.
        self._features |= code.co_flags & _FUTURE_MASK
        self.watch(code)
        return code

    def _run(self, code: CodeType, scope: Scope | None) -> Any:
        self.note(code)
        result = eval(code, self._variables) if scope is None else eval(code, *scope)
        if code.co_flags & inspect.CO_COROUTINE:
            self.named = None  # the loop has run whatever tasks there are
            return self._await(result)
        return result

    def _await(self, coroutine: Any) -> Any:
        if self._awaiting is None:
            from pyshell.worker.awaiting import Awaiting  # with asyncio, which most sessions never need

            self._awaiting = Awaiting()
        return self._awaiting.run(coroutine)


def run_startup(path: str | None, variables: dict[str, Any]) -> str:
    """PYTHONSTARTUP, as an interactive interpreter runs it, if the namespace starts from nothing; what went wrong."""
    if path:
        try:
            exec(compile(Path(path).read_bytes(), path, "exec"), variables)
        except BaseException as exc:  # it is user code
            return f"PYTHONSTARTUP failed:\n{describe(exc).traceback}"
    return ""


def _features_in(variables: dict[str, Any]) -> int:
    """The flags of the `__future__` features that are bound to their names: so they outlive a restart."""
    flags = 0
    for name, flag in _FEATURES.items():
        if type(variables.get(name)) is __future__._Feature:
            flags |= flag
    return flags


def _is_silenced(code: str, last: ast.Expr) -> bool:
    """A semicolon after the last expression asks for no display, as in IPython and MATLAB."""
    line = source_lines(code)[last.end_lineno - 1] if last.end_lineno else ""
    return line.encode()[last.end_col_offset :].lstrip().startswith(b";")


def describe(exc: BaseException) -> ErrorInfo:
    """The exception as text, without our own frames. Never raises."""
    kind = name_of(type(exc))
    try:
        described = traceback.TracebackException(type(exc), exc, exc.__traceback__, compact=True)
        if meant := suggestion(exc):
            described._str += meant  # type: ignore[attr-defined]
        text = _render(described)
    except BaseException as error:  # an exception's own __str__ or __notes__ may raise anything
        text = f"{kind} (its traceback cannot be shown: {name_of(type(error))})\n"
    return ErrorInfo(kind, message_of(exc), text[:MAX_TRACEBACK])


def _render(described: traceback.TracebackException) -> str:
    waiting = [described]
    for each in waiting:
        each.stack[:] = _without_ours(list(each.stack))
        inner = (each.__cause__, each.__context__, *(getattr(each, "exceptions", None) or ()))
        waiting += [other for other in inner if other is not None]
    if not described.stack and len(waiting) == 1:
        return "".join(described.format_exception_only())  # a SyntaxError of the cell itself has no place to show
    return "".join(described.format())


def _without_ours(stack: list[traceback.FrameSummary]) -> list[traceback.FrameSummary]:
    first = next((i for i, frame in enumerate(stack) if not is_around(frame.filename)), len(stack))
    return [frame for frame in stack[first:] if not is_ours(frame.filename)]


def user_traceback(tb: TracebackType | None) -> TracebackType | None:
    """Drop our own frames at both ends of a traceback: those around the cell, and those of a command that it called."""
    while tb is not None and is_around(file_of(tb.tb_frame)):
        tb = tb.tb_next
    entries = []
    while tb is not None:
        entries.append(tb)
        tb = tb.tb_next
    while entries and is_ours(file_of(entries[-1].tb_frame)):
        entries.pop()
    for entry in reversed(entries):
        tb = TracebackType(tb, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return tb


def show(exc: BaseException, hook: Callable[..., object]) -> None:
    """Let the user's own excepthook show the exception."""
    hook(type(exc), exc, user_traceback(exc.__traceback__))


def message_of(exc: BaseException) -> str:
    """`str(exc)`, or why there is none. Never raises."""
    try:
        return _exact(str(exc))[:MAX_MESSAGE]
    except BaseException as error:  # the exception's own __str__ may raise anything
        return f"<its message cannot be shown: {name_of(type(error))}>"


def name_of(cls: type) -> str:
    """The class's name, without asking its metaclass."""
    return _exact(type.__dict__["__name__"].__get__(cls))[:1000]


def _exact(text: str) -> str:
    """A plain str, also of a subclass, whose methods would be the user's."""
    return str.__str__(text)
