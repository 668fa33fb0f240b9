"""Work is moved out of a session, and what is saved is shown to come back: in processes of their own.

Runs in: tests.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import dill
import pytest

import pyshell
from pyshell import Session, cli, interchange, starting
from pyshell.errors import (
    CheckpointNotFound,
    PyshellError,
    SessionNotFound,
    StoreError,
    UsageError,
    WorkerBusy,
    WorkerError,
)
from tests.live import make_environment
from tests.sessions import started, until
from tests.terminal import Terminal

DEFINITIONS = """
import functools, math
k = 5
class C:
    def __init__(self, n): self.n = n
    def get(self): return self.n + k
class D(C): pass
def fact(n): return 1 if n < 2 else n * fact(n - 1)
def make():
    n = 0
    def count():
        nonlocal n
        n += 1
        return n
    return count
count = make(); count()
shared = [1, 2]
a = {'s': shared}; b = (shared,)
c = C(3); d = D(4); both = [c, d]
"""
MINE = """
import os, signal
class Mine:
    def __reduce__(self):
        return explode, (self.how, self.flag)
def explode(how, flag):
    if not os.path.exists(flag):
        mine = Mine(); mine.how = how; mine.flag = flag
        return mine
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise OSError("boom")
"""


def do(session: Session, code: str) -> int:
    """Run a cell, which must not raise; the state after it."""
    reply = session.run(code)
    assert (reply.status, reply.error) == ("ok", None)
    return session.wait_saved(reply.cell, 60)


def in_python(file: Path, code: str, python: str = sys.executable) -> str:
    """What plain Python prints that has nothing but dill."""
    program = f"import dill; dill.load_module({str(file)!r}); {code}"
    environment = {**os.environ, "PYTHONPATH": str(Path(dill.__file__).parents[1])}
    answer = subprocess.run([python, "-c", program], capture_output=True, text=True, cwd="/", env=environment)
    assert answer.stderr == ""
    return answer.stdout.strip()


def reasons(left_out: tuple[interchange.Unsaved, ...]) -> dict[str, str]:
    return {lost.name: lost.reason for lost in left_out}


# --- export ---------------------------------------------------------------------------------------------------


def test_dill_loads_what_was_exported(xdg: Path, tmp_path: Path) -> None:
    file = tmp_path / "work.pkl"
    with started() as session:
        session.run(DEFINITIONS)
        session.run("x = 7; x")
        pid, last = session.pid, session.status().last_event
        done = interchange.export_dill("s", file)
        assert (done.cell, done.left_out) == (2, ())
        assert {"C", "fact", "count", "shared", "x", "_2"} <= set(done.names)
        assert (session.pid, len(session.checkpoints())) == (pid, done.checkpoint)
        assert session.status().last_event >= last
    assert in_python(file, "print(a['s'] is b[0] is shared, x, _2)") == "True 7 7"
    assert in_python(file, "print(c.get(), d.get(), both[0] is c, isinstance(d, C))") == "8 9 True True"
    assert in_python(file, "k = 10; print(c.get(), fact(5), count(), count(), math.pi > 3)") == "13 120 2 3 True"


@pytest.mark.science
def test_arrays_are_exported(xdg: Path, tmp_path: Path) -> None:
    file = tmp_path / "work.pkl"
    with started() as session:
        do(session, "import numpy as np\na = np.arange(1_000_000.); m = np.eye(3)\nview = a[::2]")
        do(session, "a[0] = 5; text = np.array(['a', 'bc'])")
        assert interchange.export_dill("s", file).left_out == ()
    assert in_python(file, "print(a.sum(), m.trace(), view[:2], text[1], np.__name__)") == (
        "499999500005.0 3.0 [5. 2.] bc numpy"
    )


def test_a_session_that_does_not_run_is_exported_and_does_not_run_then(xdg: Path, tmp_path: Path) -> None:
    with started() as session:
        first = do(session, "x = 1")
        do(session, "x = 2; y = [x]")
        session.kill()
    done = interchange.export_dill("s", tmp_path / "new.pkl")
    assert (done.cell, done.names) == (2, ("x", "y"))
    assert in_python(tmp_path / "new.pkl", "print(x, y)") == "2 [2]"
    assert interchange.export_dill("s", tmp_path / "old.pkl", first).checkpoint == first
    assert in_python(tmp_path / "old.pkl", "print(x, 'y' in dir())") == "1 False"
    with pytest.raises(SessionNotFound):
        starting.connect("s")


def test_what_a_cell_just_did_is_in_it(xdg: Path, tmp_path: Path) -> None:
    with started() as session:
        session.run("import array; x = [array.array('d', [1.0] * 1_000_000) for _ in range(4)]")
        assert interchange.export_dill("s", tmp_path / "f").names == ("array", "x")


def test_a_cell_that_runs_is_not_waited_for(xdg: Path, tmp_path: Path) -> None:
    with started() as session:
        session.run("x = [1]")
        session.execute("x.append(input())")
        until(session, lambda event: event.kind == "input_request")
        assert interchange.export_dill("s", tmp_path / "f").cell == 1
        session.input("")
    assert in_python(tmp_path / "f", "print(x)") == "[1]"


def test_names_that_cannot_be_written_are_listed_and_cost_themselves_only(xdg: Path, tmp_path: Path) -> None:
    file = tmp_path / "work.pkl"
    with started() as session:
        do(session, DEFINITIONS)
        do(session, "import enum\nclass Color(enum.Enum):\n  RED = 1\nred = Color.RED")
        do(session, "generator = (n for n in [1]); held = {'g': generator, 'n': 1}")
        do(session, "class Crash:\n  def __reduce__(self):\n    import sys, os\n"
                    "    if 'dill' in sys.modules: os.abort()\n    return (Crash, ())\ncrash = Crash()")  # fmt: skip
        lost = reasons(interchange.export_dill("s", file).left_out)
    assert lost.keys() == {"Color", "red", "generator", "held", "held['g']", "crash"}
    assert "running code" in lost["generator"] and "running code" in lost["held"]
    assert "SIGABRT" in lost["crash"]
    assert in_python(file, "print(c.get(), a['s'] is b[0], 'red' in dir())") == "8 True False"


@pytest.mark.parametrize("how", ["kill", "raise"])
def test_what_cannot_be_loaded_is_left_out(xdg: Path, tmp_path: Path, how: str) -> None:
    flag = tmp_path / "flag"
    with started() as session:
        do(session, MINE + f"x = 1\nmine = Mine(); mine.how = {how!r}; mine.flag = {str(flag)!r}")
        flag.touch()
        assert reasons(interchange.export_dill("s", tmp_path / "f").left_out).keys() == {"mine"}
        assert session.run("x, mine.how").result == f"(1, {how!r})"
        flag.unlink()
    assert in_python(tmp_path / "f", "print(x)") == "1"


def test_the_file_is_there_as_a_whole_or_as_it_was(xdg: Path, tmp_path: Path) -> None:
    file = tmp_path / "work.pkl"
    file.write_text("old")
    with started() as session:
        with pytest.raises(StoreError, match="no saved state yet"):
            interchange.export_dill("s", file)
        do(session, "x = 1")
        with pytest.raises(CheckpointNotFound):
            interchange.export_dill("s", file, 99)
        with pytest.raises(UsageError, match="is not a directory"):
            interchange.export_dill("s", tmp_path / "no" / "file")
        with pytest.raises(UsageError, match="is a directory"):
            interchange.export_dill("s", tmp_path)
        assert file.read_text() == "old"
        interchange.export_dill("s", file)
    assert os.listdir(tmp_path) == ["work.pkl"] and in_python(file, "print(x)") == "1"


def test_another_interpreter_exports_for_itself(xdg: Path, tmp_path: Path, pythons: dict[str, str]) -> None:
    if "3.12" not in pythons:
        pytest.skip("needs Python 3.12")
    with started(python=pythons["3.12"]) as session:
        do(session, DEFINITIONS)
        assert interchange.export_dill("s", tmp_path / "f").left_out == ()
    assert in_python(tmp_path / "f", "print(c.get(), fact(3))", pythons["3.12"]) == "8 6"


def test_a_session_that_nobody_knows_is_not_exported(xdg: Path, tmp_path: Path) -> None:
    with pytest.raises(SessionNotFound, match='no session "nobody"'):
        interchange.export_dill("nobody", tmp_path / "f")


def test_the_command_says_what_it_wrote(
    xdg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with started() as session:
        do(session, "x = 1; g = (n for n in [])")
        assert cli.main(["export", "-t", "s", "--dill", "work.pkl"]) == 0
        printed = capsys.readouterr().out.splitlines()
        assert printed[0].startswith("left out: g (generator): ") and "running code" in printed[0]
        assert printed[1:] == ['work.pkl has 1 name of state 1 of session "s" after In[1]']
        assert cli.main(["export", "-t", "s", "--checkpoint", "7", "--dill", "work.pkl"]) == 1
        assert "no checkpoint 7" in capsys.readouterr().err
    assert in_python(tmp_path / "work.pkl", "print(x)") == "1"


# --- import ---------------------------------------------------------------------------------------------------


def write(file: Path, code: str) -> None:
    """A file that a program with nothing but dill has written."""
    program = f"{code}\nimport dill\ndill.dump_module({str(file)!r})"
    subprocess.run([sys.executable, "-c", program], check=True, cwd="/")


THEIRS = """
class P:
    def __init__(self): self.v = [1]
def g(): return z + len(p.v)
z = 5; x = ['theirs']; p = P(); q = p; In = 3; _ = 'theirs'; _1 = 'theirs'; __version__ = 'theirs'
"""


def command(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])}
    return subprocess.run(
        [sys.executable, "-m", "pyshell", *arguments], input=given, capture_output=True, text=True, env=environment
    )


def test_what_dill_wrote_is_taken_in_saved_and_undone(xdg: Path, tmp_path: Path) -> None:
    file = tmp_path / "theirs.pkl"
    write(file, THEIRS)
    with started() as session:
        do(session, "x = ['mine']; y = x; 11")
        plan = interchange.plan_import(session, file)
        assert (plan.names, plan.replaced) == (("P", "g", "z", "x", "p", "q", "dill"), ("x",))
        state = interchange.import_dill(session, plan)
        looks = "x, y, g(), p is q, type(p) is P, g.__globals__ is globals(), _1, __name__, '__version__' in globals()"
        told = "(['theirs'], ['mine'], 6, True, True, True, 11, '__main__', False)"
        assert session.run(looks).result == told
        assert "replaced: x" in session.wait(2).output and "new: P, g, z, p, q" in session.wait(2).output
        session.run("import os; os.kill(os.getpid(), 9)")
        assert session.run(looks).result == told
        session.restore(state)
        session.undo()
        assert session.run("x, x is y, 'P' in globals()").result == "(['mine'], True, False)"


def test_a_worker_without_dill_takes_it_in(xdg: Path, tmp_path: Path, pythons: dict[str, str]) -> None:
    if "3.11" not in pythons:
        pytest.skip("needs a bare Python 3.11")
    write(tmp_path / "f", "x = 1")
    bare = make_environment(pythons["3.11"], tmp_path / "bare")
    with started(python=str(bare)) as session:
        do(session, "y = 2")
        interchange.import_dill(session, interchange.plan_import(session, tmp_path / "f"))
        assert session.run("x, y, 'dill' in globals()").result == "(1, 2, False)"
        assert "not installed here: dill" in session.wait(2).output


def test_what_was_exported_can_be_imported(xdg: Path, tmp_path: Path) -> None:
    with started() as session:
        do(session, DEFINITIONS)
        interchange.export_dill("s", tmp_path / "f")
        session.kill()
    with started("t") as session:
        plan = interchange.plan_import(session, tmp_path / "f")
        assert plan.replaced == ()
        interchange.import_dill(session, plan)
        assert session.run("c.get(), d.get(), both[0] is c, count(), fact(4)").result == "(8, 9, True, 2, 24)"


def test_the_first_thing_in_a_session_can_be_undone(xdg: Path, tmp_path: Path) -> None:
    write(tmp_path / "f", "x = 1")
    with started() as session:
        interchange.import_dill(session, interchange.plan_import(session, tmp_path / "f"))
        session.undo()
        assert session.run("'x' in globals()").result == "False"


def test_code_of_the_file_runs_only_when_it_is_loaded_and_costs_a_worker_at_most(xdg: Path, tmp_path: Path) -> None:
    file, flag = tmp_path / "f", tmp_path / "flag"
    kill = f"os.mkdir({str(flag)!r}) or os.kill(os.getpid(), 9)"
    write(file, f"import os\nclass L:\n  def __reduce__(self): return eval, ({kill!r}, {{'os': os}})\nl = L()")
    with started() as session:
        do(session, "x = [1]")
        plan = interchange.plan_import(session, file)
        assert "l" in plan.names and not flag.exists()
        with pytest.raises(WorkerError, match=r"SIGKILL.*state is the one from before"):
            interchange.import_dill(session, plan)
        assert flag.exists() and session.run("x, 'l' in globals()").result == "([1], False)"


def test_a_file_that_raises_binds_nothing(xdg: Path, tmp_path: Path) -> None:
    write(tmp_path / "f", "class L:\n  def __reduce__(self): return eval, ('1 / 0', {})\nx = 1; l = L()")
    with started() as session:
        do(session, "x = 0")
        with pytest.raises(WorkerError, match="could not be loaded: ZeroDivisionError"):
            interchange.import_dill(session, interchange.plan_import(session, tmp_path / "f"))
        assert session.run("x, 'l' in globals()").result == "(0, False)"


def test_nothing_is_imported_under_a_running_cell(xdg: Path, tmp_path: Path) -> None:
    write(tmp_path / "f", "x = 1")
    with started() as session:
        plan = interchange.plan_import(session, tmp_path / "f")
        cell = session.execute("input()")
        until(session, lambda event: event.kind == "input_request")
        with pytest.raises(WorkerBusy, match=rf"In\[{cell}\] runs"):
            interchange.import_dill(session, plan)
        session.input("")


def test_load_dill_is_for_cells_only() -> None:
    with pytest.raises(UsageError, match="in a cell of a session only"):
        pyshell.load_dill("f")


def test_the_command_asks_before_it_runs_code(xdg: Path, tmp_path: Path) -> None:
    file = tmp_path / "theirs.pkl"
    write(file, THEIRS)
    with started() as session:
        do(session, "x = 1")
        refused = command("import", "-t", "s", str(file))
        assert refused.returncode == 2 and "Say --yes to do it without being asked" in refused.stderr
        assert "binds 7 names: P, g, z, x, p, q, dill" in refused.stdout
        assert 'replaced in session "s": x' in refused.stdout
        assert session.run("x").result == "1"
        done = command("import", "-t", "s", "--yes", str(file))
        assert (done.returncode, done.stderr) == (0, "")
        assert "pyshell restore -t s undo" in done.stdout
        assert session.run("x").result == "['theirs']"
        nothing = command("import", "-t", "s", "--yes", str(tmp_path / "none"))
        assert nothing.returncode == 2 and "none cannot be read: No such file" in nothing.stderr
        session.kill()
    assert command("import", "-t", "s", "--yes", str(file)).returncode == 0
    with pytest.raises(SessionNotFound):
        starting.connect("s")


@pytest.mark.parametrize(("answer", "status", "value"), [("n", 1, "1"), ("", 1, "1"), ("y", 0, "['theirs']")])
def test_a_person_is_asked(xdg: Path, tmp_path: Path, answer: str, status: int, value: str) -> None:
    write(tmp_path / "f", THEIRS)
    environment = {"PYTHONPATH": str(Path(cli.__file__).parents[1])}
    with started() as session:
        do(session, "x = 1")
        with Terminal([sys.executable, "-m", "pyshell", "import", str(tmp_path / "f")], env=environment) as terminal:
            terminal.wait_screen(r"Loading it runs its code. Do you trust it\? \[y/N\]")
            terminal.send(f"{answer}\r")
            assert terminal.process.wait(60) == status
        assert session.run("x").result == value


# --- verify ---------------------------------------------------------------------------------------------------


def test_what_is_saved_comes_back_as_it_was(xdg: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with started() as session:
        do(session, DEFINITIONS + "words = {'b', 'a', 'dd', 'ccc'}\nnan = float('nan'); g = (n for n in [])")
        found = interchange.verify("s")
        assert (found.cell, found.faults, reasons(found.unsaved).keys()) == (1, (), {"g"})
        assert {"words", "c", "fact"} <= set(found.names)
        session.kill()
    assert cli.main(["verify", "-t", "s"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("g (generator) was not saved: ")
    assert printed[1] == f'state 1 of session "s" after In[1]: {len(found.names)} names came back unchanged'


@pytest.mark.science
def test_arrays_come_back_as_they_were(xdg: Path) -> None:
    with started() as session:
        do(session, "import numpy as np\na = np.arange(1_000_000.); view = a[::2]; f = np.asfortranarray(np.eye(400))")
        assert interchange.verify("s").faults == ()


@pytest.mark.parametrize("how", ["kill", "raise"])
def test_what_cannot_be_loaded_is_named(
    xdg: Path, tmp_path: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    flag = tmp_path / "flag"
    with started() as session:
        do(session, MINE + f"x = 1\nmine = Mine(); mine.how = {how!r}; mine.flag = {str(flag)!r}")
        flag.touch()
        found = interchange.verify("s")
        ((name, reason),) = found.faults
        assert name == "mine" and ("boom" if how == "raise" else "crashed") in reason
        assert cli.main(["verify"]) == 1
        assert "names came back unchanged, 1 does not" in capsys.readouterr().out
        flag.unlink()
        assert session.run("x").result == "1"


def test_what_comes_back_as_less_than_it_was_is_named(xdg: Path) -> None:
    with started() as session:
        do(session, "class Forgets:\n  def __setstate__(self, state): self.n = 0\nf = Forgets(); f.n = 123456\nx = 1")
        found = interchange.verify("s")
        ((name, reason),) = found.faults
        assert name == "f" and "is not what was saved" in reason and "123456" in reason
        assert "x" in found.names


def test_what_crashes_when_it_is_saved_again_is_named(xdg: Path, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    with started() as session:
        do(session, "import os\nclass Crash:\n  def __reduce__(self):\n    if os.path.exists(flag): os.abort()\n"
                    f"    return (Crash, ())\ncrash = Crash(); x = 1; flag = {str(flag)!r}")  # fmt: skip
        flag.touch()
        ((name, reason),) = interchange.verify("s").faults
        assert name == "crash" and "cannot be saved again" in reason


def test_an_interrupt_leaves_nothing_behind(xdg: Path, tmp_path: Path) -> None:
    flag, fifo = tmp_path / "flag", tmp_path / "fifo"
    os.mkfifo(fifo)
    with started() as session:
        do(session, "import os, threading\nclass Hang:\n  def __reduce__(self): return hang, (flag, fifo)\n"
                    "def hang(flag, fifo):\n  if os.path.exists(flag):\n    open(fifo, 'w').close()\n"
                    "    threading.Event().wait()\n  return Hang()\n"
                    f"flag, fifo = {str(flag)!r}, {str(fifo)!r}; h = Hang()")  # fmt: skip
        session.kill()
    flag.touch()
    environment = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])}
    with subprocess.Popen(
        [sys.executable, "-m", "pyshell", "verify", "-t", "s"], env=environment, start_new_session=True
    ) as process:
        fifo.read_bytes()  # it hangs from here on
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 130
    # That no process is left is what the fixture `xdg` sees to.


def test_what_somebody_else_has_written_is_not_loaded(xdg: Path, tmp_path: Path) -> None:
    with started() as session:
        do(session, "x = 1")
        session.kill()
    (xdg / "state" / "pyshell" / "key").write_bytes(b"k" * 32)
    for look in (lambda: interchange.verify("s"), lambda: interchange.export_dill("s", tmp_path / "f")):
        with pytest.raises(StoreError):
            look()
    assert os.listdir(tmp_path) == []


def test_damage_is_named(xdg: Path) -> None:
    with started() as session:
        do(session, "x = 1; y = b'0123456789' * 100_000")
        session.kill()
    for pack in (xdg / "state" / "pyshell" / "sessions" / "s" / "store" / "packs").iterdir():
        data = bytearray(pack.read_bytes())
        data[len(data) // 2] ^= 1
        pack.write_bytes(data)
    try:
        assert interchange.verify("s").faults != ()
    except PyshellError as exc:  # where it hit what everything hangs on
        assert "store" in str(exc) or "pack" in str(exc)
