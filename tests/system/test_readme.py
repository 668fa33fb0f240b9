"""The README keeps its word: in a fresh clone its two commands and its program do what it says.

Runs in: tests.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import pyshell
from tests.terminal import Terminal

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()
INSTALL, CHECK = re.findall(r"```sh\n(.*?)\n```", README, re.DOTALL)

# A clone knows nothing of the tree that the tests run from.
CLEAN = {"PYTHONPATH": "", "VIRTUAL_ENV": "", "PYTEST_ADDOPTS": ""}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The files that git would give somebody else, as they are in this tree."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_one_command_installs_and_starts_the_console(clone: Path) -> None:
    with Terminal(["sh", "-c", INSTALL], cwd=clone, env=CLEAN) as terminal:
        terminal.wait_screen(r"^In \[1\]:", 300.0)
        terminal.send("6 * 7\r")
        terminal.wait_screen(r"^Out\[1\]: 42$")
        terminal.wait_screen(r"^In \[2\]:")
        ended = subprocess.run(
            [".venv/bin/pyshell", "ls"], cwd=clone, env={**os.environ, **CLEAN}, capture_output=True, text=True
        )
        name = ended.stdout.splitlines()[1].split()[0]  # below the names of the columns
        subprocess.run([".venv/bin/pyshell", "kill", "-t", name], cwd=clone, env={**os.environ, **CLEAN}, check=True)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_one_command_installs_what_the_tests_need_and_runs_them(clone: Path) -> None:
    # A few tests stand for all: the whole suite inside the whole suite would never end.
    environ = {**os.environ, **CLEAN, "PYTEST_ADDOPTS": "tests/test_paths.py tests/test_errors.py"}
    answer = subprocess.run(["sh", "-c", CHECK], cwd=clone, env=environ, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert re.search(r"\d+ passed in ", answer.stdout.splitlines()[-1])


def test_its_program_does_what_its_comments_say() -> None:
    (program,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    namespace: dict[str, object] = {}
    told = [ast.literal_eval(line.split("# ")[1]) for line in program.splitlines() if "# " in line]
    # Each commented line is an expression; keep its value.
    kept = re.sub(r"^( *)(session\.run.*?) +# .*$", r"\1values.append(\2)", program, flags=re.MULTILINE)
    namespace["values"] = values = []  # type: ignore[var-annotated]
    try:
        exec(compile(kept, "README.md", "exec"), namespace)
        assert values == told and len(told) == 2
    finally:
        with pyshell.connect("fit") as session:
            session.kill()
