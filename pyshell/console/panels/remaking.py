"""The panel that asks, after a restore, whether cells are to run again that make what could not be saved.

Runs in: console.
"""

from __future__ import annotations

from pyshell.console.panels.panel import Around, Panel
from pyshell.console.panels.sheet import Column, Sheet
from pyshell.protocol import Remakeable, Rerun

COLUMNS = (
    Column("cell"), Column("makes"), Column("with", limit=30), Column("outside", limit=40), Column("code", limit=400),
)  # fmt: skip
NEVER = "never"


class Remaking(Panel):
    """Owned by the UI thread. What it shows does not change; what it does is a cell, which everybody sees."""

    name = "replay"
    came_by_itself = True
    hint = (
        "Run them? {yes} yes · {all} also those that did something outside · {no} not now · {never} never · {help} keys"
    )

    def __init__(self, around: Around, offered: Remakeable) -> None:
        super().__init__(around)
        self._steps = offered.steps
        looks = ["fold" if step.never else None for step in self._steps]
        self._sheet = Sheet(COLUMNS, [_row(step) for step in self._steps], looks)

    @property
    def title(self) -> str:
        names = ", ".join([name for step in self._steps for name in step.names])
        return f"These cells would make again what could not be saved: {names}"

    @property
    def sheet(self) -> Sheet:
        return self._sheet

    @property
    def detail(self) -> list[str]:
        step = self._steps[self.place.at]
        code = self.around.model.code(step.cell) or step.code
        return [*[f"It {effect}." for effect in step.effects], *code.rstrip("\n").split("\n")]

    def do_yes(self) -> None:
        self._run("%replay -y")

    def do_all(self) -> None:
        outside = [f"In[{step.cell}]" for step in self._steps if step.effects and not step.never]
        if outside:  # the panel came by itself: the key may have been meant for the prompt
            self.asking.confirm(f"Do again what {', '.join(outside)} did outside?", lambda: self._run("%replay -a"))
        else:
            self._run("%replay -a")

    def do_no(self) -> None:
        self.around.close()

    def do_never(self) -> None:
        self._run(f"%replay --never {' '.join([str(step.cell) for step in self._steps])}")

    def _run(self, code: str) -> None:
        self.around.close()
        self.ask(lambda session: session.execute(code), lambda _: None)


def _row(step: Rerun) -> tuple[str, ...]:
    inputs = f"{', '.join(step.inputs)} of state {step.state}" if step.inputs else ""
    outside = NEVER if step.never else "; ".join(step.effects)
    return (f"In[{step.cell}]", ", ".join(step.names), inputs, outside, step.code)
