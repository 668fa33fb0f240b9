"""Loops and steps that go on: what is done once, and what the variables are, after a death in the middle.

Runs in: tests; the loops run in real workers.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyshell import Session
from pyshell.worker.bars import drawn
from tests.sessions import becomes_true, started


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with pytest.MonkeyPatch.context() as patch:
        save_often(patch, tmp_path_factory.mktemp("config"))
        with started("loops") as session:
            yield session


def save_often(patch: pytest.MonkeyPatch, config: Path) -> None:
    (config / "pyshell").mkdir()
    (config / "pyshell" / "config.toml").write_text("[saving]\nautosave_seconds = 0.1\n")
    patch.setenv("XDG_CONFIG_HOME", str(config))


DIE = """\
def pause(number):
    '''At 2 and 6 wait until it is time to save; at 7 die.'''
    import os, threading
    from pyshell.worker import autosaving
    while number in (2, 6) and not os.path.exists(mark) and not autosaving.current.is_due:
        threading.Event().wait(0.01)
    if number == 7 and not os.path.exists(mark):
        open(mark, 'w').close()
        os.kill(os.getpid(), 9)
"""

CASES = {
    "range": "done = []\nfor n in pyshell.resume(range(12), 'a'):\n    done.append(n); pause(n)\n",
    "list": "done = []\nfor n in pyshell.resume(list(range(12)), 'a'):\n    done.append(n); pause(n)\n",
    "generator": "done = []\nfor n in pyshell.resume((n for n in range(12)), 'a'):\n    done.append(n); pause(n)\n",
    "file": "open('f', 'w').writelines(f'{n}\\n' for n in range(12))\ndone = []\n"
    "for line in pyshell.resume(open('f'), 'a'):\n    done.append(int(line)); pause(int(line))\n",
    "nested": "done = []\nfor i in pyshell.resume(range(3), 'outer'):\n    part = []\n"
    "    for j in pyshell.resume(range(4), 'inner'):\n        part.append(4 * i + j); pause(4 * i + j)\n"
    "    done += part\n",
    "function": "def work():\n    found, total = [], 0\n    for n in pyshell.resume(range(12), 'a'):\n"
    "        total += n\n        found.append(n); pause(n)\n    assert total == 66, total\n    return found\n"
    "done = work()\n",
    "two loops": "done = []\nfor n in pyshell.resume(range(4), 'a'):\n    done.append(n)\n    pause(n)\n"
    "half = len(done)\nfor n in pyshell.resume(range(4, 12), 'b'):\n    done.append(n); pause(n)\nassert half == 4\n",
    "break": "done = []\nfor n in pyshell.resume(range(9), 'a'):\n    if n == 4: break\n    done.append(n)\n"
    "for n in pyshell.resume(range(4, 12), 'b'):\n    done.append(n); pause(n)\n",
    "steps": "done = []\nfor n in range(12):\n    if pyshell.step(f'{n}'):\n        done.append(n); pause(n)\n",
    "steps in a loop": "done = []\nfor n in pyshell.resume(range(4), 'a'):\n    for k in range(3):\n"
    "        if pyshell.step(f'{k}'): done.append(3 * n + k); pause(3 * n + k)\n",
}


@pytest.mark.parametrize("version", ["3.10", "3.12", "3.13"])
def test_it_is_so_in_other_pythons(
    version: str, pythons: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the interpreter keeps local variables, and how it leaves a loop, differs."""
    if version not in pythons:
        pytest.skip(f"there is no Python {version}")
    save_often(monkeypatch, tmp_path)
    with started("other", python=pythons[version]) as other:
        for case in ("function", "break"):
            (tmp_path / "mark").unlink(missing_ok=True)
            check(other, case, tmp_path)


@pytest.mark.parametrize("case", CASES)
def test_nothing_is_done_twice_and_nothing_is_left_out(session: Session, case: str, tmp_path: Path) -> None:
    check(session, case, tmp_path)


@pytest.mark.science
def test_the_rows_of_a_frame_go_on(session: Session, tmp_path: Path) -> None:
    """A generator of pandas's own, which is made anew and gone forward in."""
    pytest.importorskip("pandas")
    frame = "import pandas\nframe = pandas.DataFrame({'n': range(12), 'text': list('abcdefghijkl')})\ndone = []\n"
    loop = "for row in pyshell.resume(frame.itertuples(index=False), 'rows'):\n    done.append(row.n); pause(row.n)\n"
    check(session, frame + loop, tmp_path)


def check(session: Session, case: str, tmp_path: Path) -> None:
    """Run it until it dies, then once more."""
    goes = f"import os, pyshell; os.chdir({str(tmp_path)!r})"
    cell = session.run(f"{goes}; mark = {str(tmp_path / 'mark')!r}\n{DIE}").cell
    # Nothing is saved in the middle of a cell while the save before it runs, or its audit.
    assert becomes_true(lambda: session.status().verified_cell == cell)
    code = CASES.get(case, case)
    died = session.run(code)
    assert died.status == "died", died
    assert session.run(goes).status == "ok"
    reply = session.run(code)
    assert reply.status == "ok", reply
    assert session.run("done == list(range(12)) or done").result == "True"
    assert "as saved" in reply.output or "is done" in reply.output or "goes on" in reply.output
    assert session.run("'_resume' in globals()").result == "False"


def test_an_error_keeps_the_place_and_the_end_of_the_cell_forgets_it(session: Session) -> None:
    session.run("import pyshell; done = []; stop = True")
    code = "for n in pyshell.resume(range(5), 'e'):\n    if n == 3 and stop: raise ValueError(n)\n    done.append(n)\n"
    assert session.run(code).status == "error"
    session.run("stop = False")
    assert "e goes on behind the first 3" in session.run(code).output
    assert session.run("done").result == "[0, 1, 2, 3, 4]"
    session.run(code)
    assert session.run("len(done)").result == "10"


def test_a_generator_that_has_begun_is_refused(session: Session) -> None:
    session.run("import pyshell; g = (n for n in range(5)); stop = True")
    code = "for n in pyshell.resume(g, 'g'):\n    if n == 3 and stop: raise ValueError(n)\n"
    assert session.run(code).status == "error"
    error = session.run(code).error
    assert error is not None and error.kind == "UsageError" and "make it anew" in error.message
    session.run("del _resume")


def test_in_plain_python_it_is_the_loop() -> None:
    code = (
        "import pyshell\nfor n in pyshell.resume(range(3), 'a'): print(n, end=' ')\n"
        "print(pyshell.step('a'), pyshell.step('a'), list(pyshell.resume('ab', 'b')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("0 1 2 True True ['a', 'b']\n", "")


def test_the_bar() -> None:
    assert drawn("fit", 413, 1000, 2.15, 192) == "fit:  41%|████▏     | 413/1000 [03:12<04:33,  2.15it/s]"
    assert drawn("fit", 0, 10, 0.0, 0) == "fit:   0%|          | 0/10 [00:00<?,  0.00it/s]"
    assert drawn("fit", 10, 10, 0.1, 3700) == "fit: 100%|██████████| 10/10 [1:01:40<00:00, 10.00s/it]"
    assert drawn("fit", 7, None, 3.0, 2) == "fit: 7it [00:02,  3.00it/s]"
