"""What is rewritten, and what is left alone because it is Python.

Runs in: tests.
"""

from __future__ import annotations

import pytest

from pyshell.escapes import CALL, cell_command, rewrite

REWRITTEN = {
    "!ls": "C('!', 'ls')",
    "  !ls  ": "  C('!', 'ls')",
    "!!ls": "C('=!', 'ls')",
    "%pwd": "C('%', 'pwd')",
    "%time x = f(1)": "C('%', 'time x = f(1)')",
    "%timeit -n 3 a % b": "C('%', 'timeit -n 3 a % b')",
    "x = !ls -l | wc": "x = C('=!', 'ls -l | wc')",
    "x=!ls": "x = C('=!', 'ls')",
    "x = %pwd": "x = C('%', 'pwd')",
    "d['a'], b.c = !ls": "d['a'], b.c = C('=!', 'ls')",
    "for i in x:\n    !echo {i}\n": "for i in x:\n    C('!', 'echo {i}')\n",
    "if x:\n\ty = %pwd\nelse:\n\t!ls": "if x:\n\ty = C('%', 'pwd')\nelse:\n\tC('!', 'ls')",
    "def f():\n    '''\n    !ls\n    '''\n    !ls": "def f():\n    '''\n    !ls\n    '''\n    C('!', 'ls')",
    "a\n%b": "a\nC('%', 'b')",
    "(a\n%b)\n%c": "(a\n%b)\nC('%', 'c')",
    "x = [\n!ls\n]\n!ls": "x = [\n!ls\n]\nC('!', 'ls')",
    "x = 1 \\\n%b\n!c": "x = 1 \\\n%b\nC('!', 'c')",
    "'it'; \"'''\"  # '''\n!ls": "'it'; \"'''\"  # '''\nC('!', 'ls')",
    '"""a \\""" b\n!c"""\n!d': '"""a \\""" b\n!c"""\nC(\'!\', \'d\')',
    "f'''{x}\n%a'''\n%b": "f'''{x}\n%a'''\nC('%', 'b')",
    "# !a\n!b": "# !a\nC('!', 'b')",
    "print('x = !y')\n!z": "print('x = !y')\nC('!', 'z')",
    "!a \\\n  b \\\n  c\nx": "C('!', 'a    b    c')\n\n\nx",
    "x = !a \\\n  b\ny": "x = C('=!', 'a    b')\n\ny",
    "!ls\r\nx\r\n": "C('!', 'ls')\nx\n",
    "f?": "C('?', 'f?')",
    "f.g??": "C('?', 'f.g??')",
    "  x[0]?": "  C('?', 'x[0]?')",
    "x['a'].b ?": "C('?', \"x['a'].b?\")",
    "?f": "C('?', 'f?')",
    "??f.g": "C('?', 'f.g??')",
    "np.*load*?": "C('?', 'np.*load*?')",
    "*load?": "C('?', '*load?')",
    "%time?": "C('?', '%time?')",
    "%%time?": "C('?', '%%time?')",
    "?": "C('?', '?')",
    "%%bash\nls\n": "C('%%', 'bash', 'ls\\n')",
    "\n\n%%time -q\nx\n": "\n\nC('%%', 'time -q', 'x\\n')",
    "%%time": "C('%%', 'time', '')",
    "x\n%%time": "x\nC('%', '%time')",
    "if x: !ls": "if x: C('!', 'ls')",
    "if x: !ls -a; pwd": "if x: C('!', 'ls -a; pwd')",
    "x = 1; y = !ls": "x = 1; y = C('=!', 'ls')",
    "x = 1; y = 2; %time f(x); g(y)": "x = 1; y = 2; C('%', 'time f(x); g(y)')",
    "for i in d['a':'b']: y = %pwd": "for i in d['a':'b']: y = C('%', 'pwd')",
    "if x:\n    y; !ls \\\n  -l\nz": "if x:\n    y; C('!', 'ls    -l')\n\nz",
    "f(a,\n  b); !ls": "f(a,\n  b); C('!', 'ls')",
    "x; f?": "x; C('?', 'f?')",
    "x = {1: 2,\n!a}; !b": "x = {1: 2,\n!a}; C('!', 'b')",
    "'a; !b'; !c": "'a; !b'; C('!', 'c')",
}

PYTHON = [
    "",
    "x = 1",
    "x != 1",
    "a\n",
    "x = (a\n%b)",
    "'''\n!ls\n'''",
    "x = f'\\\n;!ls'",
    'x = "\\\n\\\n: %who"',
    "x = 3 \\\n% 2",
    "print('what?')",
    "x = a ? b",
    "f(x)?",
    "x == !y",
    "# = !y",
    "x # = !y",
    "x = 1 # y = !z",
    "x += !y",
    "f'{x!r}'",
    "!",
    "%",
    "% 3",
    "# x?",
    "x[a:!b]",
    "f(a; %b)",
    "x; # !y",
    "'; !y'",
    "x: !",
]


@pytest.mark.parametrize(("code", "expected"), REWRITTEN.items())
def test_commands_become_calls(code: str, expected: str) -> None:
    made = rewrite(code)
    assert made is not None
    assert made.code.replace(CALL, "C") == expected
    if cell_command(code) is None:
        assert made.code.count("\n") == code.count("\n")


@pytest.mark.parametrize("code", PYTHON)
def test_python_stays_python(code: str) -> None:
    assert rewrite(code) is None


def test_the_lines_that_were_changed_are_told() -> None:
    made = rewrite("x\n!a \\\n b\ny\nz = %pwd")
    assert made is not None
    assert made.lines == {2, 3, 5}


def test_a_cell_of_a_command_is_taken_apart() -> None:
    assert cell_command("\n%%bash -e x\nls\npwd\n") == (2, "bash", "-e x", "ls\npwd\n")
    assert cell_command("%%!\nls") == (1, "!", "", "ls")
    assert cell_command("x\n%%bash") is None
    assert cell_command("%%bash?") is None
    assert cell_command("%%%x") is None
