"""Commands about the cells of the past: list them, run them again.

Runs in: worker, on its main thread.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import textwrap
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from pyshell.errors import UsageError
from pyshell.worker.cell import NOTHING
from pyshell.worker.commands.call import Call

_RANGE = re.compile(r"(\d*)(?:(-|:)(\d*))?\Z")
_CLIPBOARDS = (
    ("wl-paste", "--no-newline"),
    ("xclip", "-selection", "clipboard", "-o"),
    ("xsel", "--clipboard", "--output"),
    ("pbpaste",),
)


def cells_of(call: Call, text: str) -> list[tuple[int, str]]:
    """The cells that `3 5-7 9:` names (`5-7` has 7, `5:7` has not), with what was typed."""
    inputs, now = call.shell.namespace.inputs, len(call.shell.namespace.inputs) - 1
    numbers: list[int] = []
    for word in text.split():
        found = _RANGE.match(word.removeprefix("In[").removesuffix("]"))
        if found is None or not (found.group(1) or found.group(3)):
            raise UsageError(f"{word} names no cells; write 3, 5-7 or 9- (those from 9 on)")
        first, mark, last = found.groups()
        begin = int(first or 1)
        end = begin if not mark else int(last) - (mark == ":") if last else now - 1
        numbers += range(begin, end + 1)
    wrong = [number for number in numbers if not 0 < number < len(inputs)]
    if wrong:
        raise UsageError(f"there is no In[{wrong[0]}] here; the newest is In[{now}], and %history lists them")
    return [(number, inputs[number]) for number in numbers if inputs[number]]


def history(call: Call) -> None:
    """%history [-n] [-o] [-g PATTERN] [-l COUNT] [-f FILE] [CELLS]

    Prints the code of past cells: all, those named (`%history 3 5-7`), the last COUNT, or those in which the
    PATTERN is found (`*` and `?` as for files). `-n` puts the number before each, `-o` the value below it, `-f`
    writes to a file. Of a session that was taken up again the newest thousand are known.
    """
    options, rest = call.options("npotug:l:f:")
    pattern = options.get("g")
    if pattern is not None and rest:
        pattern, rest = f"{pattern} {rest}", ""
    found = cells_of(call, rest) if rest else _all(call)
    if pattern is not None:
        wanted = f"*{pattern.strip()}*"
        found = [(number, code) for number, code in found if fnmatch(code, wanted)]
    if "l" in options:
        found = found[-int(options["l"]) :]
    lines = [line for number, code in found for line in _told(call, number, code, options)]
    if "f" in options:
        Path(options["f"]).expanduser().write_text("".join(line + "\n" for line in lines))
        print(f"Written to {options['f']}.")
    elif lines:
        print("\n".join(lines))


def _all(call: Call) -> list[tuple[int, str]]:
    return [(number, code) for number, code in enumerate(call.shell.namespace.inputs) if code]


def _told(call: Call, number: int, code: str, options: dict[str, str]) -> list[str]:
    mark = f"{number:>4}: " if "n" in options or "g" in options else ""
    if mark and "\n" in code:
        lines = [mark.rstrip(), *code.split("\n")]
    else:
        lines = [mark + line for line in code.split("\n")]
    outputs = call.shell.namespace.outputs
    if "o" in options and number in outputs:
        lines.append(repr(outputs[number]))
    return lines


def rerun(call: Call) -> Any:
    """%rerun [-g PATTERN] [-l COUNT] [CELLS]

    Runs past cells again, as one: the last one, the last COUNT, those named (`%rerun 3 5-7`), or the last in
    which the PATTERN is found.
    """
    options, rest = call.options("g:l:")
    now = len(call.shell.namespace.inputs) - 1
    past = [(n, code) for n, code in enumerate(call.shell.namespace.inputs[:now]) if code.strip()]
    if "g" in options:
        wanted = f"*{' '.join([options['g'], rest]).strip()}*"
        past = [(n, code) for n, code in past if fnmatch(code, wanted)][-1:]
    elif rest:
        past = cells_of(call, rest)
    else:
        past = past[-int(options.get("l", 1)) :]
    past = [(n, code) for n, code in past if n != now]
    if not past:
        raise UsageError("there is no such cell to run again; %history -n lists the cells with their numbers")
    value: Any = NOTHING
    for number, code in past:
        print(f"=== In[{number}] ===\n{code}")
        value = run_cell(call, number, code)
    print("=== Output: ===")
    return call.shown(value)


def run_cell(call: Call, number: int, code: str) -> Any:
    """Run the code of a past cell in the namespace; tracebacks show its lines."""
    runner, filename = call.shell.runner, f"<In[{number}]>"
    return runner.run_tree(runner.parse(code, filename), code, filename)


def paste(call: Call) -> Any:
    """%paste [-q] [NAME]

    Runs the text that the clipboard holds, or binds it to NAME. It takes a program that reads the clipboard of
    the machine on which the worker runs (wl-paste, xclip, xsel, pbpaste). At the console's prompt you can as
    well just paste: nothing of it runs before you press Enter.
    """
    options, name = call.options("q")
    text = _clipboard()
    if name:
        call.variables[name] = text
        return None
    code = _without_prompts(text)
    if "q" not in options:
        print(code.rstrip("\n") + "\n## -- End pasted text --")
    return call.shown(call.run(code, 1))


def _clipboard() -> str:
    for command in _CLIPBOARDS:
        if shutil.which(command[0]):
            answer = subprocess.run(command, capture_output=True, text=True)
            if answer.returncode == 0:
                return answer.stdout
    raise UsageError("the clipboard cannot be read here (wl-paste, xclip or xsel do it); paste at the prompt instead")


def _without_prompts(text: str) -> str:
    """The code of what was copied from a prompt."""
    lines = text.expandtabs(8).splitlines()
    shown = re.compile(r"\s*(?:>>>|\.\.\.|In ?\[\d+\]:|\.\.\.:)(?: |\Z)")
    if any(re.match(r"\s*(?:>>> |In ?\[\d+\]: )", line) for line in lines):
        lines = [shown.sub("", line, count=1) for line in lines if shown.match(line)]
    return textwrap.dedent("\n".join(lines))
