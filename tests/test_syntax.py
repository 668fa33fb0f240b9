"""Whether Enter runs the cell, and how far the next line is indented.

Runs in: tests.
"""

from __future__ import annotations

import warnings

import pytest

from pyshell.syntax import is_complete, next_indent

COMPLETE = [
    "",
    "x",
    " x",
    " if x:\n     y\n",
    "x = 1",
    "x = (1,\n     2)",
    "x = [\n    1,\n]",
    "'''a\n   b'''",
    "'''a\n   b''' + c(\n    d)",
    "x = 1\ny = 2",
    "if x: y",
    "if x: y\n",
    "if x:\n    y\n",
    "if x:\n    y\n\n",
    "def f():\n    return 1\n",
    "class A:\n    x = 1\n\n    def f(self):\n        pass\n",
    "await f()",
    "async with a as b:\n    pass\n",
    "[x async for x in y]",
    "from __future__ import annotations",
    "x = 1;",
    "# a comment",
    "x  # a comment",
    "x = 1 \\\n  + 2",
    "'unicode \u20ac'",
    "print(f'{x}')",
    "@decorator\ndef f():\n    pass\n",
    "match x:\n    case 1:\n        y\n",
    "x = lambda: (\n    1)",
    "%time x",
    "%time f(",
    "!ls (",
    "x = !ls",
    "obj?",
    "obj.x??",
    "?obj",
    "for i in x:\n    !ls\n",
    "%%bash\nls\n",
    "%%bash\nfor x in (\n\n",
    "\n%%time\nx\n  ",
]
INCOMPLETE = {
    "(": "",
    "%%bash": "",
    "%%bash\nls": "",
    "%%time\nif x:\n    y": "",
    "for i in x:\n    !ls": "    ",
    "!ls\nfor i in x:": "    ",
    "!ls \\": "",
    "'''\n!ls": "",
    "x = (1,": "",
    "x = [\n    1,": "    ",
    "if x:": "    ",
    "if x:\n    y": "    ",
    "if x:\n    if y:": "        ",
    "def f():\n    return": "",
    "for x in y:\n    pass": "",
    "for x in y:\n    if x:\n        break": "    ",
    "def f(a,": "",
    "'''a": "",
    "x = 1 + \\": "",
    "@decorator": "",
    "try:\n    x\n": "    ",
    "class A:": "    ",
    "async def f():": "    ",
    "if x:  # a comment": "    ",
    "while True:\n\tif x:": "\t    ",
    "match x:\n    case 1:\n        y": "        ",
    "f = {\n    1:": "    ",
    "x = '''a:": "",
}
INVALID = ["x = = 1", "def", "1 +* 2", "return)", "x = 1\n  y = 2", "for x in", "'abc", "\0", "if x:\n  y\n z\n"]


@pytest.mark.parametrize("code", COMPLETE)
def test_whole_cells_run(code: str) -> None:
    assert is_complete(code).status == "complete"


@pytest.mark.parametrize("code", INCOMPLETE)
def test_parts_wait_for_more(code: str) -> None:
    reply = is_complete(code)
    assert (reply.status, reply.indent) == ("incomplete", INCOMPLETE[code])


@pytest.mark.parametrize("code", INVALID)
def test_nonsense_is_told_from_parts(code: str) -> None:
    assert is_complete(code).status == "invalid"


@pytest.mark.parametrize(
    "code",
    ["(" * 5000, "[" * 200 + "]" * 200, "-" * 100_000 + "1", "1+" * 50_000 + "1", "a" + ".b" * 100_000, "x" * 1_000_000,
     "if x:\n" + "".join(" " * i + "if x:\n" for i in range(1, 150)), "\ud800", "'\ud800'", "f'{" * 100],
)  # fmt: skip
def test_nothing_that_is_typed_hurts(code: str) -> None:
    assert is_complete(code).status in ("complete", "incomplete", "invalid")


def test_looking_at_code_warns_nobody() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert is_complete("'\\d' is 1").status == "complete"


@pytest.mark.parametrize(
    "lines, indent",
    [
        ([], ""),
        ([""], ""),
        (["x"], ""),
        (["if x:"], "    "),
        (["if x:", "    y"], "    "),
        (["if x:", "    y", ""], "    "),
        (["    return x"], ""),
        (["  pass"], ""),
        (["        raise X"], "    "),
        (["pass"], ""),
        (["\tpass"], ""),
        (["passing()"], ""),
        (["    returned = 1"], "    "),
        (["d = {1:"], ""),
        (["if x:  # why"], "    "),
        (["x = '# no comment:'"], ""),
    ],
)
def test_the_next_lines_indentation(lines: list[str], indent: str) -> None:
    assert next_indent(lines) == indent
