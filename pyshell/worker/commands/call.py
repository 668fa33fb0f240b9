"""One use of a command: what it was called with, and what it can do to the namespace.

Runs in: worker, on the thread that runs the command.
"""

from __future__ import annotations

import builtins
import linecache
import re
import string
from contextlib import AbstractContextManager
from types import FrameType
from typing import TYPE_CHECKING, Any

from pyshell.errors import UsageError
from pyshell.frozen import dataclass
from pyshell.worker.cell import NOTHING
from pyshell.worker.commands.source import spread
from pyshell.worker.namespace import source_lines

if TYPE_CHECKING:
    from pyshell.worker.commands.shell import Shell

_FILLED = re.compile(r"\$\$(?=[^\W\d])|\{\{(.*?)\}\}|(?<!\$)\{([^{}]+)\}|(?<!\$)\$([^\W\d]\w*)")


@dataclass(frozen=True)
class Call:
    """One use of a command."""

    shell: Shell
    frame: FrameType
    name: str
    text: str
    """What follows the name, as it was typed."""
    body: str | None
    """The cell below a `%%` line."""

    # --- what it was called with -----------------------------------------------------------------------------

    def filled(self, text: str | None = None) -> str:
        """The text with `{expression}` and `$name` replaced by their values; what is neither stays as it is."""
        return _FILLED.sub(self._fill, self.text if text is None else text)

    def _fill(self, found: re.Match[str]) -> str:
        doubled, expression, name = found.groups()
        if doubled is not None:
            return "{" + doubled + "}"
        if name is not None:
            return str(self.look(name)) if self.knows(name) else found.group()
        if expression is None:
            return "$"
        try:
            return self._format(expression)
        except Exception:  # it is the shell's: awk '{print $1}'
            return found.group()

    def _format(self, expression: str) -> str:
        try:
            return str(self.evaluate(expression))
        except SyntaxError:
            ((_, name, spec, conversion),) = string.Formatter().parse("{" + expression + "}")
            made = string.Formatter()
            value = self.evaluate(name or "")
            return str(made.format_field(made.convert_field(value, conversion) if conversion else value, spec or ""))

    def options(self, flags: str, *values: str) -> tuple[dict[str, str], str]:
        """Options at the beginning of the text, and the rest: `flags` are letters, a colon after one means a value.

        An exclamation mark means a value, too, and that what follows is not for us: `-m module -x`.
        `values` are long options, those with a value end in `=`. UsageError for any other.
        """
        found: dict[str, str] = {}
        rest = self.text
        while (token := re.match(r"(--?[^\W\d][\w-]*)(=\S+|\S*)\s*|--(?:\s+|\Z)", rest)) is not None:
            option, attached = token.groups()
            rest = rest[token.end() :]
            if option is None:
                break
            if not option.startswith("--") and len(option) > 2:
                option, attached = option[:2], option[2:] + (attached or "")
            rest = self._option(option, attached or "", rest, (flags, values), found)
            if f"{option[1:]}!" in flags:
                break
        return found, rest

    def _option(
        self, option: str, attached: str, rest: str, known: tuple[str, tuple[str, ...]], found: dict[str, str]
    ) -> str:
        flags, values = known
        name = option.lstrip("-")
        is_long = option.startswith("--")
        if f"{name}=" in values if is_long else f"{name}:" in flags or f"{name}!" in flags:
            if not attached:
                attached, _, rest = rest.partition(" ")
            found[name] = attached.removeprefix("=")
        elif name in values if is_long else name in flags:
            found[name] = ""
            if attached:  # more letters behind one dash
                return f"-{attached} {rest}"
        else:
            raise UsageError(f"%{self.name} has no option {option}; see %{self.name}?")
        return rest.lstrip()

    @property
    def held(self) -> AbstractContextManager[None]:
        """Holds Ctrl-C back while it is entered."""
        return self.shell.around.held

    # --- the namespace ---------------------------------------------------------------------------------------

    @property
    def variables(self) -> dict[str, Any]:
        return self.shell.namespace.variables

    def user_names(self) -> list[str]:
        """What the user has bound, in order; nothing that begins with `_`."""
        hidden = self.shell.namespace.hidden
        return [n for n in list(self.variables) if type(n) is str and n not in hidden and not n.startswith("_")]

    def knows(self, name: str) -> bool:
        frame = self.frame
        return name in frame.f_locals or name in frame.f_globals or hasattr(builtins, name)

    def look(self, name: str) -> Any:
        return self.evaluate(name)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression where the command stands."""
        code = compile(expression.strip(), "<command>", "eval")
        self.shell.runner.note(code)
        return eval(code, self.frame.f_globals, self.frame.f_locals)

    def run(self, code: str, line: int | None = None) -> Any:
        """Run code of this cell where the command stands; the last expression's value, or NOTHING.

        Tracebacks show the line where the command stands, or for a body its own lines, from `line` on.
        """
        runner, filename = self.shell.runner, self.frame.f_code.co_filename
        first = self.frame.f_lineno if line is None else line
        padded = "\n" * (first - 1) + code
        tree = runner.parse(padded, filename)
        if line is None:
            spread(tree, source_lines(self._typed(filename, first)), {first})
        value = runner.run_tree(tree, padded, filename, (self.frame.f_globals, self.frame.f_locals))
        # A line has lost its place, and a semicolon at its end with it.
        return NOTHING if line is None and code.rstrip().endswith(";") else value

    def _typed(self, filename: str, line: int) -> str:
        return "\n" * (line - 1) + linecache.getline(filename, line)

    def run_body(self) -> Any:
        """Run the cell below the command's line."""
        return self.run(self.body or "", self.frame.f_lineno + 1)

    def shown(self, value: Any) -> Any:
        """What the command's own line is to show for that."""
        return None if value is NOTHING else value
