"""Make functions and classes anew from the source of their cell, where their code is of another version of Python.

Runs in: worker, on its main thread, while it restores.

Code objects of another minor version do not raise when they are loaded, they crash. What a cell defines at its top
level is compiled and run again, alone: its decorators and the body of a class run with it. What was changed in it after
that is lost, which the person is told.
"""

from __future__ import annotations

import ast
import linecache
from typing import Any

from pyshell.store import Group
from pyshell.worker.checkpoints.proposing import code_version
from pyshell.worker.namespace import filename
from pyshell.worker.pickles.leaves import Unsavable
from pyshell.worker.pickles.rebuilding import told

Definition = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def is_foreign(group: Group) -> bool:
    """Whether the group holds code that this interpreter must not load."""
    return bool(group.code_version) and group.code_version != code_version()


def remake(group: Group, namespace: dict[str, Any]) -> dict[str, Any]:
    """The group's names, all of one definition; Unsavable if its cell does not tell how to make it."""
    node, tree = _find(group)
    if node is None:
        again = f"run In[{group.cell}] again" if group.cell is not None else "make it again"
        raise Unsavable(f"saved by Python {group.code_version}; this is {code_version()}; {again}")
    # With its imports from __future__, which change how the rest is compiled.
    module = ast.Module([*_futures(tree), node], [])
    made: dict[str, Any] = {}
    exec(told(compile(module, filename(group.cell or 0), "exec", dont_inherit=True)), namespace, made)
    return dict.fromkeys(group.names, made[node.name])


def _find(group: Group) -> tuple[Any, ast.Module]:
    """The last definition of one of the group's names in its cell."""
    empty = ast.Module([], [])
    if group.kind != "definition" or group.cell is None:
        return None, empty
    source = "".join(linecache.getlines(filename(group.cell)))
    try:
        tree = compile(source, "", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError):  # what this version of Python does not understand
        return None, empty
    found = [node for node in tree.body if isinstance(node, Definition) and node.name in group.names]
    return (found[-1] if found else None), tree


def _futures(tree: ast.Module) -> list[ast.stmt]:
    return [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
