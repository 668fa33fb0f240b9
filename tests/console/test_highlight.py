"""Python in colour.

Runs in: tests.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyshell.console import highlight as highlight_module
from pyshell.console.highlight import highlight
from pyshell.console.theme import PALETTE


def styles(code: str) -> list[list[tuple[str | None, str]]]:
    source = highlight(code)
    return [[piece for piece in source.line(number) if piece[0]] for number in range(len(source.lines))]


def test_words_get_their_colours() -> None:
    (line,) = styles("def f(x): return 'a', 1  # why")
    assert line == [
        ("code.keyword", "def"), ("code.definition", "f"), ("code.keyword", "return"), ("code.string", "'a'"),
        ("code.number", "1"), ("code.comment", "# why"),
    ]  # fmt: skip


def test_commands_have_a_colour_of_their_own() -> None:
    assert styles("%time f(1)") == [[("code.decorator", "%time"), ("code.number", "1")]]
    assert styles("x = !ls 'a'")[0][-1] == ("code.decorator", "!")
    assert styles("if x:\n    !ls 1")[1] == [("code.decorator", "!")]
    assert styles("obj.x??") == [[("code.decorator", "??")]]
    assert ("code.decorator", "!") not in styles("x != 1")[0]


@pytest.mark.parametrize(
    "code",
    [
        'x = """one\ntwo\nthree"""\ny = 1',
        "'''a\nb''' + '''c\nd'''",
        'f("""\n# no comment\n""")',
    ],
)
def test_a_string_over_lines_is_one_string(code: str) -> None:
    lines = styles(code)
    assert lines[1][0][0] == "code.string"


@pytest.mark.parametrize(
    "code", ['x = \'"""\'\ny = 1', '# """\ny = 1', "x = \"a\\\"'''\"\ny = 1", 'x = """a"""\ny = 1']
)
def test_quotes_in_strings_and_comments_open_nothing(code: str) -> None:
    assert ("code.number", "1") in styles(code)[1]


CODE = st.text(alphabet="ab1 %!?\n\t\"'#\\:()=.é漢\r\x00", max_size=60)


@settings(max_examples=300, deadline=None)
@given(CODE)
def test_nothing_of_the_code_is_lost(code: str) -> None:
    source = highlight(code)
    assert "\n".join("".join(text for _, text in source.line(n)) for n in range(len(source.lines))) == code


def test_a_key_in_a_long_cell_lexes_one_line_anew() -> None:
    lines = [f"value_{n} = compute({n}, 'text {n}')  # line {n}" for n in range(1000)]
    for line in range(1000):
        highlight("\n".join(lines)).line(line)
    before = highlight_module._lexed.cache_info().misses
    lines[500] += "!"
    changed = highlight("\n".join(lines))
    for line in range(1000):
        changed.line(line)
    assert highlight_module._lexed.cache_info().misses == before + 1


def test_every_style_is_in_the_palette() -> None:
    code = "@d\nclass A(int):\n  '''x\n'''\n  def f(): raise ValueError(1 and None, '''', ?) # c"
    names = {style for line in styles(code) for style, _ in line}
    assert names <= {entry[0] for entry in PALETTE}
    assert len(names) > 5


def test_a_very_long_string_stays_plain() -> None:
    assert styles("'''" + "x\n" * 20_000) == [[]] * 20_001
