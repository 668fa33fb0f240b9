"""The status line and the lines about waiting cells, as text. Pure.

Runs in: console.
"""

from __future__ import annotations

from pyshell.console.model import Model
from pyshell.console.timeline import size
from pyshell.console.usage import NOTHING, Usage
from pyshell.drawing import elapsed as elapsed

MAX_QUEUE_LINES = 6


def left(name: str, model: Model, now: float) -> str:
    """Which session, which worker, what it does."""
    return f" {name or 'pyshell'} · epoch {max(model.epoch, 1)} · {activity(model, now)} · In [{model.next_cell}] "


def activity(model: Model, now: float) -> str:
    """What the session does at this moment."""
    cell = model.cells.get(model.running) if model.running is not None else None
    if cell is None:
        return model.state
    doing = "running"
    if model.input is not None:
        doing = "waits for a password" if model.input.password else "waits for input"
    return f"In [{cell.number}] {doing} {elapsed(now - cell.started)}"


def right(model: Model, usage: Usage = NOTHING) -> str:
    """Whether the work is safe, or what a program may be waiting for; what the worker takes, and who else is here."""
    parts = []
    if model.terminal != "lines":
        parts.append("F4 gives the program the terminal")
    elif model.running is not None and model.input is None and not model.tail.is_empty:
        parts.append("F4 types to the program")
    if model.is_manual:
        parts.append("saved by hand")
    if model.background:
        parts.append(f"{len(model.background)} in the background")
    if model.save_failure:
        parts.append("NOT saved")
    elif model.saving and model.running is None and model.state == "idle":
        parts.append("saving…")
    elif model.saved_cell is not None:
        parts.append(f"saved In [{model.saved_cell}]")
    if model.unsaved:
        names = ", ".join(unsaved.name for unsaved in model.unsaved[:3])
        more = ", …" if len(model.unsaved) > 3 else ""
        parts.append(f"{len(model.unsaved)} unsaved: {names}{more}")
    if usage.memory:
        parts.append(size(usage.memory))
    if usage.python:
        parts.append(usage.python)
    if usage.others:
        parts.append(f"{usage.others} other{'s' if usage.others > 1 else ''} here")
    return " · ".join(parts) + " " if parts else ""


def held_sentence(count: int) -> str:
    """What the person must know of cells that wait for a word."""
    cells, them = ("1 cell is", "it") if count == 1 else (f"{count} cells are", "them")
    return f"{cells} held after the crash: Enter on an empty prompt runs {them}, Ctrl-C drops {them}."


def waiting_lines(model: Model) -> list[str]:
    """The cells that wait, the newest ones cut off when they are many."""
    lines = []
    for number in model.queue:
        first, *rest = model.code(number).rstrip("\n").split("\n")
        lines.append(f"{model.view.prompts.first(number)}{first}{' …' if rest else ''}   (queued)")
    if len(lines) > MAX_QUEUE_LINES:
        lines[MAX_QUEUE_LINES - 1 :] = [f"… {len(lines) - MAX_QUEUE_LINES + 1} more queued"]
    return lines
