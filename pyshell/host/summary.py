"""What the worker last told of the namespace, and the answers that can be given from it. No I/O.

Runs in: host; told on the supervisor's thread, asked on the clients'.
"""

from __future__ import annotations

import builtins
import keyword

from pyshell.protocol import (
    MAX_MATCHES,
    Call,
    Completions,
    Family,
    Inspection,
    Match,
    Member,
    Outline,
    Outlines,
    ReadVariables,
    Variable,
    Variables,
)
from pyshell.typed.around import Around, around
from pyshell.typed.chains import Chain
from pyshell.typed.cursor import Asked, asked
from pyshell.typed.ranking import ranked
from pyshell.typed.signatures import keywords_in, name_of, split

MAX_PAGE = 1000
_Described = tuple[str, str, str]
"""Kind, type and signature."""
_Candidate = _Described | Outline
"""There may be thousands: a Match is made only of what is returned."""


class Summary:
    """Names, and what the values of each type have."""

    def __init__(self) -> None:
        self._outlines: dict[str, Outline] = {}
        self._families: dict[str, Family] = {}

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to answer from."""
        return not self._outlines

    def apply(self, told: Outlines) -> None:
        """Take in what has changed. The tables are replaced, so that who reads them meanwhile sees one state."""
        outlines = {} if told.anew else dict(self._outlines)
        families = {} if told.anew else dict(self._families)
        for name in told.removed:
            outlines.pop(name, None)
        outlines.update({outline.name: outline for outline in told.outlines})
        families.update({family.type: family for family in told.families})
        self._outlines, self._families = outlines, families

    def complete(self, code: str, cursor_pos: int) -> Completions:
        """What could stand at the cursor, as far as that is known here."""
        cursor_pos = min(max(cursor_pos, 0), len(code))
        what = asked(code, cursor_pos)
        found = self._candidates(what)
        first: list[str] = []
        if what.kind == "key" or what.call is not None:  # else there is none
            first = [name for name, value in found.items() if _described(value)[0] in ("key", "param")]
        names = ranked(found, what.prefix, MAX_MATCHES, first)
        matches = tuple([Match(name, *_described(found[name])) for name in names])
        return Completions(matches, what.start, cursor_pos, "summary")

    def inspect(self, code: str, cursor_pos: int) -> Inspection:
        """What is known here of the name under the cursor, or else of what is called there."""
        where = around(code, cursor_pos)
        call = self._call(where)
        for name in (where.name, where.callee):
            found = self._outlines.get(name)
            if found is not None:
                return Inspection(
                    True, name, found.type, found.signature, "", "", 0, "", found.preview, found.shape, "", found.size,
                    (), call, "summary",
                )  # fmt: skip
        found_call = call is not None
        name, text = (call.name, call.signature) if call is not None else (where.name, "")
        return Inspection(found_call, name, "", text, "", "", 0, "", "", call=call, answered="summary")

    def _call(self, where: Around) -> Call | None:
        chain: Chain = (("name", where.callee),)
        if "." in where.callee:
            root, _, attribute = where.callee.partition(".")
            chain = (("name", root), ("attribute", attribute))
        text = self._signature(chain) if where.callee else ""
        if not text:
            return None
        parameters = tuple([part for part in split(text) if part not in ("/", "*")])
        return Call(where.callee, text, parameters, _current(parameters, where))

    def variables(self, request: ReadVariables) -> Variables:
        """What was told of each name."""
        outlines, first = list(self._outlines.values()), max(0, request.start)
        page = outlines[first : first + min(max(0, request.count), MAX_PAGE)]
        rows = [Variable(o.name, o.type, o.shape, o.size, o.preview) for o in page]
        return Variables(tuple(rows), max(0, len(outlines) - first - len(page)), "summary")

    def _candidates(self, what: Asked) -> dict[str, _Candidate]:
        if what.kind == "attribute":
            found = [member for member in self._members(what.target) if member.kind != "key"]
            return {member.name: (member.kind, "", member.signature) for member in found}
        if what.kind == "key":
            return self._keys(what)
        if what.kind == "word":
            return dict.fromkeys(what.words, ("keyword", "", ""))
        return self._names(what) if what.kind == "name" else {}

    def _names(self, what: Asked) -> dict[str, _Candidate]:
        found: dict[str, _Candidate] = dict.fromkeys(keyword.kwlist, ("keyword", "", ""))
        found.update({name: (_kind_of_builtin(value), "", "") for name, value in vars(builtins).items()})
        found.update({name: (kind, "", "") for name, kind in what.bound.items()})
        found.update(self._outlines)
        if what.call is not None:
            parameters = keywords_in(split(self._signature(what.call.function)))
            found.update({f"{name}=": ("param", "", "") for name in parameters if name not in what.call.given})
        return found

    def _keys(self, what: Asked) -> dict[str, _Candidate]:
        texts = [member.name for member in self._members(what.target) if member.kind == "key"]
        if what.quote:  # keys were told as repr() shows them
            texts = [text[1:-1] for text in texts if text[0] in "'\"" and "\\" not in text]
            texts = [text for text in texts if what.quote in ("'", '"') and what.quote not in text]
        return dict.fromkeys(texts, ("key", "", ""))

    def _members(self, target: Chain) -> tuple[Member, ...]:
        kind, root = target[0]
        if len(target) > 1:
            return ()
        if kind == "literal":
            return self._of_type(str(root))
        outline = self._outlines.get(str(root))
        if outline is None:
            return ()
        return outline.own + (self._of_type(outline.type) if outline.kind == "instance" else ())

    def _of_type(self, name: str) -> tuple[Member, ...]:
        family = self._families.get(name)
        return family.members if family is not None else ()

    def _signature(self, function: Chain) -> str:
        if len(function) == 1:
            outline = self._outlines.get(str(function[0][1]))
            return outline.signature if outline is not None else ""
        if len(function) == 2 and function[1][0] == "attribute":
            return next((m.signature for m in self._members(function[:1]) if m.name == function[1][1]), "")
        return ""


def _described(value: _Candidate) -> _Described:
    return (value.kind, value.type, value.signature) if isinstance(value, Outline) else value


def _current(parameters: tuple[str, ...], where: Around) -> int | None:
    argument = where.argument
    if argument.keyword:
        named = [place for place, text in enumerate(parameters) if name_of(text) == argument.keyword]
        return named[0] if named else None
    is_known = argument.position < len(parameters) and not argument.starred and not argument.before
    return argument.position if is_known else None


def _kind_of_builtin(value: object) -> str:
    return "class" if isinstance(value, type) else "function" if callable(value) else "instance"
