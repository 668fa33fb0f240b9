"""What sessions leave behind: found again, kept out, written into files, deleted.

Runs in: tests, against real hosts, workers and commands.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import pyshell
from pyshell import starting
from pyshell.errors import SessionError, SessionNotFound
from pyshell.protocol import KEPT_OUT, Event, InputRequest
from tests.sessions import becomes_true, host_of, kill, started, until, until_output

ROOT = str(Path(pyshell.__file__).parents[1])
WAITS = "import os\nprint('before', flush=True)\nwhile not os.path.exists({gate!r}):\n    pass\n"
SECRET = "correct-horse-battery"


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A command of pyshell's, with pipes instead of a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "pyshell", *arguments], capture_output=True, text=True, cwd=cwd, timeout=120,
        env={**os.environ, "PYTHONPATH": ROOT}, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def files_with(text: str, directory: Path) -> list[str]:
    """The files below a directory in which that text stands."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    return [path.name for path in files if text.encode() in path.read_bytes()]


def test_cells_of_all_sessions_are_found_by_code_and_by_output(tmp_path: Path, xdg: Path) -> None:
    """Two sessions at work at the same time, one of which is killed with its host."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with started("one", cwd=tmp_path / "one") as first, started("two", cwd=tmp_path / "two") as second:
        with ThreadPoolExecutor(2) as pool:
            for session in (first, second):
                pool.submit(lambda of=session: [of.run(f"print('{of.name} says', {n} * 1000)") for n in range(20)])
        second.run("1 / 0")
        assert first.pid is not None
        kill(host_of(first), first.pid)
        found = run("history", "-n", "1000")
        assert (found.returncode, found.stderr) == (0, "")
        for name in ("one", "two"):
            assert found.stdout.count(f"print('{name} says'") == 20
        assert "\ntwo  In[21]  " in found.stdout and f"  error  {tmp_path}/two\n    1 / 0\n" in found.stdout
        assert "| " not in found.stdout
        shown = run("history", "-o", "one*17000").stdout  # of the output: the code has another number
        assert shown.endswith(f"  ok  {tmp_path}/one\n    print('one says', 17 * 1000)\n    | one says 17000\n")
        assert shown.count("In[") == 1
        here = run("history", "-p", "-n", "3", cwd=tmp_path / "two").stdout
        assert here.count("two  In[") == 3 and "one  In[" not in here
        (broken := xdg / "state" / "pyshell" / "sessions" / "broken").mkdir()
        (broken / "journal").write_text("no database at all")
        partly = run("history", "-p", "-n", "3", cwd=tmp_path / "two")
        assert partly.stdout == here and 'session "broken" cannot be read' in partly.stderr
        assert run("history", "-t", "one", "division").returncode == 1
        assert "ZeroDivisionError" in run("history", "-o", "-t", "two", "division").stdout


def test_a_cell_behind_a_space_stays_out_of_the_history(xdg: Path) -> None:
    gate = xdg / "gate"
    with started() as session:
        assert session.run(f" x = '{SECRET}'\n y = len(x)").status == "ok"
        assert session.run("y").result == str(len(SECRET))
        assert session.run(f" for _ in range(2):\n    '{SECRET}'\nelse:\n    z = 1").status == "ok"
        assert session.run("z, len(In[1])").result == str((1, len(KEPT_OUT)))
        assert session.run(" %history -n", timeout=30).output.count(KEPT_OUT) == 3
        session.wait_saved(session.run("del x").cell)
        cell = session.execute(WAITS.format(gate=str(gate)))
        until_output(session, "before", cell)
        waiting = session.execute(f" print('{SECRET}')")
        assert session.history(pattern=SECRET) == ()
        assert files_with(SECRET, session._paths.directory / "output") == []
        journal = [path for path in session._paths.directory.iterdir() if path.name.startswith("journal")]
        assert journal and all(SECRET.encode() not in path.read_bytes() for path in journal)
        assert "y" in run("history").stdout and KEPT_OUT not in run("history").stdout
        kill(host_of(session))
        gate.touch()
    with started() as again:  # what waited is forgotten with the host that knew it
        again.release()
        assert again.wait(waiting).output == ""


def test_what_getpass_reads_is_in_no_journal(xdg: Path) -> None:
    with started() as session:
        cell = session.execute("import getpass\nhad = len(getpass.getpass('Word: '))")

        def asks(event: Event) -> bool:
            return isinstance(event.body, InputRequest) and event.body.password

        until(session, asks)
        session.input(SECRET)
        assert session.wait(cell).status == "ok"
        session.wait_saved(cell)
        assert session.run("had").result == str(len(SECRET))
    assert files_with(SECRET, xdg / "state") == []


CELLS = (
    "values = [1, 2, 3]",
    "print('\\x1b[1msum\\x1b[0m', sum(values))\nmax(values)",
    "import sys\nprint('beware <&>', file=sys.stderr)",
    "1 / 0",
    "%who",
    "class Dot:\n    def _repr_html_(self): return '<b>dot</b>'\n"
    "    def _repr_png_(self): return b'\\x89PNG'\n\ndisplay(Dot())",
)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A directory with a session in all kinds of files; nothing runs any more."""
    with started("told", cwd=tmp_path) as session:
        for code in CELLS:
            session.run(code)
    for suffix in (".py", ".ipynb", ".md", ".html"):
        answer = run("export", "-t", "told", f"told{suffix}", cwd=tmp_path)
        assert (answer.returncode, answer.stdout) == (0, f'told{suffix} has 6 cells of session "told"\n'), answer.stderr
    return tmp_path


def test_an_exported_script_and_notebook_run_again(written: Path) -> None:
    script = (written / "told.py").read_text()
    assert "# %% In[4] (error)\n# 1 / 0\n" in script and "# %% In[5]\n# %who\n" in script
    alone = subprocess.run(
        [sys.executable, "-c", f"display = repr\n{script}"], capture_output=True, text=True, timeout=60
    )
    assert (alone.returncode, alone.stderr) == (0, "beware <&>\n") and "sum" in alone.stdout
    assert run("run", "-s", "again", "told.py", cwd=written).stdout.startswith("sum 6\n")
    book = json.loads((written / "told.ipynb").read_text())
    assert [cell["execution_count"] for cell in book["cells"]] == [1, 2, 3, 4, 5, 6]
    by_cell = [[each["output_type"] for each in cell["outputs"]] for cell in book["cells"]]
    assert by_cell == [[], ["stream", "execute_result"], ["stream"], ["error"], ["stream"], ["display_data"]]
    assert book["cells"][1]["outputs"][0]["text"] == ["sum 6\n"]
    assert book["cells"][2]["outputs"][0]["name"] == "stderr"
    failed = run("run", "-s", "book", "told.ipynb", cwd=written)
    assert failed.returncode == 1 and "sum 6\n3\n" in failed.stdout and "ZeroDivisionError" in failed.stderr
    run("kill", "-t", "book")


def test_an_exported_page_shows_everything_and_runs_nothing(written: Path) -> None:
    page, text = (written / "told.html").read_text(), (written / "told.md").read_text()
    assert "beware &lt;&amp;&gt;" in page and "sum 6" in page and "\x1b" not in page + text
    assert "data:image/png;base64," in page and "<script" not in page
    assert "```python\nvalues = [1, 2, 3]\n```\n" in text and "ZeroDivisionError" in text
    assert "![image/png](data:image/png;base64," in text


def test_what_cannot_be_exported_is_said(written: Path) -> None:
    wrong = run("export", "-t", "told", "told.doc", cwd=written)
    assert wrong.returncode == 2 and ".ipynb" in wrong.stderr and not (written / "told.doc").exists()
    assert run("export", "-t", "told", cwd=written).returncode == 2
    nowhere = run("export", "-t", "told", "no/such.md", cwd=written)
    assert nowhere.returncode == 2 and "no/such.md cannot be written" in nowhere.stderr


def test_a_session_is_deleted_by_name(xdg: Path) -> None:
    gate = xdg / "gate"
    with started() as session:
        session.wait_saved(session.run("x = 1").cell)
        refused = run("delete", "-t", "s", "-f")
        assert refused.returncode == 1 and "pyshell kill -t s" in refused.stderr
        cell = session.execute(WAITS.format(gate=str(gate)))
        until_output(session, "before", cell)
        kill(host_of(session))
    goes_on = run("delete", "-t", "s", "-f")
    assert goes_on.returncode == 1 and "still ends its cell" in goes_on.stderr
    gate.touch()
    assert becomes_true(lambda: run("delete", "-t", "s", "-f").returncode == 0)
    assert starting.names() == [] and not (xdg / "state" / "pyshell" / "sessions" / "s").exists()
    assert list((xdg / "state" / "pyshell" / "deleted").iterdir()) == []
    assert run("delete", "-t", "s", "-f").returncode == 1
    with started() as fresh:
        assert fresh.run("'x' in globals()").result == "False"
    asked = run("delete", "-t", "s")
    assert asked.returncode == 2 and "-f" in asked.stderr
    with pytest.raises(SessionNotFound):
        starting.ask("removal", name="nobody")
    with pytest.raises(SessionError), started() as running:
        starting.ask("removal", name=running.name)
