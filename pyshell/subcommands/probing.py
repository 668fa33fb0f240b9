"""Ask the terminal what it can do, and read what it answers.

Runs in: clients.

All questions go out at once; the last is one that every terminal answers, so what has not been answered by then is not
known there. tmux answers for itself; whether the terminal around it gets what is meant for it is tmux's
`allow-passthrough`.
"""

from __future__ import annotations

import os
import re
import select
import termios
import time
import tty
from typing import NamedTuple

SECONDS = 2.0
"""How long a terminal behind a slow line may take."""

MODES = {2004: "pastes told from typing", 1004: "focus", 1006: "mouse", 2026: "frames without flicker"}
WIDTHS = {"CJK": ("漢", 2), "emoji": ("\U0001f600", 2), "a joined emoji": ("\U0001f469\u200d\U0001f4bb", 2),
          "a combining accent": ("e\u0301", 1)}  # fmt: skip
_KITTY = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
_TRUE_COLOUR = "\x1b[48;2;1;2;3m\x1bP$qm\x1b\\\x1b[0m"
_CLIPBOARD = "\x1bP+q4d73\x1b\\"
_NAME = "\x1b[>0q"
_LAST = "\x1b[c"


class Answers(NamedTuple):
    """What the terminal said; None where it said nothing."""

    has_answered: bool
    name: str
    modes: frozenset[int]
    """Which of `MODES` it knows."""
    widths: dict[str, int]
    """By the names of `WIDTHS`: how many columns it gave them."""
    has_kitty_graphics: bool
    has_sixel: bool
    has_clipboard: bool | None
    has_true_colour: bool | None


def questions() -> str:
    """Everything that is asked, in an order in which `answers` knows what is what."""
    widths = "".join(f"\r{text}\x1b[6n" for text, _ in WIDTHS.values())
    modes = "".join(f"\x1b[?{mode}$p" for mode in MODES)
    return f"{_NAME}{_KITTY}{_TRUE_COLOUR}{_CLIPBOARD}{modes}{widths}\r\x1b[K{_LAST}"


def answers(text: str) -> Answers:
    """What came back, taken apart."""
    last = re.search(r"\x1b\[\?([\d;]*)c", text)
    attributes = last[1].split(";") if last else []
    modes = frozenset([int(mode) for mode in re.findall(r"\x1b\[\?(\d+);[123]\$y", text)])
    columns = [int(column) - 1 for column in re.findall(r"\x1b\[\d+;(\d+)R", text)]
    name = re.search(r"\x1bP>\|([^\x1b\x07]*)", text)
    clipboard = re.search(r"\x1bP([01])\+r4d73", text, re.IGNORECASE)
    colour = re.search(r"\x1bP([01])\$r([^\x1b]*)", text)
    return Answers(
        last is not None,
        name[1] if name else "",
        modes,
        dict(zip(WIDTHS, columns, strict=False)),
        re.search(r"\x1b_G[^\x1b]*;OK", text) is not None,
        "4" in attributes[1:],
        True if "52" in attributes[1:] else clipboard[1] == "1" if clipboard else None,
        bool(re.search(r"48[:;]2[:;]+1[:;]2[:;]3", colour[2])) if colour else None,
    )


def ask(terminal: int, seconds: float = SECONDS) -> Answers:
    """Ask the terminal behind a descriptor; it must be one."""
    before = termios.tcgetattr(terminal)
    text = ""
    try:
        tty.setcbreak(terminal, termios.TCSADRAIN)
        os.write(terminal, questions().encode())
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and not answers(text).has_answered:
            if select.select([terminal], [], [], left)[0]:
                text += os.read(terminal, 4096).decode("utf-8", "replace")
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)  # late answers are not for the shell
    return answers(text)
