"""Parse a cell that has commands in it, so that tracebacks show what was typed.

Runs in: worker, on its main thread.
"""

from __future__ import annotations

import ast
from collections.abc import Collection

from pyshell.escapes import rewrite
from pyshell.worker.namespace import source_lines


def parse_with_commands(code: str, filename: str, flags: int, error: SyntaxError) -> ast.Module:
    """The tree with commands as calls; SyntaxError if it is no Python even so."""
    rewritten = rewrite(code)
    if rewritten is None:
        raise error
    try:
        tree: ast.Module = compile(rewritten.code, filename, "exec", flags, dont_inherit=True)
    except SyntaxError as exc:
        if exc.lineno in rewritten.lines:
            exc.text = source_lines(code)[exc.lineno - 1]
        raise exc from None
    spread(tree, source_lines(code), rewritten.lines)
    return tree


def spread(tree: ast.Module, lines: list[str], numbers: Collection[int]) -> None:
    """Let everything on these lines be as long as the line: a traceback then marks no part of it, and no wrong one."""
    for node in ast.walk(tree):
        if getattr(node, "lineno", None) in numbers and isinstance(node, (ast.expr, ast.stmt)):
            line = lines[node.lineno - 1].rstrip("\n")
            node.col_offset = len(line) - len(line.lstrip())
            node.end_lineno, node.end_col_offset = node.lineno, len(line.encode())
