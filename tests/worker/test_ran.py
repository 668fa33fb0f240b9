"""Which code of the session ran, as Python's own monitoring tells it: nobody else is disturbed, nothing gets slower.

Runs in: tests, and in Pythons from 3.12 on.
"""

from __future__ import annotations

import subprocess
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

import pyshell
from tests.sessions import SECONDS, kill, started, until

NEW = ("3.12", "3.13")
HEAD = f"""
import sys
sys.path.insert(0, {str(Path(pyshell.__file__).parents[1])!r})
from pyshell.worker.ran import Ran, NAME
monitoring = sys.monitoring
ran, names = Ran(), {{}}
code = compile('''
def f(n): return first + n
def g(n):
    total = 0
    for i in range(n): total = f(i)
    return (lambda: second)()
class C:
    def m(self): return third
def never(): return fourth
first = second = third = fourth = 1
''', "<cell>", "exec")
ran.watch(code)
exec(code, names)
ran.take()
"""


@pytest.fixture(params=NEW)
def play(request: pytest.FixtureRequest, pythons: dict[str, str]) -> Callable[[str], None]:
    """Run statements after HEAD in that Python; they must not raise."""
    if request.param not in pythons:
        pytest.skip(f"needs Python {request.param}")

    def run(statements: str) -> None:
        program = HEAD + textwrap.dedent(statements)
        done = subprocess.run([pythons[request.param], "-c", program], capture_output=True, text=True)
        assert (done.stderr, done.returncode) == ("", 0)

    return run


def test_what_ran_is_told_once_for_each_cell(play: Callable[[str], None]) -> None:
    play("""
    for _ in range(3):
        ran.begin()
        names["g"](5)
        names["g"](5)
        assert ran.take() == {"f", "range", "first", "second"}, ran.take()
    ran.begin()
    names["C"]().m()
    assert ran.take() == {"third"}
    ran.begin()
    assert ran.take() == set()
    names["f"](1)  # between two cells
    ran.begin()
    assert ran.take() == {"first"}
    """)


def test_the_code_is_the_same_bytes(play: Callable[[str], None]) -> None:
    play("""
    import marshal
    names["g"](5)
    found = [marshal.dumps(names["g"].__code__, 2)]
    ran.begin()
    found.append(marshal.dumps(names["g"].__code__, 2))
    monitoring.free_tool_id(4)
    fresh = {}
    exec(compile("def g(n):\\n    total = 0\\n    for i in range(n): total = f(i)\\n    return (lambda: second)()",
                 "<cell>", "exec"), fresh)
    assert found[0] == found[1]
    assert len({bytes(names["g"].__code__.co_code), bytes(fresh["g"].__code__.co_code)}) == 1
    """)


def test_tools_of_others_are_left_alone(play: Callable[[str], None]) -> None:
    play("""
    assert [monitoring.get_tool(tool) for tool in range(6)] == [None] * 4 + [NAME, None]
    seen = []
    def theirs(code, offset):
        seen.append(code.co_name)
        return monitoring.DISABLE
    monitoring.use_tool_id(monitoring.COVERAGE_ID, "theirs")
    monitoring.register_callback(monitoring.COVERAGE_ID, monitoring.events.PY_START, theirs)
    monitoring.set_events(monitoring.COVERAGE_ID, monitoring.events.PY_START)
    for _ in range(3):
        ran.begin()
        names["f"](1)
        assert ran.take() == {"first"}
    assert seen.count("f") == 1, "what they switched off stays off"
    monitoring.restart_events()
    ran.begin()
    names["f"](1)
    assert ran.take() == {"first"} and seen.count("f") == 2
    """)


def test_where_all_tools_are_taken_nothing_is_told(play: Callable[[str], None]) -> None:
    play("""
    monitoring.use_tool_id(3, "theirs")
    other = Ran()
    other.watch(code)
    other.begin()
    names["f"](1)
    assert other.take() == set()
    assert monitoring.get_tool(3) == "theirs"
    """)


def test_a_tool_that_the_user_sets_free_is_given_up(play: Callable[[str], None]) -> None:
    play("""
    monitoring.free_tool_id(4)
    monitoring.use_tool_id(4, "theirs")
    ran.begin()
    names["f"](1)
    ran.take()
    fresh = compile("def f(): pass", "<cell>", "exec")
    ran.watch(fresh)
    assert monitoring.get_local_events(4, fresh) == 0
    assert monitoring.get_tool(4) == "theirs"
    """)


def test_code_runs_on_without_being_watched(play: Callable[[str], None]) -> None:
    """After its first start in a cell nobody is called for it: a thousand calls cost what they cost."""
    play("""
    calls = []
    def count(code, offset):
        calls.append(code.co_name)
        return ran._on_start(code, offset)
    monitoring.register_callback(4, monitoring.events.PY_START, count)
    ran.begin()
    names["g"](1000)
    assert sorted(calls) == ["<lambda>", "f", "g"], calls
    """)


def test_older_pythons_tell_nothing(pythons: dict[str, str]) -> None:
    tell = (
        f"import sys; sys.path.insert(0, {str(Path(pyshell.__file__).parents[1])!r})\n"
        "from pyshell.worker.ran import Ran\n"
        "ran = Ran(); code = compile('first', '', 'eval'); ran.watch(code); ran.begin()\n"
        "eval(code, {'first': 1}); print(sorted(ran.take()))"
    )
    for version, python in pythons.items():
        done = subprocess.run([python, "-c", tell], capture_output=True, text=True)
        assert (done.stdout, done.stderr) == ("['first']\n" if version in NEW else "[]\n", "")


CALLED_BACK = (
    "import logging\nheard = []; also = []; ballast = [{'n': n} for n in range(400_000)]",
    "class Keep(logging.Handler):\n    def emit(self, record): heard.append(record.getMessage())",
    "%run -i also.py",
    "logging.getLogger('ran').addHandler(Keep()); logging.getLogger('ran').addHandler(Also()); del Keep, Also",
)
ALSO = "class Also(logging.Handler):\n    def emit(self, record): also.append(record.getMessage())"


@pytest.mark.parametrize("version", NEW)
@pytest.mark.usefixtures("xdg")
def test_what_a_callback_changes_is_saved_with_its_cell(
    pythons: dict[str, str], version: str, tmp_path: Path
) -> None:
    """Whether a cell has made it or a file that was run."""
    if version not in pythons:
        pytest.skip(f"needs Python {version}")
    (tmp_path / "also.py").write_text(ALSO)
    with started(python=pythons[version], cwd=str(tmp_path)) as session:
        for code in CALLED_BACK:
            reply = session.run(code, SECONDS)
            assert reply.status == "ok", reply
        session.wait_saved(reply.cell)
        for text in ("one", "two"):
            reply = session.run(f"logging.getLogger('ran').error({text!r})", SECONDS)
            assert reply.changes is not None and set(reply.changes.changed) == {"heard", "also"}
            session.wait_saved(reply.cell)
        kill(session.pid or 0)
        until(session, lambda event: event.kind == "restored" and event.epoch == 2)
        assert session.run("heard, also", SECONDS).result == "(['one', 'two'], ['one', 'two'])"
