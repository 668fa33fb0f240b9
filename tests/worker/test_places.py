"""Code that comes from a place in a file.

Runs in: tests.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pyshell.errors import UsageError
from pyshell.host.admission import placed
from pyshell.protocol import Execute, RunCell
from pyshell.worker.cell import CellRunner, describe
from pyshell.worker.places import Place, place_of

FILE = """\
import sys
def area(width):
    if width:
        height = [width / 0, 1][0]; again = width / 0
        return height
"""


def sent(code: str, line: int = 1, column: int = 0, file: str = "/no such/fit.py") -> Place:
    return place_of(RunCell(1, placed(Execute(code, "", file, line, column))))


def test_what_is_typed_has_no_place() -> None:
    for code in ("1", "# %% a:1:2 [sen]\n1", "# %% a:b:2 [sent]\n1", "# %% [sent]\n1", "# %% a:1\n"):
        assert place_of(RunCell(3, code)) == Place(code, "<In[3]>")
    assert placed(Execute("x")) == "x"


@pytest.mark.parametrize(
    ("code", "line", "column", "marked"),
    [
        ("width = 1\nwidth / 0\n", 12, 0, (13, "")),
        ("width / 0", 1, 0, (1, "")),
        ("        height = [width / 0, 1][0]; again = width / 0\n", 4, 0, (4, "~~~~~~^~~")),
        ("height = [width / 0, 1][0]; again = width / 0\n", 4, 8, (4, "~~~~~~^~~")),
        ("again = width / 0", 4, 36, (4, "~~~~~~^~~")),
        ("if width:\n        height = [width / 0, 1][0]\n        height\n", 3, 4, (4, "~~~~~~^~~")),
        ("# a comment\n        width / 0\n", 3, 0, (4, "")),
        ("   width / 0", 1, 0, (1, "")),
    ],
)
def test_a_traceback_marks_what_is_in_the_file(
    code: str, line: int, column: int, marked: tuple[int, str], tmp_path: Path
) -> None:
    path = tmp_path / "fit.py"
    path.write_text(FILE)
    with pytest.raises(ZeroDivisionError) as raised:
        CellRunner({"width": 1}).run(sent(code, line, column, str(path)))
    shown = describe(raised.value).traceback
    assert f'File "{path}", line {marked[0]}, in <module>' in shown
    if marked[1]:
        of_file, marks = [text[4:] for text in shown.splitlines() if text.startswith("    ")][-2:]
        at = len(marks) - len(marks.lstrip())
        assert of_file[at : at + len(marks.strip())] == "width / 0" and marks.strip() == marked[1]


def test_the_last_value_of_an_indented_block_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    variables: dict[str, object] = {}
    CellRunner(variables).run(sent("    x = '''a\n    b'''\n    x\n", 7))
    CellRunner(variables).run(sent("    x;\n", 7))
    assert capsys.readouterr().out == "'a\\n    b'\n"


def test_an_error_of_syntax_names_the_place() -> None:
    with pytest.raises(SyntaxError) as raised:
        CellRunner({}).run(sent("    x = (\n", 40, 0))
    assert (raised.value.filename, raised.value.lineno) == ("/no such/fit.py", 40)


@pytest.mark.parametrize(
    ("file", "line", "column"), [("a", 0, 0), ("a", 1, -1), ("a", 10**9, 0), ("a\nb", 1, 0), ("a" * 5000, 1, 0)]
)
def test_a_place_that_cannot_be_is_refused(file: str, line: int, column: int) -> None:
    with pytest.raises(UsageError):
        placed(Execute("x", "", file, line, column))
