"""Which names a text binds: assignments, definitions, parameters, loops, imports. Pure.

Runs in: worker and host (Python 3.10 and newer).
"""

from __future__ import annotations

from keyword import iskeyword

from pyshell.typed.tokens import Token

_OPENING, _CLOSING = ("(", "[", "{"), (")", "]", "}")


def bound_in(tokens: list[Token]) -> dict[str, str]:
    """Name → `function`, `class`, `module` or `instance`; later ones win. A guess: scopes are not told apart."""
    found: dict[str, str] = {}
    depth = 0
    begins = True
    for at, token in enumerate(tokens):
        depth += (token.text in _OPENING) - (token.text in _CLOSING)
        following = tokens[at + 1] if at + 1 < len(tokens) else None
        if token.kind == "name" and following is not None:
            _look(found, tokens, at, depth)
        if begins and (token.kind == "name" or token.text == "("):
            found.update(_targets(tokens, at))
        begins = not depth and (token.kind == "newline" or token.text in (";", ":"))
    return found


def _look(found: dict[str, str], tokens: list[Token], at: int, depth: int) -> None:
    word, following = tokens[at].text, tokens[at + 1]
    if word in ("def", "class") and following.kind == "name":
        found[following.text] = "function" if word == "def" else "class"
        if word == "def":
            found.update(_parameters(tokens, at + 2))
    elif word == "as" and following.kind == "name":
        found[following.text] = "module" if _is_import(tokens, at) else "instance"
    elif word in ("import", "from"):
        found.update(_imports(tokens, at))
    elif word == "for":
        found.update(_loop(tokens, at + 1))
    elif following.text == ":=":
        found[word] = "instance"


def _targets(tokens: list[Token], at: int) -> dict[str, str]:
    """`a = `, `a, (b, c) = `, `a: int`."""
    names: list[str] = []
    while at < len(tokens) and (tokens[at].kind == "name" or tokens[at].text in (",", "(", ")", "*")):
        if tokens[at].kind == "name":
            names.append(tokens[at].text)
        elif tokens[at].text == "(" and at and tokens[at - 1].kind == "name":
            return {}  # a call
        at += 1
    is_bound = at < len(tokens) and (tokens[at].text == "=" or (tokens[at].text == ":" and len(names) == 1))
    return dict.fromkeys(names, "instance") if is_bound and not any(map(iskeyword, names)) else {}


def _parameters(tokens: list[Token], at: int) -> dict[str, str]:
    found: dict[str, str] = {}
    depth = 0
    for before, token in zip(tokens[at:], tokens[at + 1 :]):
        depth += (before.text in _OPENING) - (before.text in _CLOSING)
        if not depth:
            break
        if depth == 1 and token.kind == "name" and before.text in ("(", ",", "*", "**"):
            found[token.text] = "instance"
    return found


def _imports(tokens: list[Token], at: int) -> dict[str, str]:
    """Names that `import a.b, c` and `from x import a, (b, c)` bind, but for those after `as`."""
    found: dict[str, str] = {}
    statement = [token.text for token in _until_end(tokens, at)]
    if "import" not in statement or (statement[0] == "import" and at and tokens[at - 1].kind != "newline"):
        return found  # the second half of a `from … import`
    for n in range(statement.index("import") + 1, len(statement)):
        is_renamed = statement[n + 1 : n + 2] == ["as"]
        if statement[n - 1] in ("import", ",", "(") and statement[n].isidentifier() and not is_renamed:
            found[statement[n]] = "module" if statement[0] == "import" else "instance"
    return found


def _until_end(tokens: list[Token], at: int) -> list[Token]:
    end = at
    while end < len(tokens) and tokens[end].kind != "newline" and tokens[end].text != ";":
        end += 1
    return tokens[at:end]


def _is_import(tokens: list[Token], at: int) -> bool:
    for n in range(at - 1, -1, -1):
        if tokens[n].kind == "newline" or tokens[n].text == ";":
            return False
        if tokens[n].text == "import":
            return tokens[0].text != "from"
    return False


def _loop(tokens: list[Token], at: int) -> dict[str, str]:
    found: dict[str, str] = {}
    for token in tokens[at:]:
        if token.text == "in" or (token.kind != "name" and token.text not in (",", "(", ")", "*")):
            break
        if token.kind == "name":
            found[token.text] = "instance"
    return found
