"""Functions and classes of cells in processes that multiprocessing starts anew, and their source.

Runs in: tests, against real sessions and real pools.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyshell import Session
from tests.live import PATIENCE, live

VERSIONS = ["3.10", "3.11", "3.12", "3.13"]
DEFINES = """\
import dataclasses, enum, functools, math, multiprocessing, threading
from collections import Counter
with open("ran", "a") as file: file.write("x")
N, table = len("ab"), {"k": [1]}
lock = threading.Lock()

class Kind(enum.Enum):
    ONE = 1

@dataclasses.dataclass
class Point:
    x: int
    kind: Kind = Kind.ONE

    def grown(self, by):
        return Point(self.x + by, self.kind)

def decorated(function):
    with open("ran", "a") as file: file.write("d")
    @functools.wraps(function)
    def inside(*args):
        return function(*args)
    return inside

add = lambda x: x + N
cached = functools.lru_cache(None)(add)
origin = Point(0)

@decorated
def work(x):
    with lock:
        return origin.grown(cached(x) + math.floor(table["k"][0])), Kind.ONE, Counter("a")
"""
EXPECTED = "[(Point(x=3, kind=<Kind.ONE: 1>), <Kind.ONE: 1>, Counter({'a': 1}))]"
POOL = "with multiprocessing.get_context({!r}).Pool(1) as pool: got = pool.map(work, [0])\ngot"


@pytest.fixture(autouse=True)
def own_temporary_files(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A pool that ends with its worker leaves a directory behind."""
    with tempfile.TemporaryDirectory(prefix="spawns-", ignore_cleanup_errors=True) as directory:
        monkeypatch.setenv("TMPDIR", directory)
        yield


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with live("spawns", cwd=str(tmp_path)) as session:
        yield session


def run(session: Session, code: str) -> str:
    reply = session.run(code, PATIENCE)
    assert reply.status == "ok", reply
    return reply.result or reply.output


@pytest.mark.parametrize("version", VERSIONS)
def test_definitions_are_there_in_new_processes(pythons: dict[str, str], version: str, tmp_path: Path) -> None:
    if version not in pythons:
        pytest.skip(f"no python{version} here")
    with live("spawns", cwd=str(tmp_path), python=pythons[version]) as session:
        session.wait_saved(session.run(DEFINES, PATIENCE).cell, PATIENCE)
        assert run(session, POOL.format("spawn")) == EXPECTED
        assert run(session, POOL.format("forkserver")) == EXPECTED
        assert run(session, "got[0][1] is Kind.ONE, type(got[0][0]) is Point") == "(True, True)"
        code = "from concurrent.futures import ProcessPoolExecutor as Executor\n"
        code += "with Executor(1, multiprocessing.get_context('spawn')) as pool: got = list(pool.map(work, [0]))\ngot"
        assert run(session, code) == EXPECTED
        assert session.run("import os; os.kill(os.getpid(), 9)", PATIENCE).status == "died"
        assert run(session, POOL.format("spawn")) == EXPECTED
        assert run(session, POOL.format("forkserver")) == EXPECTED
        assert run(session, "import pickle; pickle.loads(pickle.dumps((work, Point(1))))[1]").startswith("Point(x=1")
        assert (tmp_path / "ran").read_text() == "xd"


def test_a_new_definition_takes_the_place_of_the_old_one(session: Session) -> None:
    run(session, "import multiprocessing\ncontext = multiprocessing.get_context('forkserver')")
    run(session, "def work(x): return 'old'")
    assert run(session, "with context.Pool(1) as pool: got = pool.map(work, [0])\ngot") == "['old']"
    run(session, "def work(x): return M\nM = 'new'")
    assert run(session, "with context.Pool(1) as pool: got = pool.map(work, [0])\ngot") == "['new']"
    run(session, "M = 'newer'")
    assert run(session, "with context.Pool(1) as pool: got = pool.map(work, [0])\ngot") == "['newer']"


def test_a_process_of_a_process_has_them_too(session: Session) -> None:
    run(session, "import multiprocessing\ndef inner(x): return x + 1")
    run(session, "from concurrent.futures import ProcessPoolExecutor\ncontext = multiprocessing.get_context('spawn')")
    run(session, "def outer(x):\n    with ProcessPoolExecutor(1, context) as p: return p.submit(inner, x).result()")
    code = "with ProcessPoolExecutor(1, context) as pool: got = pool.submit(outer, 1).result()\ngot"
    assert run(session, code) == "2"


def test_what_cannot_go_along_says_so_where_it_is_used(session: Session) -> None:
    run(session, "import multiprocessing\nstream = (n for n in range(3))")
    run(session, "def work(x): return next(stream)\ndef fine(x): return x")
    start = "with multiprocessing.get_context('spawn').Pool(1) as pool: got = pool.map({}, [5])\ngot"
    assert run(session, start.format("fine")) == "[5]"
    reply = session.run(start.format("work"), PATIENCE)
    assert reply.error is not None and "generator" in reply.error.traceback


def test_a_value_that_does_not_come_back_costs_only_itself(session: Session) -> None:
    run(
        session,
        "import multiprocessing, os\nhome = os.getpid()\n"
        "def make(pid):\n    if os.getpid() != pid: raise OSError('not here')\n    return Odd()\n"
        "class Odd:\n    def __reduce__(self): return make, (home,)\n"
        "odd = Odd()\ndef work(x): return odd\ndef fine(x): return x",
    )
    start = "with multiprocessing.get_context('spawn').Pool(1) as pool: got = pool.map({}, [5])\ngot"
    assert run(session, start.format("fine")) == "[5]"
    reply = session.run(start.format("work"), PATIENCE)
    assert reply.error is not None and "name 'odd' is not defined" in reply.error.message


def test_an_error_there_shows_the_line_of_the_cell(session: Session) -> None:
    run(session, "import multiprocessing\ndef work(x):\n    return 1 / x  # here")
    reply = session.run("with multiprocessing.get_context('spawn').Pool(1) as pool: pool.map(work, [0])", PATIENCE)
    assert reply.error is not None and "return 1 / x  # here" in reply.error.traceback


def test_the_console_still_looks_interactive(session: Session) -> None:
    run(session, DEFINES)
    run(session, POOL.format("spawn"))
    assert run(session, "import __main__; hasattr(__main__, '__file__'), '__file__' in globals()") == "(False, False)"
    assert run(session, "multiprocessing.spawn.__spec__.loader is multiprocessing.spawn.__loader__") == "True"


def test_joblib_runs_functions_of_cells(session: Session) -> None:
    if "error" in session.run("import joblib", PATIENCE).status:
        pytest.skip("joblib is not installed")
    run(session, "def work(x): return x + N\nN = 1")
    assert run(session, "joblib.Parallel(2)(joblib.delayed(work)(x) for x in range(3))") == "[1, 2, 3]"


@pytest.mark.parametrize("version", VERSIONS)
def test_the_source_of_what_cells_define_is_found(pythons: dict[str, str], version: str) -> None:
    if version not in pythons:
        pytest.skip(f"no python{version} here")
    with live("sources", python=pythons[version]) as session:
        run(session, "class A:\n    old = 1\n")
        code = "class A:\n    x = 1\n\n    class B:\n        def m(self):\n            return 2\n"
        session.wait_saved(session.run(code + "\ndef f():\n    return 3\n", PATIENCE).cell, PATIENCE)
        for _ in range(2):
            assert run(session, "import inspect; print(inspect.getsource(A), end='')") == code
            assert run(session, "inspect.getsource(A.B.m)") == repr("        def m(self):\n            return 2\n")
            assert run(session, "inspect.getsource(A.B).splitlines()[0]") == "'    class B:'"
            assert run(session, "inspect.getsource(f)") == repr("def f():\n    return 3\n")
            session.run("import os; os.kill(os.getpid(), 9)", PATIENCE)
        reply = session.run("C = type('C', (), {})\ninspect.getsource(C)", PATIENCE)
        assert reply.error is not None and reply.error.kind in ("OSError", "TypeError")
