"""What leaves the console: a text to the terminal's clipboard, a file to the person's own pager or editor.

Runs in: console.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import select
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyshell.console.frames import Frames
from pyshell.protocol import MimeData

STDOUT = 1
VIEWERS = ("xdg-open", "open")
_NO_TERMINAL: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
PAGERS = ("less -R", "more")
MAX_COPIED = 74_994
"""Bytes of base64 that terminals take at least (xterm and tmux drop a longer one without a word)."""


def pager_of(configured: str) -> list[str]:
    """The command that shows a file: what the person has configured, or what is there."""
    import shlex  # not needed before the first prompt

    for command in (configured, *PAGERS):
        words = shlex.split(command) if command else []
        if words and shutil.which(words[0]):
            return [words[0], "-R", *words[1:]] if Path(words[0]).name == "less" and "-R" not in words else words
    return []


def show_picture(data: MimeData) -> str:
    """Open a picture in the system's viewer, which goes on beside us; a sentence that says so, or why not."""
    import tempfile  # not needed before the first prompt

    viewer = next((found for found in map(shutil.which, VIEWERS) if found), None)
    if viewer is None:
        return "There is no viewer here: xdg-open or open shows pictures."
    descriptor, path = tempfile.mkstemp(prefix="pyshell-", suffix="." + data.mime.partition("/")[2].partition("+")[0])
    try:
        with open(descriptor, "wb") as file:
            file.write(base64.b64decode(data.data))
        subprocess.Popen([viewer, path], start_new_session=True, **_NO_TERMINAL)
    except (OSError, binascii.Error) as error:
        return f"The picture could not be opened: {error}."
    return f"{path} is opened by {viewer}."


def run_program(loop: Frames, arguments: Sequence[str]) -> str:
    """Run it and wait for its end, with the terminal as the shell had it; why not, or nothing.

    Nothing else happens in the UI thread meanwhile. What the session prints waits in the host.
    """
    loop.stop()
    # Ctrl-C is the program's. A function, and not SIG_IGN, which it would inherit.
    previous = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        subprocess.run(list(arguments), check=False)
    except OSError as error:
        return f"{arguments[0]} could not be started: {error.strerror}."
    finally:
        signal.signal(signal.SIGINT, previous)
        loop.screen_size = None
        loop.start()
    return ""


def edited(loop: Frames, text: str, command: str) -> tuple[str, str]:
    """The text after the person has edited it with that command, and why that could not be, or nothing."""
    import shlex  # not needed before the first prompt
    import tempfile  # not needed before the first prompt

    descriptor, path = tempfile.mkstemp(".py", "cell-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(text + "\n" if text else "")
        failure = run_program(loop, [*shlex.split(command), path])
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().rstrip("\n"), failure
    except (OSError, ValueError) as error:
        return text, f"{command} could not edit the cell: {error}"
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def put(text: str) -> None:
    """Write to the terminal that urwid has let go of, also when it takes nothing for a while."""
    data = text.encode("utf-8", "replace")
    while data:
        try:
            data = data[os.write(STDOUT, data) :]
        except BlockingIOError:
            select.select([], [STDOUT], [])


def clipboard(text: str) -> str:
    """OSC 52 with the text; empty if it is longer than terminals take."""
    encoded = base64.b64encode(text.encode("utf-8", "replace"))
    return f"\x1b]52;c;{encoded.decode()}\x07" if len(encoded) <= MAX_COPIED else ""
