"""What the text before the cursor asks for: a name, an attribute, a key, a keyword, a module, a path. Pure.

Runs in: worker and host (Python 3.10 and newer).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from pyshell.typed.around import argument
from pyshell.typed.bound import bound_in
from pyshell.typed.chains import Chain, chain, ends_value
from pyshell.typed.tokens import OPENS, Scan, Token, beginning, scan

_MAX_DEPTH = 20
_COMMAND = re.compile(r"%%?\w*\Z")
_PATH_COMMANDS = ("cd ", "edit ", "file ", "load ", "ls ", "run ", "writefile ")
_KEY_METHODS = (("attribute", "get"), ("attribute", "pop"), ("attribute", "setdefault"))
_NO_NAME_AFTER = ("def", "class", "as")
_OPERATORS = ("and", "as", "else", "for", "from", "if", "import", "in", "is", "not", "or")
"""Words that may follow a value."""


class Call(NamedTuple):
    """The call whose argument begins at the cursor."""

    function: Chain
    given: frozenset[str]
    """Keywords that it has already."""


class Asked(NamedTuple):
    """What is asked for. `kind` is one of `name attribute key module member command path word nothing`.

    `word` is one of `words`, because a value stands before it; `member` is a name in `module`.
    """

    kind: str
    prefix: str
    """What is typed of it, from `start` on."""
    start: int
    target: Chain = ()
    """Of an attribute what is before the dot, of a key what is before the bracket."""
    module: str = ""
    """Of a module or a member what is before the last dot; of a path the directory."""
    quote: str = ""
    """What opened the string that a key or a path is in, with its letters; empty outside of strings."""
    call: Call | None = None
    words: tuple[str, ...] = ()
    bound: Mapping[str, str] = MappingProxyType({})
    """Names that the text itself binds, and what to: `function class module instance`."""
    is_first: bool = False
    """A command stands at the beginning of the code, where one for the whole cell can stand."""
    is_local: bool = False
    """The cursor is in an indented line: what `bound` has hides what is in the namespace."""


def asked(code: str, cursor_pos: int) -> Asked:
    """Look at the text before the cursor, which is brought in if it lies outside."""
    cursor_pos = min(max(cursor_pos, 0), len(code))
    begin = beginning(code, cursor_pos)
    found = _read(code[begin:cursor_pos], _MAX_DEPTH)
    return found._replace(start=found.start + begin)


def _read(text: str, depth: int) -> Asked:
    seen = scan(text)
    last = seen.tokens[-1] if seen.tokens else None
    if last is not None and not last.closed:
        found = _in_string(seen, text, depth) if last.kind == "string" else None
    else:
        found = _outside_strings(seen, text)
    if found is None:
        return Asked("nothing", "", len(text))
    is_typed = last is not None and last.end == len(text)  # what the cursor is in binds nothing yet
    bound = {**bound_in(seen.tokens[:-1] if is_typed else seen.tokens), **found.bound}
    return found._replace(bound=bound, is_local=found.is_local or _is_indented(seen, text))


def _is_indented(seen: Scan, text: str) -> bool:
    first = seen.statement
    start = seen.tokens[first].start if first < len(seen.tokens) else len(text)
    return text[text.rfind("\n", 0, start) + 1 :][:1] in (" ", "\t")


# --- in a string ----------------------------------------------------------------------------------------------


def _in_string(seen: Scan, text: str, depth: int) -> Asked | None:
    token = seen.tokens[-1]
    found = OPENS.match(token.text)
    if found is None:
        return None
    letters, quote = found.groups()
    body = token.text[found.end() :]
    if set(letters) & set("fFtT") and (field := _open_field(body)) is not None:
        if not depth:
            return None
        inner = _read(body[field:], depth - 1)
        return inner._replace(start=inner.start + len(text) - len(body) + field)
    target = _subscripted(seen)
    if target is not None:
        return Asked("key", body, token.start + found.end(), target, quote=found.group())
    if len(quote) == 3 or "\n" in body:
        return None
    cut = body.rfind("/") + 1
    return Asked("path", body[cut:], token.start + found.end() + cut, module=body[:cut], quote=found.group())


def _open_field(body: str) -> int | None:
    """Where the code begins, if the text of an f-string ends in braces."""
    at = body.rfind("{")
    braces = len(body[: at + 1]) - len(body[: at + 1].rstrip("{"))
    return at + 1 if braces % 2 and "}" not in body[at:] else None


def _subscripted(seen: Scan) -> Chain | None:
    """What the string at the end would be a key of: `d["k`, `df[["a", "b`, `df.loc[:, "c`, `d.get("k`."""
    tokens = seen.tokens
    if len(tokens) < 2 or tokens[-2].text not in ("[", ",", "("):
        return None
    for opening in reversed(seen.opened):
        found = chain(seen, opening)
        if tokens[opening].text == "[" and found:
            return found[0]
        if tokens[opening].text == "(" and found and opening == len(tokens) - 2:
            is_key = len(found[0]) > 1 and found[0][-1] in _KEY_METHODS
            return found[0][:-1] if is_key else None
        if tokens[opening].text != "[":
            return None
    return None


# --- outside of strings -----------------------------------------------------------------------------------------


def _outside_strings(seen: Scan, text: str) -> Asked | None:
    tokens = seen.tokens
    last = tokens[-1] if tokens else None
    is_word = last is not None and last.kind in ("name", "number") and last.end == len(text)
    count = len(tokens) - is_word
    start = tokens[count].start if is_word else len(text)
    first = tokens[seen.statement].text if seen.statement < len(tokens) else ""
    if first in ("%", "!") and (found := _command(seen, text)) is not None:
        return found
    if first in ("import", "from") and count > seen.statement:
        return _imported(tokens[seen.statement : count], text[start:], start)
    return _word(seen, count, text[start:], start)


def _word(seen: Scan, count: int, prefix: str, start: int) -> Asked | None:
    before = seen.tokens[count - 1] if count else None
    is_number = prefix[:1].isdigit() or prefix[:1] == "."
    if before is not None and before.text in (".", "["):
        target = chain(seen, count - 1)
        if before.text == "." and not is_number:
            return Asked("attribute", prefix, start, target[0]) if target else None
        if before.text == "[" and target and (not prefix or is_number):
            return Asked("key", prefix, start, target[0])
    if is_number or (before is not None and before.text in _NO_NAME_AFTER):
        return None
    if before is not None and ends_value(before):
        return Asked("word", prefix, start, words=_OPERATORS) if prefix else None
    return Asked("name", prefix, start, call=_call(seen, count))


def _call(seen: Scan, count: int) -> Call | None:
    """The innermost open call, if an argument begins after token number `count`."""
    tokens = seen.tokens
    if not seen.opened or tokens[count - 1].text not in ("(", ","):
        return None
    opening = seen.opened[-1]
    found = chain(seen, opening) if tokens[opening].text == "(" else None
    if found is None or (found[1] and tokens[found[1] - 1].text in ("def", "class")):
        return None
    return Call(found[0], frozenset(argument(tokens[opening + 1 : count]).before))


def _command(seen: Scan, text: str) -> Asked | None:
    """`%na`, `%cd di` and `!program fi`; None where code follows, as after `%timeit `."""
    first = seen.tokens[seen.statement]
    line = text[first.start :]
    if _COMMAND.match(line):
        return Asked("command", line, first.start, is_first=not seen.statement)
    if first.text == "%" and not line.lstrip("%").startswith(_PATH_COMMANDS):
        return None
    word = re.split(r"[\s='\"]", line[1:])[-1]
    cut = word.rfind("/") + 1
    return Asked("path", word[cut:], len(text) - len(word) + cut, module=word[:cut])


def _imported(words: list[Token], prefix: str, start: int) -> Asked | None:
    """In `import a.b, c`, `from a.b` and `from a import b, c`."""
    texts = [token.text for token in words]
    if texts[0] == "from" and "import" in texts:
        module = "".join(texts[1 : texts.index("import")])
        return Asked("member", prefix, start, module=module) if texts[-1] in ("import", ",", "(") else None
    end = len(texts)
    while end > 1 and texts[end - 1] == "." and words[end - 2].kind == "name" and texts[end - 2] != "from":
        end -= 2
    if end < len(texts):
        return Asked("module", prefix, start, module="".join(texts[end:-1]))
    if texts[-1] in ("import", "from", ","):
        return Asked("module", prefix, start)
    if texts[-1] == "as":
        return None
    return Asked("word", prefix, start, words=("import",) if texts[0] == "from" else ("as",))
