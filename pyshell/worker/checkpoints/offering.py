"""What the session lacks after a restore, and which cells could make that again.

Runs in: worker, on its main thread.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from types import CodeType

from pyshell.drawing import first_line
from pyshell.errors import StoreError
from pyshell.protocol import Remakeable, Rerun
from pyshell.store import Store
from pyshell.store.likeness import is_output
from pyshell.worker.cell import CellRunner
from pyshell.worker.checkpoints.replaying import Present, Step, plan
from pyshell.worker.namespace import Namespace, filename

MAX_STEPS = 100
MAX_CODE = 200
_NEVER = re.compile(r"^[ \t]*#[ \t]*replay:[ \t]*never\b", re.MULTILINE | re.IGNORECASE)


def offer(namespace: Namespace, runner: CellRunner, store: Path) -> Remakeable | None:
    """The cells that %replay would run now; None if there are none."""
    wanted = missing(namespace)
    if not wanted:
        return None
    try:
        with Store.open(store, key=None, writer=False) as opened:
            steps = plan(opened, present(namespace, runner), wanted).steps
    except StoreError:
        return None  # what cannot be read is told as not restored
    return Remakeable(tuple([_told(namespace, step) for step in steps[:MAX_STEPS]])) if steps else None


def _told(namespace: Namespace, step: Step) -> Rerun:
    effects, never = namespace.effects.get(step.cell, ()), is_never_replayed(namespace, step)
    code = first_line(step.code)[:MAX_CODE]
    return Rerun(step.cell, code, step.names, step.inputs[:MAX_STEPS], step.state, effects, never)


def missing(namespace: Namespace) -> dict[str, int | None]:
    """The names that did not come back and that no cell has bound since, with the cells that had made them."""
    # Not what `_` and `_7` were bound to, nor parts of values, which are told by their paths.
    lost = namespace.bindings.lost
    whole = [name for name in lost if name.isidentifier() and not is_output(name)]
    return {name: lost[name].cell for name in whole if name not in namespace.variables}


def give_up_deleted(namespace: Namespace, runner: CellRunner, code: str) -> None:
    """Who says `del x` of a name that did not come back knows that: it raises NameError, and x is not told again."""
    try:
        tree = runner.parse(code, filename(namespace.newest))
    except SyntaxError:
        return
    for statement in ast.walk(tree):
        if isinstance(statement, ast.Delete):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    namespace.bindings.lost.pop(target.id, None)


def present(namespace: Namespace, runner: CellRunner) -> Present:
    """The session as planning sees it."""

    def compiled(code: str, cell: int) -> CodeType | None:
        try:
            tree = runner.parse(code, filename(cell))
            made: CodeType = compile(tree, filename(cell), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
            return made
        except SyntaxError:
            return None

    bound = {name: namespace.bindings.cells.get(name) for name in namespace.variables}
    return Present(namespace.inputs, bound, compiled)


def is_never_replayed(namespace: Namespace, step: Step) -> bool:
    """Whether the person has marked the cell, or its author has written `# replay: never` into it."""
    return step.cell in namespace.never or _NEVER.search(step.code) is not None
