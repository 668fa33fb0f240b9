"""What a checkpoint was saved with is compared with what it is restored in, and the person is told once.

Runs in: tests.
"""

from __future__ import annotations

import sys
import types
from dataclasses import replace
from pathlib import Path

import pytest

import pyshell
from pyshell import Session
from pyshell.store import Environment
from pyshell.worker.environment import MAX_TOLD, EnvironmentRecorder, what_differs
from tests.sessions import started, until

HERE = Environment("3.12.1", "cp312", "linux", "/bin/python", (), (("json", ""), ("left", "2.0"), ("same", "1.0")))


def notices(session: Session) -> list[str]:
    """All notices up to the answer of a cell that is run now."""
    cell = session.run("None").cell
    events = until(session, lambda event: event.kind == "finished" and event.cell == cell)
    return [event.body.text for event in events if event.kind == "notice"]  # type: ignore[union-attr]


def test_the_same_is_not_worth_a_word() -> None:
    assert what_differs(HERE, HERE) == ""
    # The bug-fix version matters to nobody, nor what is imported now and was not then, nor versions that nobody knows.
    then = replace(HERE, python="3.12.9", packages=(("json", "1"), ("left", "")))
    assert what_differs(then, HERE) == ""
    assert what_differs(replace(HERE, packages=(("dill", "0.1"),)), replace(HERE, packages=())) == ""


def test_what_differs_is_named_with_both_versions() -> None:
    then = replace(HERE, python="3.11.7", packages=(("left", "1.5"), ("nosuchpackage", "4.0"), ("same", "1.0")))
    text = what_differs(then, HERE)
    assert "Python 3.11.7 (now 3.12.1: functions and classes are made anew, as their cells define them)" in text
    assert "left 1.5 (now 2.0)" in text and "nosuchpackage 4.0 (now not to be found)" in text
    assert "same" not in text


def test_of_many_only_some_are_named() -> None:
    then = replace(HERE, packages=tuple((f"nosuch{number}", "1") for number in range(MAX_TOLD + 3)))
    text = what_differs(then, HERE)
    assert text.count("not to be found") == MAX_TOLD and ", and 3 more:" in text


def test_what_nobody_imported_is_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cython's extensions put a module of their own making into sys.modules; numpy is one of them."""
    monkeypatch.setitem(sys.modules, "made_up", types.ModuleType("made_up"))
    names = [name for name, _ in EnvironmentRecorder().record().packages]
    assert "made_up" not in names and "pytest" in names


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of the user's, in version 1.0."""
    found = tmp_path / "frob.py"
    found.write_text("__version__ = '1.0'\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    return found


def test_another_version_of_a_package_is_told_once_and_restoring_goes_on(xdg: Path, package: Path) -> None:
    with started() as session:
        session.wait_saved(session.run("import frob\nx = [frob.__version__]").cell)
        session.kill()
    package.write_text("__version__ = '2.0'\n")
    with started() as session:
        assert session.run("frob.__version__, x").result == "('2.0', ['1.0'])"
        (told,) = notices(session)
        assert "frob 1.0 (now 2.0)" in told
        # What is saved from here on is saved with the new one.
        session.wait_saved(session.run("y = 1").cell)
        session.run("import os; os.kill(os.getpid(), 9)")
        assert len(notices(session)) == 1
        # Who goes back to what was saved with the old one is told again.
        session.restore(session.checkpoints()[0].checkpoint)
        assert len(notices(session)) == 2


def test_another_python_is_told_and_what_can_be_comes_back(xdg: Path, pythons: dict[str, str]) -> None:
    if not {"3.10", "3.12"} <= pythons.keys():
        pytest.skip("needs Python 3.10 and 3.12")
    with started(python=pythons["3.10"]) as session:
        session.wait_saved(session.run("x = [1]\ndef f(): return 5\ng = lambda: 6").cell)
        session.kill()
    with pyshell.start("s", python=pythons["3.12"]) as session:
        try:
            assert session.run("x, f(), 'g' in dir()").result == "([1], 5, False)"
            (told,) = [text for text in notices(session) if "was saved with" in text]
            assert "Python 3.10" in told and "are made anew" in told
        finally:
            session.kill()
