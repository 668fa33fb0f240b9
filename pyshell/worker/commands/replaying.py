"""Run cells again that made what could not be saved.

Runs in: worker, on its main thread.
"""

from __future__ import annotations

import traceback
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from pyshell.errors import StoreError, UsageError
from pyshell.protocol import NeverReplayed
from pyshell.store import Store
from pyshell.worker import cell as cells
from pyshell.worker.checkpoints.offering import is_never_replayed, missing, present
from pyshell.worker.checkpoints.replaying import Plan, Step, plan
from pyshell.worker.commands.call import Call
from pyshell.worker.commands.past import cells_of, run_cell

NOTHING_LOST = "Nothing is missing that a cell could make again."
_ABSENT = object()


def replay(call: Call) -> None:
    """%replay [-n] [-y | -a] [NAMES] | --never CELLS | --again CELLS

    Makes again what could not be saved and so did not come back (a connection, a generator, a thread): by running the
    cells again that made it, each with the values that it had then. Nothing else that these cells bind is changed.
    Shows what would run and asks; `-n` only shows. A cell that did something outside (wrote a file, ran a program,
    connected somewhere) is asked about by itself. `-y` does not ask, and leaves those cells out; `-a` runs them too.
    A cell with the comment `# replay: never` is never run again, nor those marked by `%replay --never 3 5-7`;
    `--again` takes the mark away.
    """
    options, rest = call.options("nya", "never", "again")
    if "never" in options or "again" in options:
        return _mark(call, rest, "never" in options)
    with _store(call) as store:
        found = plan(store, present(call.shell.namespace, call.shell.runner), _lost(call, store, rest.split()))
        if not found.steps and not found.hopeless:
            print(NOTHING_LOST)
            return
        _show(call, found)
        if "n" in options or not found.steps:
            return
        is_asked = "y" not in options and "a" not in options
        if not is_asked or _yes("Run them? [y/N] "):
            call.shell.runner.note(None)  # they may touch whatever they touched then
            _Replaying(call, store, "a" in options, is_asked).run(found.steps)


def _mark(call: Call, text: str, never: bool) -> None:
    cells = tuple([cell for cell, _ in cells_of(call, text)])
    if not cells:
        raise UsageError("which cells? %replay --never 3 5-7; %history -n lists them with their numbers")
    known = call.shell.namespace.never
    known.update(cells) if never else known.difference_update(cells)
    call.shell.around.report(NeverReplayed(cells, never))
    shown = ", ".join([f"In[{cell}]" for cell in cells])
    print(f"Never run again by %replay: {shown}." if never else f"May be run again by %replay: {shown}.")


def _lost(call: Call, store: Store, wanted: Collection[str]) -> dict[str, int | None]:
    """Names that are missing, and their cells: those of the last restore, or the wanted ones from any state."""
    lost = call.shell.namespace.bindings.lost
    if not wanted:
        return missing(call.shell.namespace)
    found: dict[str, int | None] = {}
    for name in wanted:
        known = [(m.name, m.cell) for state in reversed(store.manifests()) for m in state.missing if m.name == name]
        if name not in lost and not known:
            raise UsageError(f"there is no {name} that could not be saved; %replay -n shows what is missing")
        found[name] = lost[name].cell if name in lost else known[0][1]
    return found


def _show(call: Call, found: Plan) -> None:
    for name, why in found.hopeless:
        print(f"{name} cannot be made again: {why}.")
    if found.steps:
        print("These cells would run again, in this order:")
    for step in found.steps:
        lines = [line for line in step.code.split("\n") if line.strip()]
        print(f"  In[{step.cell}]  {lines[0]}{' …' if len(lines) > 1 else ''}   makes {', '.join(step.names)}")
        if step.inputs:
            print(f"      with {', '.join(step.inputs)} from state {step.state}")
        if is_never_replayed(call.shell.namespace, step):
            print("      not run: it is marked as never to be replayed")
        for effect in call.shell.namespace.effects.get(step.cell, ()):
            print(f"      outside: it {effect}")


class _Replaying:
    """One run of a plan."""

    def __init__(self, call: Call, store: Store, does_all: bool, is_asked: bool) -> None:
        self._call = call
        self._store = store
        self._does_all = does_all
        self._is_asked = is_asked
        self._absent: set[str] = set()
        """What a step was to make, and did not."""

    def run(self, steps: Collection[Step]) -> None:
        made: list[str] = []
        for step in steps:
            why = self._reason_against(step) or self._make(step)
            if why:
                self._absent.update(step.names)
                print(f"In[{step.cell}] {why}: {', '.join(step.names)} stays away.")
            else:
                made += [name for name in step.names if name in self._call.variables]
        print(f"Made again: {', '.join(dict.fromkeys(made)) or 'nothing'}.")

    def _reason_against(self, step: Step) -> str:
        if is_never_replayed(self._call.shell.namespace, step):
            return "is never to be replayed"
        if lacking := sorted(step.needs & self._absent):
            return f"needs {', '.join(lacking)}"
        effects = self._call.shell.namespace.effects.get(step.cell, ())
        if not effects or self._does_all:
            return ""
        if not self._is_asked:
            return f"{', '.join(effects)} (%replay asks about it, %replay -a runs it)"
        is_wanted = _yes(f"In[{step.cell}] {', '.join(effects)}. Run it again? [y/N] ")
        return "" if is_wanted else "was not wanted"

    def _make(self, step: Step) -> str:
        """Run the cell with the values of its time, and bind what it is to make and nothing else; or why not."""
        variables = self._call.variables
        try:
            with _as_it_was(variables):
                if step.inputs:
                    self._call.shell.around.fetch(self._store, step.state, step.inputs)
                run_cell(self._call, step.cell, step.code)
                made = {name: variables.get(name, _ABSENT) for name in step.names}
        except Exception as exc:  # it is user code
            text = traceback.format_exception(type(exc), exc, cells.user_traceback(exc.__traceback__))
            print("".join(text), end="")
            return f"raised {type(exc).__name__}"
        lacking = [name for name, value in made.items() if value is _ABSENT]
        for name, value in made.items():
            if value is not _ABSENT:
                variables[name] = value
                self._call.shell.namespace.bindings.makers[name] = step.cell
        return f"did not bind {', '.join(lacking)}" if lacking else ""


@contextmanager
def _as_it_was(variables: dict[str, Any]) -> Iterator[None]:
    """Whatever is bound and unbound inside is so no more afterwards."""
    before = dict(variables)
    try:
        yield
    finally:
        for name in [name for name in variables if name not in before]:
            del variables[name]
        for name, value in before.items():
            if variables.get(name, _ABSENT) is not value:
                variables[name] = value


def _yes(question: str) -> bool:
    return input(question).strip().lower() in ("y", "yes")


@contextmanager
def _store(call: Call) -> Iterator[Store]:
    try:
        with Store.open(call.shell.around.store, key=None, writer=False) as store:
            yield store
    except StoreError as exc:
        raise UsageError(f"the saved states cannot be read: {exc}") from None
