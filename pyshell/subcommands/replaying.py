"""Run the cells of a session again in a new one, and say where that leads to something else.

Runs in: clients (Python 3.11 and newer).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from pyshell.frozen import dataclass
from pyshell.protocol import Checkpoint, HistoryEntry, InputRequest, Variable

if TYPE_CHECKING:
    from pyshell.client import Reply, Session

MAX_CELLS = 10_000
_NEVER = re.compile(r"^[ \t]*#[ \t]*replay:[ \t]*never\b", re.MULTILINE | re.IGNORECASE)
_OF_THE_SESSION = re.compile(r"\s*%(?:undo|redo|restore|replay|kill|checkpoint)\b")
"""What other cells lead to is known without these: only those are run whose effect the present state has."""
_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")
_SHOWN = 200


@dataclass(frozen=True)
class Person:
    """Whom to ask; each says no or nothing where nobody can be asked."""

    confirm: Callable[[str], bool]
    answer: Callable[[str, bool], str | None]
    """A line for a cell that asks for one (True: a password); None: end-of-file."""
    tell: Callable[[str], None]


def replay(old: Session, new: Session, person: Person) -> list[str]:
    """Run the cells whose effect `old` has in `new`, in their order; what differs, as sentences."""
    differences: list[str] = []
    alive = living(old.history(MAX_CELLS), old.checkpoints())
    for entry in alive:
        then = old.wait(entry.cell)
        if reason := reason_against(entry, then, person):
            differences.append(f"In[{entry.cell}] was left out: {reason}")
            person.tell(differences[-1])
            continue
        now = _run(new, entry.code, person)
        found = list(_unlike(then, now))
        differences += [f"In[{entry.cell}] {difference}" for difference in found]
        person.tell(f"In[{entry.cell}] {'; '.join(found) or 'as before'}")
    return [*differences, *compare(old.variables(), new.variables())]


def living(entries: Sequence[HistoryEntry], checkpoints: Sequence[Checkpoint]) -> list[HistoryEntry]:
    """The cells that led to the present state: those that were undone are on other branches. Pure."""
    parents = {state.checkpoint: state.parent for state in checkpoints}
    at: int | None = next((state.checkpoint for state in checkpoints if state.head), None)
    chain = set()
    while at is not None:
        chain.add(at)
        at = parents.get(at)

    def is_alive(entry: HistoryEntry) -> bool:
        # Cells in quick succession share a checkpoint: the first that is not older than the cell.
        owner = next((state.checkpoint for state in checkpoints if (state.cell or 0) >= entry.cell), None)
        return owner is None or owner in chain

    return [entry for entry in entries if is_alive(entry) and not _OF_THE_SESSION.match(entry.code)]


def reason_against(entry: HistoryEntry, then: Reply, person: Person) -> str:
    """Why a cell is not to run again; nothing if it is."""
    if then.status not in ("ok", "error"):
        ended = {"died": "it ended the worker", "interrupted": "it was interrupted", "aborted": "it had not run"}
        return ended.get(then.status, then.status)
    if entry.never or _NEVER.search(entry.code):
        return "it is marked as never to be replayed"
    if then.effects and not person.confirm(f"In[{entry.cell}] {', '.join(then.effects)}. Run it again?"):
        return ", ".join(then.effects)
    return ""


def _run(session: Session, code: str, person: Person) -> Reply:
    cell = session.execute(code)
    for event in session.events(cell=cell):
        if isinstance(event.body, InputRequest):
            line = person.answer(event.body.prompt, event.body.password)
            if line is None:
                session.input_end()
            else:
                session.input(line)
        elif event.kind == "finished":
            break
    return session.wait(cell)


def _unlike(then: Reply, now: Reply) -> Iterator[str]:
    if then.status != now.status:
        why = f" ({now.error.kind}: {now.error.message})" if now.error is not None else ""
        yield f"ended as {now.status!r}{why}, before as {then.status!r}"
    elif then.error is not None and now.error is not None and then.error.kind != now.error.kind:
        yield f"raised {now.error.kind}, before {then.error.kind}"
    if _plain(then.result) != _plain(now.result):
        yield f"gave {_cut(now.result)}, before {_cut(then.result)}"


def compare(before: Sequence[Variable], after: Sequence[Variable]) -> list[str]:
    """What is told of the names of two sessions and is not the same. Pure."""
    old, new = ({variable.name: variable for variable in found} for found in (before, after))
    told = [f"{name} is not there" for name in old if name not in new]
    told += [f"{name} is new" for name in new if name not in old]
    for name in old:
        if name in new and _shape(old[name]) != _shape(new[name]):
            told.append(f"{name} is {_describe(new[name])}, before {_describe(old[name])}")
    return told


def _shape(variable: Variable) -> tuple[str, str, str]:
    return variable.type, variable.shape, _plain(variable.preview)


def _describe(variable: Variable) -> str:
    return " ".join(part for part in (variable.type, variable.shape, _cut(variable.preview)) if part)


def _plain(text: str | None) -> str:
    """Without addresses, which are never the same."""
    return "(nothing)" if text is None else _ADDRESS.sub("0x…", text)


def _cut(text: str | None) -> str:
    shown = _plain(text)
    return shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…"
