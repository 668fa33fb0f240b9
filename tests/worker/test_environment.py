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
from pyshell.worker.checkpoints.environment import MAX_TOLD, EnvironmentRecorder, go_back, what_differs
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
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to be in, and a path of the test's own; both are put back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", "/lib/python3", "/of/this/one"])
    return tmp_path


def test_what_a_cell_put_on_the_path_is_there_again_in_its_place(surroundings: Path) -> None:
    now = EnvironmentRecorder().record()
    go_back(replace(now, path=("/mine", "", "/lib/python3", "../mine too")))
    assert sys.path == ["/mine", "", "/lib/python3", "../mine too", "/of/this/one"]


def test_another_interpreter_gets_behind_its_own_what_is_no_interpreters(surroundings: Path) -> None:
    old = ("", "/mine", "/x/lib/python311.zip", "/x/lib/python3.11", "/x/lib/python3.11/lib-dynload",
           "/x/lib/python3.11/site-packages", "/x/dist-packages")  # fmt: skip
    go_back(replace(EnvironmentRecorder().record(), executable="/another", path=old))
    assert sys.path == ["", "/lib/python3", "/of/this/one", "/mine"]


def test_the_directory_is_gone_back_to_if_it_is_there(surroundings: Path) -> None:
    (surroundings / "then").mkdir()
    here = EnvironmentRecorder().record()
    assert here.directory == str(surroundings)
    then = replace(here, directory=str(surroundings / "then"))
    assert f"{then.directory} as its directory (now {here.directory})" in what_differs(then, here)
    go_back(then)
    assert Path.cwd() == surroundings / "then" and what_differs(then, EnvironmentRecorder().record()) == ""
    go_back(replace(here, directory=str(surroundings / "gone")))
    go_back(replace(here, directory=None))
    assert Path.cwd() == surroundings / "then"


def test_after_a_death_modules_are_found_where_a_cell_has_looked_for_them(xdg: Path, tmp_path: Path) -> None:
    """What such modules have made is lost otherwise, and a file is not where it was."""
    for number, directory in enumerate(("library", "work")):
        (tmp_path / directory).mkdir()
        (tmp_path / directory / f"frob_{number}.py").write_text("class Frob:\n    def __init__(self, x): self.x = x\n")
    (tmp_path / "work" / "data").write_text("one\ntwo\n")
    with started() as session:
        session.run(f"import os, sys; os.chdir({str(tmp_path / 'work')!r}); sys.path.append('../library')")
        done = session.run(
            "import frob_0, frob_1\nx = frob_0.Frob([1]), frob_1.Frob([2])\nf = open('data'); f.readline()"
        )
        assert done.result == repr("one\n")
        session.wait_saved(done.cell)
        died = session.run("os.kill(os.getpid(), 9)")
        assert (died.status, died.not_restored) == ("died", ())
        assert session.run("x[0].x, x[1].x, f.readline(), os.getcwd() + '/'").result == repr(
            ([1], [2], "two\n", f"{tmp_path / 'work'}/")
        )
        assert session.run("frob_1.Frob is type(x[1]), sys.path.count('../library')").result == "(True, 1)"


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
