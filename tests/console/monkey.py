"""Press keys in any order, in windows of any size, and see whether the console still answers.

Runs in: tests and benchmarks.
"""

from __future__ import annotations

import random
import re

from tests.terminal import Terminal

AT_ONCE = 25
KEYS = [
    *"abc 1(['\"#:=.漢é", "\r", "\t", "\x1b[Z", "\x7f", "\x00", "\xff",
    "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[1;5C", "\x1b[1;5D", "\x1b[H", "\x1b[F", "\x1b[3~", "\x1b[5~",
    "\x1b[6~", "\x1bOP", "\x1b[18~", "\x1b[19~", "\x1b[20~", "\x1bOQ", "\x1bOS\x1d",
    "\x01", "\x02", "\x03", "\x05", "\x06", "\x0b", "\x0c", "\x0e", "\x0f",
    "\x10", "\x15", "\x17", "\x19", "\x1f", "\x1b\r", "\x1bb", "\x1bd", "\x1b\x7f", "\x1b[<64;5;5M", "\x1b[M !!",
    "\x1b[200~pasted\rtext\x1b[201~", "\x1b[200~", "\x1b[201~",
    "write('x' * 3000)\r", "write('\\x1b[5A\\x1b[2Kup\\n')\r", "ask('?')\r", "die()\r",
]  # fmt: skip


def play(console: Terminal, seed: int, count: int) -> None:
    """So many keys, chosen by the seed; AssertionError shows the screen that does not answer then."""
    monkey = random.Random(seed)
    for _ in range(count // AT_ONCE):
        console.send("".join(monkey.choices(KEYS, k=AT_ONCE)))
        if monkey.random() < 0.2:
            console.resize(monkey.randint(1, 120), monkey.randint(1, 40))
        console.settle(0.02)
    console.resize(80, 24)
    assert any(_answers(console) for _ in range(300)), console.screen


def _answers(console: Terminal) -> bool:
    """Editors may still come up one after the other, and get what is typed; so a person tries again."""
    console.send("\x1b[201~\x1d\x07\x03 \x15\r\x07\x03 \x15'alive'\r")
    console.settle(0.2)
    return re.search(r"^Out\[\d+\]: 'alive'$", console.screen, re.MULTILINE) is not None
