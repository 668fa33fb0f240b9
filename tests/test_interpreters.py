"""Which interpreter runs the code: discovered, shown, and changed for a session that runs.

Runs in: tests.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import pyshell
from pyshell import listing
from pyshell.errors import WorkerStartFailed
from pyshell.interpreters import checked, discover, environment_of
from pyshell.subcommands import doctor
from tests.live import make_environment
from tests.sessions import SECONDS, becomes_true, started, until


def make(place: Path) -> str:
    """What looks like an environment."""
    (place / "bin").mkdir(parents=True)
    (place / "pyvenv.cfg").touch()
    (place / "bin" / "python").symlink_to(sys.executable)
    return str(place / "bin" / "python")


def test_the_active_environment_comes_first_then_the_nearest_in_a_directory(tmp_path: Path) -> None:
    active, conda = make(tmp_path / "active"), make(tmp_path / "conda")
    project = tmp_path / "project"
    above, inner = make(project / ".venv"), project / "src" / "deep"
    inner.mkdir(parents=True)
    environ = {"VIRTUAL_ENV": str(tmp_path / "active"), "CONDA_PREFIX": str(tmp_path / "conda")}
    assert discover(environ, inner) == active
    assert discover({**environ, "VIRTUAL_ENV": str(tmp_path / "deleted")}, inner) == conda
    assert discover({**environ, "VIRTUAL_ENV": "", "CONDA_DEFAULT_ENV": "base"}, inner) == above
    assert discover({}, inner) == above
    assert discover({"VIRTUAL_ENV": sys.prefix}, inner) is None, "pyshell's own, whatever lies around"
    assert environment_of(above) == "project/.venv" and environment_of(active) == "active"
    assert environment_of("/usr/bin/python3") == ""


def test_an_environment_that_has_lost_its_python_is_not_passed_over(tmp_path: Path) -> None:
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(tmp_path / "removed" / "python3.11")
    with pytest.raises(WorkerStartFailed, match="python3.11, which is gone: make the environment anew, or .* --python"):
        discover({}, tmp_path)
    said = pyshell_of(tmp_path, "new", "-d", "-s", "lost", VIRTUAL_ENV="")
    assert said.returncode == 1 and said.stderr.startswith("pyshell: ") and "which is gone" in said.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [("exit 3", "ended with 3"), ("echo hello", "does not run"), ("echo 3.9.1", "is Python 3.9.1; the code is run by")],
)
def test_what_cannot_be_a_worker_is_refused_before_anything_is_ended(tmp_path: Path, text: str, told: str) -> None:
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o700)
    with pytest.raises(WorkerStartFailed, match=told):
        checked(str(program))


def test_a_session_keeps_the_version_that_a_shim_has_chosen(tmp_path: Path) -> None:
    """pyenv's program looks anew at each start which one is meant."""
    shims = tmp_path / "shims"
    shims.mkdir()
    (shims / "python3.99").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (shims / "python3.99").chmod(0o700)
    assert checked(str(shims / "python3.99")) == sys.executable
    (shims / "python3.98").write_text("#!/bin/sh\necho python3.98: command not found >&2\nexit 127\n")
    (shims / "python3.98").chmod(0o700)
    with pytest.raises(WorkerStartFailed, match="command not found"):
        checked(str(shims / "python3.98"))


def pyshell_of(directory: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(pyshell.__file__).parents[1]), **variables}
    command = [sys.executable, "-m", "pyshell", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=directory, timeout=60)


def test_a_new_session_of_a_directory_runs_in_its_environment(tmp_path: Path) -> None:
    python = make_environment(sys.executable, tmp_path / "fit" / ".venv")
    said = pyshell_of(tmp_path / "fit", "doctor")
    assert f"at {python} (environment fit/.venv)" in said.stdout, said
    assert pyshell_of(tmp_path / "fit", "new", "-d").returncode == 0
    with pyshell.connect("fit") as session:
        try:
            assert session.run("import sys; sys.executable").result == repr(str(python))
            assert "fit/.venv" in pyshell_of(tmp_path, "ls").stdout
            assert f"Python {session.status().python} fit/.venv in" in listing.describe("fit")
        finally:
            session.kill()


PRINTS = "import sys\nprint(sys.prefix)\n"


def conda(place: Path) -> Path:
    """An environment as conda makes it: a whole Python under a prefix of its own. Its interpreter."""
    base = Path(os.path.realpath(Path(sys.base_prefix, "bin", f"python3.{sys.version_info[1]}")))
    (place / "bin").mkdir(parents=True)
    (place / "conda-meta").mkdir()
    (place / "conda-meta" / "history").touch()
    shutil.copy(base, place / "bin" / base.name)
    (place / "bin" / "python").symlink_to(base.name)
    (place / "lib").symlink_to(Path(sys.base_prefix, "lib"))
    return place / "bin" / "python"


def test_a_conda_environment_that_is_active_runs_the_code(tmp_path: Path) -> None:
    place = tmp_path / "torch"
    asked = subprocess.run([conda(place), "-c", PRINTS], capture_output=True, text=True)
    if asked.stdout.strip() != str(place):
        pytest.skip(f"this Python cannot be copied: {asked}")
    (tmp_path / "script.py").write_text(PRINTS)
    active = {"CONDA_PREFIX": str(place), "CONDA_DEFAULT_ENV": "torch"}
    done = pyshell_of(tmp_path, "run", "script.py", **active)
    assert (done.returncode, done.stdout) == (0, f"{place}\n"), done.stderr
    assert "torch" in pyshell_of(tmp_path, "ls").stdout


def test_uv_run_has_the_project_s_environment(tmp_path: Path) -> None:
    """pyshell as a program of its own, the code in the environment of the project that uv is run in."""
    pytest.importorskip("uv")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "fit"\nversion = "1"\ndependencies = []\n')
    (tmp_path / "script.py").write_text(PRINTS)
    environment = {
        **os.environ, "PYTHONPATH": str(Path(pyshell.__file__).parents[1]), "UV_CACHE_DIR": str(tmp_path / "cache"),
        "UV_OFFLINE": "1", "UV_PYTHON": sys.executable,
    }  # fmt: skip
    uv = os.path.join(sysconfig.get_path("scripts"), "uv")
    command = [uv, "run", sys.executable, "-m", "pyshell", "run", "script.py"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=120)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / '.venv'}\n"), done.stderr


def test_a_run_has_the_interpreter_that_its_first_one_found(tmp_path: Path) -> None:
    first, later = (make_environment(sys.executable, tmp_path / name).parents[1] for name in (".venv", "later"))
    for code in ("import sys", "import sys; changed = True"):
        (tmp_path / "script.py").write_text(f"{code}\nprint(sys.prefix)\n")
        done = pyshell_of(tmp_path, "run", "script.py", VIRTUAL_ENV="" if code == "import sys" else str(later))
        assert (done.returncode, done.stdout) == (0, f"{first}\n"), done.stderr


def test_a_session_goes_on_in_another_interpreter(tmp_path: Path, pythons: dict[str, str]) -> None:
    """The choice is the session's: the next death does not undo it. What is no interpreter changes nothing."""
    other = make_environment(sys.executable, tmp_path / "other")
    with started("moves", cwd=str(tmp_path)) as session:
        session.run("import sys\ndata = [1, 2]\ndef double(): return [2 * n for n in data]\nclass A: n = 1")
        session.wait_saved(session.run("a = A(); a.n = 3").cell, SECONDS)
        first = session.run("%python").output
        assert sys.executable in first
        refused = session.run("%python /etc/passwd", SECONDS)
        assert refused.error is not None and refused.error.kind == "WorkerStartFailed" and session.epoch == 1
        assert "Goes on in Python" in session.run("%python other", SECONDS).output
        until(session, lambda event: event.kind == "restored" and event.epoch == 2)
        assert session.run("sys.executable, double(), a.n", SECONDS).result == f"({str(other)!r}, [2, 4], 3)"
        assert session.status().executable == str(other)
        session.run("import os; os.kill(os.getpid(), 9)", SECONDS)
        assert session.run("sys.executable", SECONDS).result == repr(str(other))
        versions = [v for v in pythons if v != f"{sys.version_info[0]}.{sys.version_info[1]}"]
        if versions:
            session.restart(python=pythons[versions[-1]])
            session.wait_up()
            assert session.run("'%d.%d' % sys.version_info[:2], double()", SECONDS).result == (
                f"({versions[-1]!r}, [2, 4])"
            )
            assert session.run("A.n, type(a).__name__", SECONDS).result == "(1, 'A')"
        with pytest.raises(WorkerStartFailed):
            session.restart(python=str(tmp_path / "none"))
        assert session.state == "idle"
        back = pyshell_of(tmp_path, "restart", "-t", "moves", "--python", sys.executable)
        assert back.returncode == 0 and f"goes on in Python {sys.version.split()[0]}" in back.stdout, back
        assert becomes_true(lambda: session.state == "idle")
        assert session.run("sys.executable, data", SECONDS).result == f"({sys.executable!r}, [1, 2])"


def test_the_doctor_names_the_environment(tmp_path: Path) -> None:
    found = [one.found for one in doctor.examine(os.environ, make(tmp_path / "torch")) if one.what == "worker"]
    assert len(found) == 1 and found[0].endswith("(environment torch)")
