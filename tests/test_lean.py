"""What is imported of large packages, and that nobody misses the rest.

Runs in: tests.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

UNUSED = {"asyncio", "ssl", "tornado", "zmq", "urwid.vterm", "urwid.widget.edit", "rpyc.utils.server", "rpyc.cli"}


def said(program: str, *path: Path) -> str:
    """What a fresh interpreter prints."""
    program = f"import sys; sys.path[:0] = {[str(directory) for directory in path]}\n{program}"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert answer.stderr == ""
    return answer.stdout.strip()


@pytest.mark.parametrize(
    "modules", ["pyshell.console.app, pyshell.client", "pyshell.host.serving", "pyshell.worker.start"]
)
def test_a_process_imports_only_what_it_uses(modules: str) -> None:
    program = f"""
import sys
sys.modules["ssl"] = None
import {modules}
print([name for name in sorted({UNUSED}) if sys.modules.get(name)])"""
    assert said(program) == "[]"


def test_the_first_frame_waits_for_nothing_that_draws_no_part_of_it() -> None:
    program = """
import os, pty, sys, termios
master, terminal = pty.openpty()
termios.tcsetwinsize(terminal, (24, 80))
printed = os.dup(1)
for number in (0, 1):
    os.dup2(terminal, number)
from pyshell.console import app
console = app.Console(None, "some banner, and a sign: …", 256, app.Options())
console._loop.screen.start()
console._loop.draw_screen()
console._loop.screen.stop()
os.dup2(printed, 1)
print(sorted({"pygments", "random", "rpyc", "pyshell.client", "wcwidth._wcwidth"} & set(sys.modules)))"""
    assert said(program) == "[]"


def test_who_wants_more_of_urwid_or_rpyc_gets_it() -> None:
    program = """
import pyshell.client, pyshell.console.app
import rpyc, urwid
from urwid.widget import Widget as theirs
from urwid.widget.widget import Widget as ours
print(theirs is ours is urwid.Widget, urwid.Text("x").text, urwid.__version__ > "5")
print(rpyc.connect.__module__, callable(rpyc.ThreadedServer), rpyc.core.protocol.Connection is rpyc.Connection)"""
    assert said(program).split("\n") == ["True x True", "rpyc.utils.factory True True"]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package whose `__init__` prints that it runs."""
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "__init__.py").write_text("print('init')\nfrom p.a import A\nlast = 1\n")
    (tmp_path / "p" / "a.py").write_text("class A: pass\n")
    return tmp_path


def test_threads_that_ask_at_the_same_time_get_what_there_is_in_the_end(package: Path) -> None:
    (package / "p" / "__init__.py").write_text(
        "import builtins\nhas = hasattr(__import__('p'), 'missing')\n"
        "builtins.begun.set()\nbuiltins.go_on.wait()\nlast = 1\n"
    )
    program = """
import builtins, threading
from concurrent.futures import ThreadPoolExecutor
from pyshell import lean
builtins.begun, builtins.go_on = threading.Event(), threading.Event()
lean.bare("p")
import p
with ThreadPoolExecutor() as pool:
    first = pool.submit(lambda: p.last)
    begun.wait()
    second = pool.submit(lambda: p.last)
    go_on.set()
    print(first.result(), second.result(), p.has, hasattr(p, "missing"), "__getattr__" in vars(p))"""
    assert said(program, package) == "1 1 False False False"


def test_the_init_of_a_bare_package_runs_when_something_is_asked_of_it(package: Path) -> None:
    program = """
from pyshell import lean
lean.bare("p")
import p.a
from p import a
print(a is p.a)
print(p.last, p.A is a.A)
print(hasattr(p, 'none'))"""
    assert said(program, package).split("\n") == ["True", "init", "1 True", "False"]


def test_a_late_package_is_imported_when_anything_is_asked_of_it(package: Path) -> None:
    # As that of wcwidth: it binds a function to the name of one of its modules.
    (package / "p" / "__init__.py").write_text("print('init')\nfrom . import a as module\ndef a(): pass\n")
    program = """
from pyshell import lean
lean.late("p")
import p
print("imported")
print(callable(p.a), p.module.A.__module__)"""
    assert said(program, package).split("\n") == ["imported", "init", "True p.a"]


def test_names_whose_home_is_known_do_not_run_it(package: Path) -> None:
    program = "from pyshell import lean\nlean.bare('p', {'A': 'a'})\nfrom p import A\nprint(A.__module__)"
    assert said(program, package) == "p.a"


def test_what_was_imported_before_or_is_not_there_stays_so(package: Path) -> None:
    program = """
from pyshell import lean
import p
lean.bare("p")
lean.bare("p_none")
print(sys.modules["p"] is p, "p_none" in sys.modules)"""
    assert said(program, package).split("\n") == ["init", "True False"]
