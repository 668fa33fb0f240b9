"""vi's keys. A `|` in these texts is the cursor; `^` in the keys is Esc, `~` Enter, `⌫` Backspace.

Runs in: tests.
"""

from __future__ import annotations

import random

import pytest

from pyshell.console import buffer as edit
from pyshell.console.buffer import Buffer
from pyshell.console.vi import Vi, press, region

NAMED = {"^": "esc", "⏎": "enter", "⌫": "backspace"}


def typed(text: str, keys: str, vi: Vi | None = None) -> tuple[Vi, Buffer, list[str]]:
    """What comes of the keys, pressed in normal mode on the marked text; and what is left to the editor."""
    vi, buffer, commands = vi or Vi("normal"), Buffer(text.replace("|", "", 1), text.index("|")), []
    for key in keys:
        pressed = press(vi, buffer, NAMED.get(key, key))
        if pressed is None:
            if key == "⌫":
                buffer = edit.backspace(buffer)
            elif key != "^":
                buffer = edit.insert(buffer, "\n" if key == "⏎" else key)
            continue
        vi, buffer = pressed.vi, pressed.buffer
        commands += [pressed.command] * bool(pressed.command)
    return vi, buffer, commands


CASES = [
    # motions
    ("one |two", "h", "one| two"), ("|one", "h", "|one"), ("on|e", "l", "on|e"), ("|one two", "3l", "one| two"),
    ("|foo.bar baz", "w", "foo|.bar baz"), ("|foo.bar baz", "W", "foo.bar |baz"), ("|a b c d", "2w", "a b |c d"),
    ("foo.bar ba|z", "b", "foo.bar |baz"), ("foo.bar |baz", "b", "foo.|bar baz"), ("foo.bar |baz", "B", "|foo.bar baz"),
    ("|foo.bar", "e", "fo|o.bar"), ("|foo.bar baz", "E", "foo.ba|r baz"), ("|one two", "2e", "one tw|o"),
    ("  on|e", "0", "|  one"), ("  on|e", "^^", "  on|e"), ("|one", "$", "on|e"), ("|a\nbcd", "2$", "a\nbc|d"),
    ("|one two", "ft", "one |two"), ("|one two", "tt", "one| two"), ("one tw|o", "Fo", "|one two"),
    ("one tw|o", "To", "o|ne two"), ("|a.b.c.d", "2f.", "a.b|.c.d"), ("|a.b.c", "f.;", "a.b|.c"),
    ("|a.b.c", "f.;,", "a|.b.c"), ("|ab", "fx", "|ab"), ("f|(a[0])", "%", "f(a[0]|)"), ("|f(a[0])", "%", "f(a[0]|)"),
    ("f(a[0|])", "%", "f(a|[0])"), ("a\nb\n  |c", "gg", "|a\nb\n  c"), ("|a\nb\n  c", "G", "a\nb\n  |c"),
    ("|a\nb\nc", "2G", "a\n|b\nc"), ("|a\nb", "j", "a\n|b"), ("a\n|b", "k", "|a\nb"), ("|a\n\nb\nc", "}", "a\n|\nb\nc"),
    ("a\n\nb\n|c", "{", "a\n|\nb\nc"), ("|one two one", "/one⏎", "one two |one"), ("|a b a", "/a⏎n", "|a b a"),
    ("a b |a", "?b⏎", "a |b a"), ("|a b a b", "/b⏎N", "a b a |b"), ("|a xy", "/xz⌫y⏎", "a |xy"), ("|abc", "3|", "ab|c"),
    # operators
    ("|one two", "dw", "|two"), ("|one two three", "2dw", "|three"), ("|one two three", "d2w", "|three"),
    ("one |two", "dw", "one| "), ("|one\ntwo", "dw", "|\ntwo"), ("one |two", "db", "|two"), ("|one two", "de", "| two"),
    ("one |two", "d0", "|two"), ("one |two x", "d$", "one| "), ("one |two x", "D", "one| "), ("|one two", "dtw", "|wo"),
    ("|one two", "dft", "|wo"), ("f|(a, b)", "d%", "|f"), ("a\n|b\nc", "dd", "a\n|c"), ("a\nb\n|c", "dd", "a\n|b"),
    ("|a\nb\nc", "2dd", "|c"), ("|a\nb\nc", "dj", "|c"), ("a\nb\n|c", "dk", "|a"), ("a\n|b\nc", "dG", "|a"),
    ("a\n|b\nc", "dgg", "|c"), ("|a", "dj", "|a"), ("|one two", "cwx^", "|x two"), ("|a two", "cwx^", "|x two"),
    ("|one two", "c2wx^", "|x"), ("one |two", "ccx^", "|x"),
    ("    o|ne\ntwo", "ccx^", "    |x\ntwo"), ("on|e", "Cx^", "on|x"),
    ("|f(x)", "cwg^", "|g(x)"), ("f(|x) + y", "cwab^", "f(a|b) + y"), ("on|e.two", "cWx^", "on|x"),
    ("|x", "cwy^", "|y"), ("f|(x) y", "c2wz^", "f|z) y"),
    ("o|ne", "Sx^", "|x"), ("|one", "sx^", "|xne"), ("|one", "2sx^", "|xe"), ("|abc", "x", "|bc"), ("|abc", "2x", "|c"),
    ("ab|c", "X", "a|c"), ("ab|c", "x", "a|b"), ("|one two", "ywP", "one| one two"),
    ("|one two", "ywwP", "one one| two"),
    ("|one\ntwo", "yyp", "one\n|one\ntwo"), ("|one\ntwo", "yyjp", "one\ntwo\n|one"), ("a|b", "yyP", "|ab\nab"),
    ("|ab", "xp", "b|a"), ("|ab", "x3p", "baa|a"), ("|one\ntwo", "ddp", "two\n|one"), ("|x\ny", ">>", "    |x\ny"),
    ("|x\ny", ">j", "    |x\n    y"), ("    x|y", "<<", "|xy"), ("|d.e f", "dE", "| f"),
    # objects
    ("one tw|o three", "diw", "one | three"), ("one tw|o three", "daw", "one |three"), ("one tw|o", "daw", "on|e"),
    ('f("on|e")', 'ci"x^', 'f("|x")'), ('f("on|e")', 'da"', "f(|)"), ("f(a, |b)", "di(", "f(|)"),
    ("f(a, |b)", "dab", "|f"),
    ("[1, |2]", "ci[x^", "[|x]"), ("{|1: 2}", "di}", "{|}"), ("f(g(1), |2)", "di)", "f(|)"), ("|x", "di(", "|x"),
    ("a\n|b\n\nc", "dip", "|\nc"), ("a.b|.c d", "diW", "| d"), ("x = '|'", "ci'y^", "x = '|y'"),
    # small changes
    ("|abc", "rx", "|xbc"), ("|abc", "2rx", "x|xc"), ("|abc", "4rx", "|abc"), ("|aBc", "3~", "Ab|C"),
    ("|a\n  b", "J", "a| b"), ("|abc", "Rxy^", "xy|c"), ("|b", "ia^", "|ab"), ("|a", "ab^", "a|b"),
    ("  |a", "Ix^", "  |xa"),
    ("|ab", "Ac^", "ab|c"), ("|if x:", "oy^", "if x:\n    |y"), ("  |a", "Ob^", "  |b\n  a"), ("|", "3iab^", "ababa|b"),
    # repeating
    ("|a b c", "dw.", "|c"), ("|one two", "cwx^w.", "x |x"), ("|a\nb", "Ax^j.", "ax\nb|x"), ("|abcdef", "2x.", "|ef"),
    ("|abcdefgh", "x3.", "|efgh"), ("|a b", "rxw.", "x |x"), ("|abcd", "gvld.", "|"), ("|a\nb\nc", "Vd.", "|c"),
    # visual
    ("|one two", "gvey", "|one two"), ("|one two", "gved", "| two"), ("one |two", "gvbd", "|wo"),
    ("|a\nb\nc", "Vjd", "|c"),
    ("one |two", "gviwcx^", "one |x"), ("f(|a, b)", "gvi(d", "f(|)"), ("|abc", "gvlrx", "|xxc"),
    ("|abc", "gvlU", "|ABc"),
    ("|ab cd", "yiwwgviwp", "ab a|b"), ("|a\nb", "Vj>", "    |a\n    b"), ("|abc", "gv^x", "|bc"),
    ("a|bc", "gvlohd", "|"),
    ("|a\nb", "gvVd", "|b"), ("|abc", "gvvx", "|bc"),
    # what is none
    ("|abc", "dzx", "|bc"), ("|abc", "d^x", "|bc"), ("|abc", "gx", "|abc"), ("|abc", "Q", "|abc"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "keys", "after"), CASES)
def test_keys(before: str, keys: str, after: str) -> None:
    _, buffer, _ = typed(before, keys)
    assert f"{buffer.before}|{buffer.after}" == after


@pytest.mark.parametrize(
    ("text", "keys", "command"),
    [
        ("|x", "u", "undo"), ("|x", "j", "down"), ("|x", "k", "up"), ("|x", "⏎", "enter"), ("|", "/", "search_history"),
        ("|x", "v", "edit_outside"),
    ],
)
def test_what_the_editor_does(text: str, keys: str, command: str) -> None:
    assert typed(text, keys)[2] == [command]


def test_the_selection_of_visual_mode_has_the_character_under_the_cursor() -> None:
    vi, buffer, _ = typed("a|bc\nd", "gvl")
    assert region(vi, buffer) == (1, 3, False)
    vi, buffer, _ = typed("abc\n|d", "gvk")
    assert region(vi, buffer) == (0, 5, False)
    vi, buffer, _ = typed("a|bc\nd", "V")
    assert region(vi, buffer) == (0, 3, True)


KEYS = [*"hjklwbeWBE0$^;,%{}nNGgfFtTdcypPxXrRsSJiIaAoOvV~.u123<>/?()\"'q", *NAMED.values(), "left", "delete", "ctrl r"]


@pytest.mark.parametrize("seed", range(20))
def test_no_order_of_keys_breaks_it(seed: int) -> None:
    monkey = random.Random(seed)
    vi, buffer = Vi(), Buffer("def f(x):\n    return 'é漢\u0301' + x[0]\n\nf(1)", 5)
    for _ in range(3000):
        key = monkey.choice(KEYS)
        pressed = press(vi, buffer, key)
        if pressed is not None:
            vi, buffer = pressed.vi, pressed.buffer
        elif len(key) == 1:
            buffer = edit.insert(buffer, key)
        buffer = buffer if len(buffer.text) < 400 else Buffer()
        assert 0 <= buffer.cursor <= len(buffer.text)
        if vi.mode == "normal" and not vi.keys and pressed is not None:
            end = buffer.line_end
            assert buffer.cursor < end or buffer.line_start == end
