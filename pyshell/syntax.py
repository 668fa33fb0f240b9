"""Decide whether a piece of source is a whole cell. Pure.

Runs in: clients. Not in the worker: silencing the compiler's warnings is not thread-safe, and the
answer must not wait for user code.
"""

from __future__ import annotations

import ast
import codeop
import io
import tokenize
import warnings

from pyshell.escapes import cell_command, rewrite, uncovered
from pyshell.protocol import CompletenessReply

_INDENT = "    "
_DONE = CompletenessReply("complete", "")
_OPEN = CompletenessReply("incomplete", "")
_TOO_MUCH = (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError)
_LAYOUT = (
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER,
)  # fmt: skip


def is_complete(code: str) -> CompletenessReply:
    """Whether Enter at the end of `code` should run it, and the next line's indentation otherwise.

    A compound statement is complete after an empty line, as at Python's own prompt, and so is a `%%` cell.
    """
    code = uncovered(code)
    if cell_command(code) is not None:
        return _OPEN if "\n" not in code or code.rpartition("\n")[2].strip() else _DONE
    judged = _judge(code)
    rewritten = rewrite(code) if judged.status != "complete" else None
    if rewritten is None:
        return judged
    return _OPEN if code.endswith("\\") else _judge(rewritten.code)


def _judge(code: str) -> CompletenessReply:
    """The same for Python."""
    lines = code.split("\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compiled = _compiler()(code, "<cell>", "exec")
            is_open = compiled is None or _may_go_on(code, lines[-1])
        except _TOO_MUCH:
            return CompletenessReply("invalid", "")
    return CompletenessReply("incomplete", next_indent(lines)) if is_open else _DONE


def _compiler() -> codeop.CommandCompiler:
    compiler = codeop.CommandCompiler()
    compiler.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    return compiler


def _may_go_on(code: str, last_line: str) -> bool:
    """Whether the cursor is still inside the block of a compound statement."""
    if not last_line.strip() or not last_line[0].isspace():
        return False
    tree = compile(code, "<cell>", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    return bool(tree.body) and (hasattr(tree.body[-1], "body") or hasattr(tree.body[-1], "cases"))


def next_indent(lines: list[str]) -> str:
    """The indentation for the line after the last of `lines`."""
    filled = [line for line in lines if line.strip()]
    if not filled:
        return ""
    last = filled[-1]
    indent = last[: len(last) - len(last.lstrip())]
    if _opens_block(lines):
        return indent + _INDENT
    if last.split()[0] in ("return", "pass", "break", "continue", "raise"):
        return indent.removesuffix("\t") if indent.endswith("\t") else indent[: -len(_INDENT)]
    return indent


def _opens_block(lines: list[str]) -> bool:
    """Whether the last token is a colon that no bracket holds; a comment may follow it."""
    depth, last = 0, ""
    try:
        for token in tokenize.generate_tokens(io.StringIO("\n".join(lines) + "\n").readline):
            if token.type not in _LAYOUT:
                last = token.string
                depth += (last in "([{") - (last in ")]}") if token.type == tokenize.OP else 0
    except (tokenize.TokenError, SyntaxError):
        pass  # a bracket or a string that is still open ends here
    return last == ":" and depth == 0
