"""Workers in other interpreters: bare ones that have nothing, and ones that have their own versions of what we lend.

Runs in: tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pyshell import Session
from tests.live import (
    PATIENCE,
    begin_storm,
    end_storm,
    live,
    make_environment,
    wait_for_input,
    wait_for_output,
    wait_until_saved,
)
from tests.sessions import becomes_true

VERSIONS = ("3.10", "3.11", "3.12", "3.13")


@pytest.fixture(scope="module", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def bare(version: str, pythons: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A session in a virtual environment with nothing in it."""
    if version not in pythons:
        pytest.skip(f"no python{version} on this machine")
    python = make_environment(pythons[version], tmp_path_factory.mktemp("bare") / version)
    with live(f"bare-{version}", python=str(python)) as session:
        yield session


def result(session: Session, code: str) -> str | None:
    reply = session.run(code, PATIENCE)
    assert reply.error is None, reply.error.traceback
    return reply.result


def test_a_bare_environment_is_a_worker(bare: Session, version: str) -> None:
    session = bare
    assert result(session, "import sys; '%d.%d' % sys.version_info[:2]") == repr(version)
    assert session.status().python.startswith(version + ".")
    assert result(session, "sys.prefix != sys.base_prefix and sys.prefix in sys.executable") == "True"
    assert result(session, "sys.path[0], sys.argv") == "('', [''])"


@pytest.mark.parametrize("package", ["rpyc", "dill", "urwid", "pygments"])
def test_what_is_lent_is_not_the_users(bare: Session, package: str) -> None:
    session = bare
    reply = session.run(f"import {package}", PATIENCE)
    assert reply.error is not None and reply.error.kind == "ModuleNotFoundError"
    code = f"import sys\n[n for n in sys.modules if n.partition('.')[0] == {package!r}]"
    assert result(session, code) == "[]"


def test_our_own_installation_is_not_on_its_path(bare: Session) -> None:
    session = bare
    lent = "import importlib.util as u\n[n for n in ('pytest', 'numpy', 'setuptools', 'pip') if u.find_spec(n)]"
    assert result(session, lent) == "[]"
    assert result(session, "import pickle\npickle.Pickler.__module__, pickle.dumps is __import__('_pickle').dumps") == (
        "('_pickle', True)"
    )


def test_the_whole_of_a_cell_works_in_every_python(bare: Session) -> None:
    session = bare
    session.run("import asyncio, os, sys\nasync def f():\n    await asyncio.sleep(0)\n    return 42")
    assert result(session, "await f()") == "42"
    reply = session.run("def g():\n    return 1 / 0\ng()", PATIENCE)
    assert reply.error is not None and "return 1 / 0" in reply.error.traceback and "worker" not in reply.error.traceback
    reply = session.run("x = = 1", PATIENCE)
    assert reply.error is not None and reply.error.traceback.startswith('  File "<In[')
    # Printed by the loop: then the cell waits already.
    session.run("async def wait():\n    asyncio.get_running_loop().call_soon(print, 'go')\n    await asyncio.sleep(60)")
    cell = session.execute("await wait()")
    wait_for_output(session, cell, "go")
    session.interrupt()
    interrupted = session.wait(cell, PATIENCE)
    assert interrupted.status == "interrupted" and interrupted.error is not None
    assert "await asyncio.sleep(60)" in interrupted.error.traceback
    cell = session.execute("input('? ')")
    wait_for_input(session, cell)
    session.input("yes")
    assert session.wait(cell, PATIENCE).result == "'yes'"
    # On a busy machine the first answers come too late.
    assert becomes_true(lambda: "getcwd" in {match.text for match in session.complete("os.getc", 7).matches})
    assert becomes_true(lambda: session.inspect("g", 1).signature == "()")
    burst = "".join([f"{i}\n" for i in range(500)])
    reply = session.run("for i in range(500): print(i)\nos.system('echo done');", PATIENCE)
    assert reply.output == burst + "done\n"


def test_a_death_in_every_python_brings_the_variables_back(bare: Session) -> None:
    session = bare
    session.run("import os\nkept = {'a': [1, 2]}\ndef double(x): return x * 2\nclass C:\n    z = 3\nc = C()", PATIENCE)
    wait_until_saved(session)
    reply = session.run("print('last', end='')\nos.kill(os.getpid(), 9)", PATIENCE)
    assert reply.status == "died" and reply.output == "last" and "kept" in reply.restored
    assert result(session, "kept, double(21), c.z, isinstance(c, C)") == "({'a': [1, 2]}, 42, 3, True)"
    assert result(session, "_") == "({'a': [1, 2]}, 42, 3, True)"


def test_a_storm_of_interrupts_in_every_python(bare: Session) -> None:
    session = bare
    pid = session.pid
    begin_storm(session)
    cells = ("for i in range(100): print(i)\n'x' * 1000", "1/0", "[0] * 100")
    for number in range(60):
        assert session.run(cells[number % 3], PATIENCE).status in ("ok", "error", "interrupted")
    end_storm(session)
    assert session.pid == pid and result(session, "6 * 7") == "42"


@pytest.mark.parametrize("place", ["path", "site", "early"])
def test_the_users_own_packages_of_these_names_are_the_users(pythons: dict[str, str], xdg: Path, place: str) -> None:
    """On PYTHONPATH, installed, or imported by a .pth file while the interpreter comes up."""
    python = make_environment(pythons["3.11"], xdg / "venv")
    (site,) = (xdg / "venv" / "lib").glob("python*/site-packages")
    packages = xdg / "packages" if place == "path" else site
    for name in ("rpyc", "dill"):
        directory = packages / name
        directory.mkdir(parents=True)
        (directory / "__init__.py").write_text(f"from {name}.core import value\n__version__ = 'mine'\n")
        (directory / "core.py").write_text(f"value = 'the user\\'s {name}'\n")
    if place == "early":
        (site / "early.pth").write_text("import rpyc, dill\n")
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(packages) if place == "path" else ""}
    with live("own", python=str(python), env=environment) as session:
        code = "import rpyc, dill\nrpyc.__version__, dill.__version__, rpyc.value, dill.core.value"
        assert result(session, code) == "('mine', 'mine', \"the user's rpyc\", \"the user's dill\")"
        session.run("import os\nkept = [1, 2]", PATIENCE)
        wait_until_saved(session)
        reply = session.run("os.kill(os.getpid(), 9)", PATIENCE)
        assert reply.status == "died" and "kept" in reply.restored
        assert result(session, "kept, __import__('rpyc').__version__, dill.__version__") == "([1, 2], 'mine', 'mine')"


def test_a_startup_file_is_run_once_and_may_fail(xdg: Path) -> None:
    startup = xdg / "startup.py"
    startup.write_text("import math\nfrom_startup = math.pi\nprint('started up')\n")
    environment = {"PATH": "/usr/bin:/bin", "PYTHONSTARTUP": str(startup)}
    with live("startup", env=environment) as session:
        assert result(session, "from_startup, __name__") == "(3.141592653589793, '__main__')"
        session.run("from_startup = 'changed'", PATIENCE)
        wait_until_saved(session)
        session.run("import os; os._exit(1)", PATIENCE)
        assert result(session, "from_startup") == "'changed'"
    for body in ("1/0", "raise SystemExit(1)", "x = = 1", "raise KeyboardInterrupt"):
        startup.write_text(body)
        with live(f"startup-{abs(hash(body))}", env=environment) as session:
            assert result(session, "1 + 1") == "2"
            told = [event.body.text for event in upto(session) if event.kind == "notice"]
            assert any("PYTHONSTARTUP failed" in text and "worker" not in text for text in told)


def upto(session: Session) -> Iterator[object]:
    last = session.status().last_event
    for event in session.events():
        yield event
        if event.seq >= last:
            return


FLAGS = ("PYTHONSAFEPATH", "PYTHONNOUSERSITE", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONDEVMODE")


@pytest.mark.parametrize("flag", FLAGS)
def test_pythons_own_settings_reach_the_worker(flag: str) -> None:
    with live("flags", env={"PATH": "/usr/bin:/bin", flag: "1"}) as session:
        reply = session.run("import sys\nsys.path[0] == '', [p for p in sys.path if 'worker' in p]", PATIENCE)
        assert reply.result == f"({flag != 'PYTHONSAFEPATH'}, [])" and reply.output == ""


@pytest.mark.parametrize("coding", ["latin-1", "ascii"])
def test_the_terminal_speaks_utf8_whatever_the_locale(coding: str) -> None:
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": coding}
    with live("locale", env=environment) as session:
        assert session.run("print('\u20ac')", PATIENCE).output == "\u20ac\n"
