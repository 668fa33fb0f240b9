"""Say what the terminal can do and what this installation lacks, a line each.

Runs in: clients (Python 3.11 and newer).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pyshell import config, memory, starting
from pyshell.errors import PyshellError
from pyshell.interpreters import OLDEST, environment_of, interpreter
from pyshell.paths import config_file
from pyshell.subcommands import opening, probing

MIN_DISK = 1 << 30
_LOOK = """
import json, sys
found = {"version": sys.version_info[:3]}
if sys.version_info >= (3, 10):
    from pyshell.worker import forking
    from pyshell.worker.checkpoints import pages
    try:
        pages.PageWatch()
    except OSError as exc:
        found["pages"] = str(exc)
    found["fork"] = forking.why_not_fork() or ("" if forking.HAS_RAW_FORK else "the C library has no _Fork")
print(json.dumps(found))
"""
"""What the interpreter says of itself that is to be a worker."""


class Finding(NamedTuple):
    """One line: what was looked at, what there is, and what to do if that is not enough."""

    what: str
    found: str
    advice: str = ""
    is_bad: bool = False
    """Something does not work, and does not only look less well."""


def lines(findings: list[Finding]) -> list[str]:
    """A line for each, and one more for its advice."""
    width = max(len(finding.what) for finding in findings)
    shown = []
    for finding in findings:
        sign = "✗" if finding.is_bad else "!" if finding.advice else "✓"
        shown.append(f"{sign} {finding.what:<{width}}  {finding.found}")
        shown += [f"  {'':<{width}}  → {finding.advice}"] if finding.advice else []
    return shown


def examine(environ: Mapping[str, str], python: str | None = None) -> list[Finding]:
    """Everything that is looked at."""
    return [*_terminal(environ), *_settings(environ), *_worker(environ, python), *_machine()]


# --- the terminal -----------------------------------------------------------------------------------------


def _terminal(environ: Mapping[str, str]) -> Iterator[Finding]:
    term = environ.get("TERM", "")
    if not opening.can_draw(environ):
        why = "TERM is dumb or not set" if term in ("", "dumb") else "standard input or output is no terminal"
        yield Finding("terminal", f"{why}: lines only", "run pyshell in a terminal, with TERM as that sets it")
        return
    size = shutil.get_terminal_size()
    told = probing.ask(sys.stdin.fileno())
    yield Finding("terminal", f"{told.name or 'no name told'}, TERM={term}, {size.columns}x{size.lines}")
    yield _colours(environ, told)
    if not told.has_answered:
        yield Finding("its answers", "none came", "what else it can do is not known; a very slow line may be why")
        return
    yield from _widths(told)
    for mode, name in probing.MODES.items():
        yield Finding(name, "yes" if mode in told.modes else "not told")
    clipboard = {True: "yes", False: "no", None: "not told; many take it all the same"}[told.has_clipboard]
    yield Finding("clipboard (OSC 52)", clipboard)
    yield Finding("kitty graphics", "yes" if told.has_kitty_graphics else "no: the transcript has half blocks")
    yield Finding("sixel", "yes: F5 and v show a picture on the whole screen" if told.has_sixel else "no")
    if environ.get("TMUX"):
        yield _tmux()


def _colours(environ: Mapping[str, str], told: probing.Answers) -> Finding:
    count = opening.colors(environ)
    found = {1: "none (NO_COLOR)", 16: "16", 16777216: "16 million"}.get(count, "256")
    if count < 16777216 and told.has_true_colour and not environ.get("NO_COLOR"):
        return Finding("colours", f"{found}, but the terminal has 16 million", "export COLORTERM=truecolor")
    if count == 16:
        return Finding("colours", found, "if the terminal has more, TERM should say so, as xterm-256color does")
    return Finding("colours", found)


def _widths(told: probing.Answers) -> Iterator[Finding]:
    other = [name for name, (_, width) in probing.WIDTHS.items() if told.widths.get(name, width) != width]
    if other:
        yield Finding("width of text", f"another one than Unicode's for {', '.join(other)}",
                      "lines with such characters may be drawn askew; a newer terminal or tmux helps")  # fmt: skip
    else:
        yield Finding("width of text", f"as Unicode has it: {', '.join(told.widths)}")


def _tmux() -> Finding:
    try:
        asked = subprocess.run(["tmux", "show", "-gv", "allow-passthrough"], capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return Finding("tmux", "it does not answer")
    if asked.stdout.strip() in ("on", "all"):
        return Finding("tmux", "lets pictures through")
    return Finding("tmux", "keeps pictures from the terminal", "tmux set -g allow-passthrough on")


# --- the installation -------------------------------------------------------------------------------------


def _settings(environ: Mapping[str, str]) -> Iterator[Finding]:
    path = config_file(environ, str(Path.home()))
    try:
        config.read(path)
    except PyshellError as exc:
        yield Finding("settings", str(exc), "pyshell config shows what there can be", is_bad=True)
        return
    yield Finding("settings", str(path) if path.exists() else f"none; \"pyshell config --create\" writes {path}")


def _worker(environ: Mapping[str, str], python: str | None) -> Iterator[Finding]:
    try:
        executable = interpreter(python) or sys.executable
        found = _asked(executable, environ)
    except (PyshellError, OSError, ValueError, subprocess.SubprocessError) as exc:
        yield Finding("worker", str(exc), "give an interpreter of Python 3.10 or newer by --python", is_bad=True)
        return
    version = tuple(found["version"])
    name = f"Python {'.'.join(map(str, version))} at {executable}"
    if version < OLDEST:
        yield Finding("worker", name, "it is too old: Python 3.10 or newer runs the code", is_bad=True)
        return
    environment = environment_of(executable)
    yield Finding("worker", f"{name} (environment {environment})" if environment else name)
    yield (
        Finding("fork", found["fork"], "states are saved in slices while no cell runs, which takes longer")
        if found["fork"]
        else Finding("fork", "safe: large states are saved by a child")
    )
    yield (
        Finding("userfaultfd", found["pages"], "what an array has changed is found by comparing, at 10 GB a second")
        if found.get("pages")
        else Finding("userfaultfd", "yes: only pages that were written are read")
    )


def _asked(executable: str, environ: Mapping[str, str]) -> dict[str, Any]:
    root = str(Path(__file__).parents[2])
    asked = subprocess.run(
        [executable, "-c", _LOOK], capture_output=True, text=True, timeout=30,
        env={**environ, "PYTHONPATH": root},
    )  # fmt: skip
    if asked.returncode:
        raise ValueError(f"{executable} does not run: {asked.stderr.strip().splitlines()[-1:] or asked.returncode}")
    answer: dict[str, Any] = json.loads(asked.stdout)
    return answer


def _machine() -> Iterator[Finding]:
    free = memory.free_memory()
    yield Finding("memory", "not known" if free is None else f"{_size(free)} free")
    groups = [path for path in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/cgroup.controllers",
                                "/sys/fs/cgroup/memory/memory.oom_control") if Path(path).exists()]  # fmt: skip
    yield Finding("control groups", "yes: a worker that is killed for memory is told" if groups else
                  "none: a worker that is killed for memory looks like any that is killed")  # fmt: skip
    state = starting.roots().state
    there = next(path for path in (state, *state.parents) if path.exists())
    if not os.access(there, os.W_OK):
        yield Finding("disk", f"{there} cannot be written to", "set XDG_STATE_HOME to where it can", is_bad=True)
        return
    room = shutil.disk_usage(there).free
    advice = "nothing more is saved when it is full" if room < MIN_DISK else ""
    yield Finding("disk", f"{_size(room)} free for {state}", advice)


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
