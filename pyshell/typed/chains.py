"""Read the expression that ends at a place: a name or a literal, and what is done to it. Pure.

Runs in: worker and host (Python 3.10 and newer).
"""

from __future__ import annotations

import ast
import keyword
import re
from contextlib import suppress

from pyshell.typed.tokens import OPENS, Scan, Token

Step = tuple[str, object]
Chain = tuple[Step, ...]
"""An expression as steps from its root: `d["k"].a()` is `name d`, `item k`, `attribute a`, `call`. The root is a `name`
or a `literal` (the name of its class). An `item` is a constant, SLICE or None (not known)."""

SLICE = ("slice",)
_MAX_STEPS = 100
MAX_CONSTANT = 400
def _quoted(escapes: str) -> str:
    return rf"""'(?:[^'\\\n]|\\(?:{escapes}))*'|"(?:[^"\\\n]|\\(?:{escapes}))*\""""


_ESCAPES = r"['\"\\abfnrtv]|x[0-9a-fA-F]{2}"
_TEXT = _quoted(rf"{_ESCAPES}|u[0-9a-fA-F]{{4}}|U000[0-9a-fA-F]{{5}}")
_PLAIN = rf"(?:None|True|False|-?(?:0|[1-9][0-9]{{0,29}})(?:\.[0-9]{{1,30}})?|{_TEXT}|b(?:{_quoted(_ESCAPES)}))"
_CONSTANT = re.compile(rf"(?:{_PLAIN}|\((?:{_PLAIN}(?:,{_PLAIN})*,?)?\))\Z")
"""What can be evaluated as it stands, without as much as a warning about an escape."""
_MAX_DEPTH = 20
_CONSTANTS = {"None": "NoneType", "True": "bool", "False": "bool"}


def chain(scan: Scan, end: int, depth: int = _MAX_DEPTH) -> tuple[Chain, int] | None:
    """The expression that ends before token number `end`, and the number of its first token; None if there is none."""
    tokens = scan.tokens
    steps: list[Step] = []
    at = end - 1
    while at >= 0 and len(steps) < _MAX_STEPS:
        token, opening = tokens[at], scan.pairs.get(at, 0)
        if token.kind == "name" and at and tokens[at - 1].text == ".":
            steps.append(("attribute", token.text))
            at -= 2
        elif opening and token.text != "}" and ends_value(tokens[opening - 1]):
            steps.append(("item", _item(tokens[opening + 1 : at])) if token.text == "]" else ("call", None))
            at = opening - 1
        else:
            root = _root(scan, at, depth)
            return ((*root[0], *reversed(steps)), root[1]) if root else None
    return None


def ends_value(token: Token) -> bool:
    """Whether an operator or a bracket after it would belong to a value."""
    if token.kind == "name":
        return not keyword.iskeyword(token.text) or token.text in _CONSTANTS
    return token.kind in ("string", "number") or token.text in (")", "]", "}", "...")


def _root(scan: Scan, at: int, depth: int) -> tuple[Chain, int] | None:
    token = scan.tokens[at]
    if token.kind == "name":
        if token.text in _CONSTANTS:
            return (("literal", _CONSTANTS[token.text]),), at
        return None if keyword.iskeyword(token.text) else ((("name", token.text),), at)
    if token.kind in ("string", "number"):
        return (("literal", _class_of(token)),), at
    if at not in scan.pairs:
        return None
    opening = scan.pairs[at]
    inside = _direct(scan.tokens[opening + 1 : at])
    if token.text == ")" and inside and "," not in inside:
        found = chain(scan, at, depth - 1) if depth else None
        return (found[0], opening) if found and found[1] == opening + 1 else None
    if token.text == "}":
        return (("literal", "dict" if ":" in inside or not inside else "set"),), opening
    return (("literal", "list" if token.text == "]" else "tuple"),), opening


def _class_of(token: Token) -> str:
    if token.kind == "string":
        found = OPENS.match(token.text)
        return "bytes" if found and "b" in found.group(1).lower() else "str"
    text = token.text.lower()
    if text.startswith(("0x", "0o", "0b")):
        return "int"
    return "complex" if text.endswith("j") else "float" if "." in text or "e" in text else "int"


def _direct(tokens: list[Token]) -> list[str]:
    """The texts of tokens that are not in brackets among these."""
    found, depth = [], 0
    for token in tokens:
        depth -= token.text in (")", "]", "}")
        if not depth:
            found.append(token.text)
        depth += token.text in ("(", "[", "{")
    return found


def _item(tokens: list[Token]) -> object:
    """What is between the brackets, if it is a constant."""
    texts = [token.text for token in tokens]
    text = "".join(texts)
    if "," in texts and texts[0] != "(":
        text = f"({text})"  # `d[1, 2]` is `d[(1, 2)]`
    if len(text) <= MAX_CONSTANT and _CONSTANT.match(text):
        with suppress(SyntaxError, ValueError):  # a letter that bytes, or source, cannot have
            return ast.literal_eval(text)
    if len(tokens) == 1 and tokens[0].kind == "string":
        return text_of(text)
    return SLICE if ":" in _direct(tokens) and "," not in texts else None


def text_of(literal: str) -> str | bytes | None:
    """The value of a closed string literal, where that is its text as it stands."""
    found = OPENS.match(literal)
    if found is None:
        return None
    letters, quote = found.group(1).lower(), found.group(2)
    body = literal[found.end() : -len(quote)]
    if set(letters) & set("ft") or ("\\" in body and "r" not in letters):
        return None
    if "b" in letters:
        return body.encode() if body.isascii() else None
    return body
