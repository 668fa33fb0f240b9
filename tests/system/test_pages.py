"""The documentation runs: the tutorial's cells in a session, the API page's lines in a program.

Runs in: tests.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import pyshell
from pyshell.client import Reply, Session

DOCS = Path(__file__).parent.parent.parent / "docs"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECONDS = 60.0


@dataclass
class Cell:
    """A cell of the tutorial, and what the page says comes of it."""

    code: str
    shown: str | None = None
    died: str | None = None
    blocks: list[str] = field(default_factory=list)


def blocks(page: str) -> list[tuple[str, str]]:
    return FENCE.findall((DOCS / page).read_text())


def tutorial_cells() -> list[Cell]:
    """`python` blocks are cells; a `text` or `died` block after one says what came; `console` has both."""
    cells: list[Cell] = []
    for kind, text in blocks("tutorial.md"):
        if kind == "python":
            cells.append(Cell(text.rstrip("\n")))
        elif kind == "text":
            cells[-1].shown = text
        elif kind == "died":
            cells[-1].died = text.strip()
        elif kind == "console":
            cells += [Cell(example.source.rstrip("\n"), shown=expected(example)) for example in examples(text)]
    return cells


def examples(text: str) -> list[doctest.Example]:
    return doctest.DocTestParser().get_examples(text)


def expected(example: doctest.Example) -> str:
    return example.want if example.exc_msg is None else example.exc_msg


def shown(reply: Reply) -> str:
    """What a person sees of a reply; of a traceback its last line, as doctest has it."""
    parts = [reply.output]
    if reply.error is not None:
        parts.append(f"{reply.error.kind}: {reply.error.message}")
    elif reply.result is not None:
        parts.append(reply.result)
    return "\n".join(part.rstrip("\n") for part in parts if part)


def check(session: Session, cell: Cell) -> None:
    reply = session.run(cell.code, timeout=SECONDS)
    if cell.died is not None:
        assert reply.status == "died" and reply.died is not None, cell.code
        told = f"{reply.died.reason} {reply.died.signal} exit code {reply.died.code}"
        assert cell.died in told, cell.code
        return
    assert reply.status in ("ok", "error"), cell.code
    wait_saved(session, reply.cell)
    assert shown(reply) == (cell.shown or "").rstrip("\n"), cell.code


def wait_saved(session: Session, cell: int) -> None:
    """A person's next line comes later than the checkpoint; a test's does not."""
    for event in session.events():
        if event.kind == "saved" and event.cell is not None and event.cell >= cell:
            return


@pytest.fixture
def tutorial() -> Iterator[Session]:
    with pyshell.start("tutorial") as session:
        yield session
        session.kill()


def test_the_tutorial_has_what_it_needs() -> None:
    cells = tutorial_cells()
    assert len(cells) > 10
    assert [cell.died for cell in cells if cell.died] == ["SIGSEGV", "exit code 3"]
    assert sum(cell.shown is not None for cell in cells) > 6


def test_the_tutorial_comes_out_as_it_says(tutorial: Session) -> None:
    for cell in tutorial_cells():
        check(tutorial, cell)


def test_the_tutorials_script_goes_on_as_it_says(tmp_path: Path) -> None:
    """What begins with `pyshell:` is on standard error, up to an ellipsis; all else is the output."""
    texts = dict(blocks("tutorial.md"))
    (tmp_path / "survey.py").write_text(texts["script"])
    runs = texts["shell"].split("$ pyshell ")[1:]
    assert len(runs) == 2
    for each in runs:
        command, *lines = each.splitlines()
        done = subprocess.run(
            [sys.executable, "-m", "pyshell", *command.split()], capture_output=True, text=True, cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(DOCS.parent)}, timeout=SECONDS,
        )  # fmt: skip
        assert done.stdout.splitlines() == [line for line in lines if not line.startswith("pyshell: ")]
        told = [line.partition("…")[0] for line in lines if line.startswith("pyshell: ")]
        assert told and all(text in done.stderr for text in told), done.stderr


def test_what_the_tutorial_calls_unsaved_is_named_with_its_cell(tutorial: Session) -> None:
    made = tutorial.run("squares = (n * n for n in range(10))", timeout=SECONDS)
    wait_saved(tutorial, made.cell)
    reply = tutorial.run("import os\n\nos._exit(3)", timeout=SECONDS)
    lost = {unsaved.name: unsaved for unsaved in reply.not_restored}
    assert lost["squares"].reason and lost["squares"].cell == made.cell


def test_the_api_page_comes_out_as_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    text = "\n".join(text for kind, text in blocks("api.md") if kind == "console")
    page = doctest.DocTestParser().get_doctest(text, {"pyshell": pyshell}, "api.md", str(DOCS / "api.md"), 0)
    assert len(page.examples) > 10
    runner = doctest.DocTestRunner(verbose=False)
    try:
        results = runner.run(page, clear_globs=False)
    finally:
        if results_session := page.globs.get("session"):
            _end(results_session)
    assert results.failed == 0, capsys.readouterr().out


def _end(session: Session) -> None:
    try:
        session.kill()
    except pyshell.errors.PyshellError:
        return  # the page's last line did it
