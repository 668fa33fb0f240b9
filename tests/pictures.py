"""Pictures of the console for the documentation, drawn from what a terminal shows: `python -m tests.pictures [SCENE…]`.

Runs in: tests, and by hand when what the console shows has changed.

A scene plays the console on a session that follows a script, so that the same comes out each time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

import pyte
from pyte.screens import Char

from tests.terminal import Terminal

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs" / "console"
SIZE = (100, 24)
WIDTH, HEIGHT, BASE = 8.4, 18, 13
PAPER, INK = "#1d1f21", "#d8dad6"
COLORS = {
    "black": "#1d1f21", "red": "#d9635f", "green": "#a5bd68", "brown": "#e0b163", "blue": "#7aa2d8",
    "magenta": "#b98dc7", "cyan": "#83c1b7", "white": "#c8cac6", "brightblack": "#7c807e",
}  # fmt: skip

F1, F5, F7, F8, F9, F10 = "\x1bOP", "\x1b[15~", "\x1b[18~", "\x1b[19~", "\x1b[20~", "\x1b[21~"
DOWN = "\x1b[B"


def svg(screen: pyte.Screen) -> str:
    """The cells as a picture that scales."""
    width, height = screen.columns * WIDTH + 16, screen.lines * HEIGHT + 16
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" font-size="14"'
        ' font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" xml:space="preserve">',
        f'<rect width="100%" height="100%" rx="6" fill="{PAPER}"/>',
    ]
    for row in range(screen.lines):
        lines += _row(screen, row)
    if not screen.cursor.hidden:
        x, y = 8 + screen.cursor.x * WIDTH, 8 + screen.cursor.y * HEIGHT
        lines.append(f'<rect x="{x:g}" y="{y:g}" width="{WIDTH:g}" height="{HEIGHT}" fill="{INK}" opacity="0.6"/>')
    return "\n".join([*lines, "</svg>", ""])


def _row(screen: pyte.Screen, row: int) -> Iterator[str]:
    cells = [(column, screen.buffer[row][column]) for column in range(screen.columns)]
    y = 8 + row * HEIGHT
    for look, group in groupby(cells, key=lambda cell: _look(cell[1])):
        run = list(group)
        ink, paper, style = look
        text = "".join([cell.data for _, cell in run])
        x, width = 8 + run[0][0] * WIDTH, len(run) * WIDTH
        if paper != PAPER:
            yield f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{HEIGHT}" fill="{paper}"/>'
        if text.strip():
            place = f'x="{x:g}" y="{y + BASE:g}" textLength="{width:g}" lengthAdjust="spacingAndGlyphs"'
            yield f'<text {place} fill="{ink}"{style}>{escape(text)}</text>'


def _look(cell: Char) -> tuple[str, str, str]:
    ink, paper = _color(cell.fg, INK), _color(cell.bg, PAPER)
    if cell.reverse:
        ink, paper = paper, ink
    style = ' font-weight="bold"' if cell.bold else ""
    style += ' font-style="italic"' if cell.italics else ""
    style += ' text-decoration="underline"' if cell.underscore else ""
    return ink, paper, style


def _color(name: str, default: str) -> str:
    return default if name == "default" else COLORS.get(name, f"#{name}")


# --- the scenes -------------------------------------------------------------------------------------


def prompt(terminal: Terminal) -> None:
    terminal.send("rate = 0.07\r")
    terminal.wait_screen(r"saved In \[1\]")
    terminal.send("def grow(amount, years=1):\rreturn amount * (1 + rate) ** years\r\rgrow(1000, years=10)\r")
    terminal.wait_screen(r"^Out\[3\]: 1967\.")
    terminal.wait_screen(r"saved In \[3\]")


def popup(terminal: Terminal) -> None:
    prompt(terminal)
    terminal.send("al\t")
    terminal.wait_screen(" f alphabet")
    terminal.send("\t")
    terminal.wait_screen("Say what alpha is")


def variables(terminal: Terminal) -> None:
    with_names(terminal)
    terminal.send(F7)
    terminal.wait_screen("Variables: 5")
    terminal.send(DOWN * 2 + "\r")
    terminal.wait_screen(r"\['c'\]")


def with_names(terminal: Terminal) -> None:
    terminal.send("name, 数 = 'fit', 6.5\rprices = {'a': 1, 'b': [2, 3], 'c': None}\r")
    terminal.wait_screen(r"saved In \[2\]")
    terminal.send("from tests.console.told import Frame\rframe = Frame(10_000_000, 30)\r")
    terminal.wait_screen(r"saved In \[4\]")


def table(terminal: Terminal) -> None:
    with_names(terminal)
    terminal.send(F7)
    terminal.wait_screen("^   frame +Frame ")
    terminal.send("G\r")
    terminal.wait_screen(r"^ +19 +19\.0 ")
    terminal.send(":5000000\r")
    terminal.wait_screen("row 5,000,000")
    terminal.wait_screen(r"5000000\.1")


def timeline(terminal: Terminal) -> None:
    terminal.send("a = 1\rb = 2\rc = 3\rd = 4\r")
    terminal.wait_screen(r"saved In \[4\]")
    terminal.send(F8)
    terminal.wait_screen(r"added: n4")


def queue(terminal: Terminal) -> None:
    terminal.send("until(lambda: interrupted()); die()\r")
    terminal.wait_screen(r"In \[1\] running")
    terminal.send("first()\rsecond()\rfor n in range(3):\rthird(n)\r\r")
    terminal.wait_screen(r"In \[4\]: for n.*queued")
    terminal.send("\x03")
    terminal.wait_screen("3 cells are held")
    terminal.send(F9)
    terminal.wait_screen("Queue: 3 waiting")
    terminal.send("GK")
    terminal.wait_screen(r"(?s) In \[4\].* In \[3\] ")


def sessions(terminal: Terminal) -> None:
    terminal.send(F10)
    terminal.wait_screen("Sessions: 2 running, 1 saved")


def keys(terminal: Terminal) -> None:
    terminal.send(F1)
    terminal.wait_screen("run the cell if it is complete")


SCENES: dict[str, Callable[[Terminal], None]] = {
    "prompt": prompt, "popup": popup, "variables": variables, "table": table, "timeline": timeline, "queue": queue,
    "sessions": sessions, "keys": keys,
}  # fmt: skip


def play(scene: str) -> str:
    """The picture of a scene."""
    command = [sys.executable, str(ROOT / "tests" / "console" / "scripted.py"), "--quiet"]
    with Terminal(command, size=SIZE, env={"TZ": "UTC"}) as terminal:
        terminal.wait_screen(r"idle · In \[1\]")
        SCENES[scene](terminal)
        terminal.settle(0.3)
        return svg(terminal._screen)


def main(scenes: list[str]) -> int:
    PICTURES.mkdir(exist_ok=True)
    for scene in scenes or SCENES:
        (PICTURES / f"{scene}.svg").write_text(play(scene))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
