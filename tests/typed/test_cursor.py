"""What is asked for at the end of unfinished code.

Runs in: tests.
"""

from __future__ import annotations

import pytest

from pyshell.typed.around import around
from pyshell.typed.chains import SLICE
from pyshell.typed.cursor import Asked, asked
from pyshell.typed.tokens import MAX_TEXT

NAME, ATTRIBUTE, KEY, PATH, NOTHING = "name", "attribute", "key", "path", "nothing"

CASES: list[tuple[str, str, str, str]] = [
    # code, kind, prefix, the expression before the dot or the bracket, or the module or directory
    ("", NAME, "", ""),
    ("na", NAME, "na", ""),
    ("x = na", NAME, "na", ""),
    ("f(na", NAME, "na", ""),
    ("f(a, na", NAME, "na", ""),
    ("not na", NAME, "na", ""),
    ("for i in na", NAME, "na", ""),
    ("a.b", ATTRIBUTE, "b", "a"),
    ("a.", ATTRIBUTE, "", "a"),
    ("a . b", ATTRIBUTE, "b", "a"),
    ("a.b.c.d", ATTRIBUTE, "d", "a.b.c"),
    ("f(a.b", ATTRIBUTE, "b", "a"),
    ("x = [a.b", ATTRIBUTE, "b", "a"),
    ("(a.b).c", ATTRIBUTE, "c", "a.b"),
    ("((a)).c", ATTRIBUTE, "c", "a"),
    ("a().b", ATTRIBUTE, "b", "a()"),
    ("a(1, (2, 3)).b", ATTRIBUTE, "b", "a()"),
    ('a["k"].b', ATTRIBUTE, "b", "a['k']"),
    ("a[b'k'].b", ATTRIBUTE, "b", "a[b'k']"),
    ("a[-1].b", ATTRIBUTE, "b", "a[-1]"),
    ("a[0x1].b", ATTRIBUTE, "b", "a[?]"),
    ("a[True].b", ATTRIBUTE, "b", "a[True]"),
    ("a[1.5].b", ATTRIBUTE, "b", "a[1.5]"),
    ("a[(1, 'x')].b", ATTRIBUTE, "b", "a[(1, 'x')]"),
    ("a[1, 'x'].b", ATTRIBUTE, "b", "a[(1, 'x')]"),
    (r"a['it\'s\n'].b", ATTRIBUTE, "b", 'a["it\'s\\n"]'),
    (r"a[b'\xff'].b", ATTRIBUTE, "b", r"a[b'\xff']"),
    (r"a['\d'].b", ATTRIBUTE, "b", "a[?]"),
    (r"a[b'\u0041'].b", ATTRIBUTE, "b", "a[?]"),
    ("a[b'é'].b", ATTRIBUTE, "b", "a[?]"),
    ("a[01].b", ATTRIBUTE, "b", "a[?]"),
    ("a[i + 1].b", ATTRIBUTE, "b", "a[?]"),
    ("a[1:2].b", ATTRIBUTE, "b", "a[:]"),
    ("a[1:2, 3].b", ATTRIBUTE, "b", "a[?]"),
    ("a\n.b", NOTHING, "", ""),
    ("(a\n.b", ATTRIBUTE, "b", "a"),
    ("a\\\n.b", ATTRIBUTE, "b", "a"),
    ("'abc'.u", ATTRIBUTE, "u", "<str>"),
    ("b'abc'.u", ATTRIBUTE, "u", "<bytes>"),
    ("'''a\nb'''.u", ATTRIBUTE, "u", "<str>"),
    ("[1, 2].u", ATTRIBUTE, "u", "<list>"),
    ("x = [1, 2].u", ATTRIBUTE, "u", "<list>"),
    ("{}.u", ATTRIBUTE, "u", "<dict>"),
    ("{1: 2}.u", ATTRIBUTE, "u", "<dict>"),
    ("{1, 2}.u", ATTRIBUTE, "u", "<set>"),
    ("(1, 2).u", ATTRIBUTE, "u", "<tuple>"),
    ("().u", ATTRIBUTE, "u", "<tuple>"),
    ("1.5.u", ATTRIBUTE, "u", "<float>"),
    ("True.u", ATTRIBUTE, "u", "<bool>"),
    ("'abc'.upper().u", ATTRIBUTE, "u", "<str>.upper()"),
    ("(a + b).u", NOTHING, "", ""),
    ("5.", NOTHING, "", ""),
    ("12", NOTHING, "", ""),
    ("if.a", NOTHING, "", ""),
    ("a..b", NOTHING, "", ""),
    (".b", NOTHING, "", ""),
    ("it's\na.b", ATTRIBUTE, "b", "a"),
    ("f(a[\nimport os\nx.y", ATTRIBUTE, "y", "x"),
    ("f(a]).b", ATTRIBUTE, "b", "f()"),
    ('d["na', KEY, "na", "d"),
    ("d['na", KEY, "na", "d"),
    ("d[b'na", KEY, "na", "d"),
    ("d[", KEY, "", "d"),
    ("d[1", KEY, "1", "d"),
    ("d[na", NAME, "na", ""),
    ('d["a"]["na', KEY, "na", "d['a']"),
    ('d.e["na', KEY, "na", "d.e"),
    ('d[["a", "na', KEY, "na", "d"),
    ('d.loc[:, "na', KEY, "na", "d.loc"),
    ('d.get("na', KEY, "na", "d"),
    ('d.set("na', PATH, "na", ""),
    ('["na', PATH, "na", ""),
    ('open("na', PATH, "na", ""),
    ('open("a/b/na', PATH, "na", "a/b/"),
    ('open("/', PATH, "", "/"),
    ('x = "a b/na', PATH, "na", "a b/"),
    ('"""na', NOTHING, "", ""),
    ('"a\\', PATH, "a\\", ""),
    ('f"{na', NAME, "na", ""),
    ('f"{a.na', ATTRIBUTE, "na", "a"),
    ("f\"{d['na", KEY, "na", "d"),
    ('f"{{na', PATH, "{{na", ""),
    ('f"{a} na', PATH, "{a} na", ""),
    ('rf"{a.na', ATTRIBUTE, "na", "a"),
    ("import na", "module", "na", ""),
    ("import a.na", "module", "na", "a"),
    ("import a, b.c.na", "module", "na", "b.c"),
    ("import a as na", NOTHING, "", ""),
    ("from na", "module", "na", ""),
    ("from a.na", "module", "na", "a"),
    ("from a.b import na", "member", "na", "a.b"),
    ("from a import (b,\n  na", "member", "na", "a"),
    ("from a imp", "word", "imp", ""),
    ("if x: import na", "module", "na", ""),
    ("x; import na", "module", "na", ""),
    ("%na", "command", "%na", ""),
    ("%%na", "command", "%%na", ""),
    ("x = 1\n%na", "command", "%na", ""),
    ("%timeit a.b", ATTRIBUTE, "b", "a"),
    ("x = (1\n%na", NAME, "na", ""),
    ("!ls na", PATH, "na", ""),
    ("%cd a/na", PATH, "na", "a/"),
    ("%%writefile na", PATH, "na", ""),
    ("% ", NAME, "", ""),
    ("!ls a/na", PATH, "na", "a/"),
    ("x if", "word", "if", ""),
    ("x ", NOTHING, "", ""),
    ("def na", NOTHING, "", ""),
    ("import os as", "word", "as", ""),
    ("# a.b", NOTHING, "", ""),
    ("x # a.b", NOTHING, "", ""),
    ("# a.b\nc.d", ATTRIBUTE, "d", "c"),
    ("\ud800", NAME, "", ""),
    ("é.ü", ATTRIBUTE, "ü", "é"),
]


def shown(found: Asked) -> str:
    text = ""
    for kind, operand in found.target:
        if kind == "item":
            text += "[?]" if operand is None else "[:]" if operand == SLICE else f"[{operand!r}]"
        elif kind == "call":
            text += "()"
        else:
            text += f"<{operand}>" if kind == "literal" else ("." if text else "") + str(operand)
    return text or found.module


@pytest.mark.parametrize("code, kind, prefix, where", CASES, ids=[repr(case[0]) for case in CASES])
def test_what_is_asked_for(code: str, kind: str, prefix: str, where: str) -> None:
    found = asked(code, len(code))
    assert (found.kind, found.prefix, shown(found)) == (kind, prefix, where)
    assert code[found.start :] == prefix


@pytest.mark.parametrize(
    "code, function, given",
    [
        ("f(", "f", ()), ("f(a", "f", ()), ("f(1, a", "f", ()), ("f(x=1, a", "f", ("x",)),
        ("a.f(x=(1, 2), y=3, a", "a.f", ("x", "y")),
        ("f(g(x=1), a", "f", ()), ("f(g(x=1, a", "g", ("x",)), ("f(1)(a", "f()", ()), ("f(*b, a", "f", ()),
        ("f(x=a", None, ()), ("f(1 + a", None, ()), ("f[a", None, ()), ("(a", None, ()), ("def f(a", None, ()),
        ("class A(a", None, ()), ("f(a)\nb", None, ()), ("[f(1), a", None, ()),
    ],
)  # fmt: skip
def test_the_call_that_an_argument_is_typed_for(code: str, function: str | None, given: tuple[str, ...]) -> None:
    call = asked(code, len(code)).call
    if function is None:
        assert call is None
    else:
        assert call is not None and call.given == set(given)
        assert shown(Asked(NAME, "", 0, call.function)) == function


@pytest.mark.parametrize(
    "code, names, is_local",
    [
        ("a = 1\n", "a:instance", False),
        ("a, (b, *c) = 1\n", "a:instance b:instance c:instance", False),
        ("a: int\n", "a:instance", False),
        ("f(a=1)\n", "", False),
        ("a == 1\n", "", False),
        ("def f(a, b=(1, 2), *c, d: int = 3):\n    ", "f:function a:instance b:instance c:instance d:instance", True),
        ("class C:\n    x = 1\n", "C:class x:instance", False),
        ("for i, j in x:\n ", "i:instance j:instance", True),
        ("with a as b, c as d:\n", "b:instance d:instance", False),
        ("import a.b, c as d\n", "a:module d:module", False),
        ("from a import b, c as d\n", "b:instance d:instance", False),
        ("[y := 1]\n", "y:instance", False),
        ("else: \n", "", False),
        ("a = ", "a:instance", False),
        ("f'{x", "", False),
    ],
)
def test_names_that_the_text_binds(code: str, names: str, is_local: bool) -> None:
    found = asked(code, len(code))
    assert found.bound == dict(pair.split(":") for pair in names.split())
    assert found.is_local == is_local


@pytest.mark.parametrize("cursor", [-5, 0, 1, 2, 3, 99, 1 << 70])
def test_a_cursor_outside_is_brought_in(cursor: int) -> None:
    found = asked("a.b", cursor)
    assert 0 <= found.start <= 3


def test_of_a_long_text_the_nearest_statements_are_read() -> None:
    code = "x = '''\n" + "a b c\n" * MAX_TEXT + "'''\nname = [\n  other.fo"
    assert asked(code, len(code)).target == (("name", "other"),)
    call = code + "o(1, "
    assert around(call, len(call)).callee == "other.foo"
    nested = "((((" * 1000 + "a" + "))))" * 1000 + "."
    items = "a[(" + "1" * 300 + "x)].", "a[(" + "1," * 190 + "x)].", "a['" + "\\x41" * 90 + "\\d']."
    for text in (*items, "a" * 2_000_000 + " .", "a." * 500_000, "(" * 50_000, "'" * 50_001, 'f"{' * 9_000, nested):
        asked(text, len(text))
