"""Cells in a real session: what is displayed, what a traceback shows, what ends and what does not.

Runs in: tests.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

import pytest

from pyshell import Session
from pyshell.client import Reply
from tests.live import PATIENCE, begin_storm, end_storm, live, wait_for_output
from tests.sessions import until


@pytest.fixture(scope="module")
def shared() -> Iterator[Session]:
    with live("cells") as session:
        yield session


@pytest.fixture
def session(shared: Session) -> Iterator[Session]:
    """One worker for all of these tests: no test may end it."""
    pid = shared.pid
    yield shared
    assert shared.pid == pid
    assert shared.run("6 * 7", PATIENCE).result == "42"


def run(session: Session, code: str) -> Reply:
    return session.run(code, PATIENCE)


def traceback_of(reply: Reply) -> str:
    assert reply.error is not None
    return reply.error.traceback


def notices(session: Session, cell: int) -> str:
    found = []
    for event in session.events(0, cell):
        if event.kind == "notice":
            found.append(event.body.text)
        elif event.kind == "finished":
            break
    return "\n".join(found)


# --- what is displayed ------------------------------------------------------------------------------------

DISPLAYED = {
    "1 + 1": "2",
    "x = 1": None,
    "None": None,
    "'a'; 'b'": "'b'",
    "5;": None,
    "5 ;  # silent": None,
    "5  # shown;": "5",
    "';'": "';'",
    "(1,\n 2)": "(1, 2)",
    "(1,\n 2);": None,
    "'\u00e4\u20ac\U0001f600';": None,
    "'\u00e4\u20ac\U0001f600'": "'\u00e4\u20ac\U0001f600'",
    "'a\x0cb\u2028c'\n1;": None,
    "x = '''\x0c\x0c;'''\n7": "7",
    "if True:\n    5": None,
    "def f(): pass\nf": "<function f at ",
    "": None,
    "# nothing": None,
    "\n\n3\n\n": "3",
    "1\r\n2\r\n": "2",
    "await_ = 1\nawait_": "1",
    "__name__": "'__main__'",
    "__import__('sys').argv": "['']",
    "__import__('sys').modules['__main__'].__dict__ is globals()": "True",
    "globals().get('__file__', 'none')": "'none'",
    "[c for c in dir() if 'pyshell' in c.lower()]": "[]",
    "_ = 1; x = 2": None,
}


@pytest.mark.parametrize("code", DISPLAYED)
def test_the_last_expression_is_displayed(session: Session, code: str) -> None:
    reply = run(session, code)
    assert (reply.status, reply.error, reply.output) == ("ok", None, "")
    expected = DISPLAYED[code]
    assert reply.result == expected or (expected or "-") in (reply.result or "")
    run(session, "globals().pop('_', None);")


def test_results_are_kept_under_their_numbers(session: Session) -> None:
    first = run(session, "['first']").cell
    run(session, "['second']")
    last = run(session, "['third']").cell
    assert run(session, "_, __, ___").result == "(['third'], ['second'], ['first'])"
    assert run(session, f"Out[{first}] is _{first}, In[{last}]").result == "(True, \"['third']\")"
    assert run(session, "_[0], __").result == "(True, (['third'], ['second'], ['first']))"
    silent = run(session, "['silent'];").cell
    assert run(session, f"{silent} in Out").result == "False"


def test_the_users_own_underscore_is_left_alone(session: Session) -> None:
    run(session, "5")
    run(session, "_ = str.upper")
    assert run(session, "_('gettext')").result == "'GETTEXT'"
    assert run(session, "_('again')").result == "'AGAIN'"
    run(session, "del _")
    run(session, "'new'")
    assert run(session, "_").result == "'new'"


def test_in_and_out_belong_to_the_user(session: Session) -> None:
    run(session, "In.clear(); Out.clear(); del In, Out")
    cell = run(session, "8").cell
    assert run(session, f"_{cell}").result == "8"


def test_a_long_repr_is_cut_and_the_value_kept(session: Session) -> None:
    reply = run(session, "'x' * 3_000_000")
    assert reply.result is not None and reply.result.endswith("… (1951426 more characters)")
    assert run(session, "len(_)").result == "3000000"
    exact = run(session, "class Exact:\n    def __repr__(self): return 'y' * (1 << 20)\nExact()")
    assert exact.result == "y" * (1 << 20)
    wide = run(session, "'\U0001f600' * (1 << 20)")
    assert wide.result is not None and len(wide.result) > 1 << 20


def test_many_long_results_of_one_cell(session: Session) -> None:
    """More than one message holds: they must neither be lost nor end the session."""
    reply = run(session, "import sys\nfor i in range(20): sys.displayhook(str(i) * 1_000_000)")
    assert reply.status == "ok"
    results = []
    for event in session.events(0, reply.cell):
        if event.kind == "result":
            results.append(event.body.text)
        elif event.kind == "finished":
            break
    assert [len(text) for text in results] == [1_000_002] * 10 + [1048576 + len("… (951426 more characters)")] * 10


HOSTILE_REPRS = {
    "raise ValueError('no repr')": ("error", "ValueError"),
    "raise SystemExit(3)": ("error", "SystemExit"),
    "raise KeyboardInterrupt": ("interrupted", "KeyboardInterrupt"),
    "raise GeneratorExit": ("error", "GeneratorExit"),
    "return 5": ("error", "TypeError"),
    "return repr(self)": ("error", "RecursionError"),
}


@pytest.mark.parametrize("body", HOSTILE_REPRS)
def test_a_repr_that_fails_is_the_cells_error(session: Session, body: str) -> None:
    reply = run(session, f"class Hostile:\n    def __repr__(self): {body}\nHostile()")
    status, kind = HOSTILE_REPRS[body]
    assert reply.error is not None
    assert (reply.status, reply.error.kind) == (status, kind)
    assert traceback_of(reply).endswith(reply.error.message + "\n") and "worker" not in traceback_of(reply)


def test_a_repr_of_a_strange_text_is_shown(session: Session) -> None:
    code = """
class Text(str):
    def __getitem__(self, key): raise SystemExit
    def __len__(self): raise SystemExit
    def __str__(self): raise SystemExit
class Strange:
    def __repr__(self): return Text("strange \\ud800")
Strange()
"""
    assert run(session, code).result == "strange \\ud800"


def test_a_slow_repr_can_be_interrupted(session: Session) -> None:
    code = """
import time
class Slow:
    def __repr__(self):
        print("begun")
        time.sleep(60)
Slow()
"""
    cell = session.execute(code)
    wait_for_output(session, cell, "begun")
    session.interrupt()
    assert session.wait(cell, PATIENCE).status == "interrupted"


def test_a_name_of_a_strange_metaclass(session: Session) -> None:
    code = """
class Meta(type):
    def __getattribute__(cls, name): raise SystemExit(name)
class Odd(metaclass=Meta):
    def __repr__(self): return "odd"
Odd()
"""
    assert run(session, code).result == "odd"


def test_the_users_displayhook_is_used_until_taken_back(session: Session) -> None:
    run(session, "import sys\nsys.displayhook = lambda v: print('shown:', v)")
    reply = run(session, "5")
    assert (reply.result, reply.output) == (None, "shown: 5\n")
    run(session, "def broken(v): raise ValueError(v)\nsys.displayhook = broken")
    reply = run(session, "5")
    assert reply.status == "error" and reply.error is not None and reply.error.kind == "ValueError"
    assert run(session, "del sys.displayhook\n5").status == "error"
    assert run(session, "sys.displayhook = sys.__displayhook__\n5").result == "5"


def test_the_users_excepthook_is_used_until_taken_back(session: Session) -> None:
    run(session, "import sys, traceback\nfrom traceback import extract_tb")
    run(session, "def hook(*args): print('hook:', args[0].__name__, extract_tb(args[2]))")
    run(session, "sys.excepthook = hook")
    reply = run(session, "1/0")
    assert reply.status == "error" and reply.error is not None and reply.error.kind == "ZeroDivisionError"
    assert reply.output == f"hook: ZeroDivisionError [<FrameSummary file <In[{reply.cell}]>, line 1 in <module>>]\n"
    for broken in ("raise SystemExit(1)", "raise ValueError('x')", "raise KeyboardInterrupt"):
        run(session, f"def hook(*args): {broken}\nsys.excepthook = hook")
        reply = run(session, "1/0")
        assert reply.status == "error" and "sys.excepthook raised" in notices(session, reply.cell)
    run(session, "del sys.excepthook")
    assert run(session, "1/0").status == "error"
    run(session, "sys.excepthook = sys.__excepthook__")
    assert "1/0" in traceback_of(run(session, "1/0"))
    reply = run(session, "try: 1/0\nexcept Exception: sys.excepthook(*sys.exc_info())")
    assert reply.status == "ok" and "ZeroDivisionError: division by zero" in reply.output


def test_an_excepthook_that_hangs_can_be_interrupted(session: Session) -> None:
    run(session, "import sys, time\ndef hook(*args):\n    print('hanging')\n    time.sleep(60)\nsys.excepthook = hook")
    cell = session.execute("1/0")
    wait_for_output(session, cell, "hanging")
    session.interrupt()
    assert session.wait(cell, PATIENCE).status == "error"
    run(session, "sys.excepthook = sys.__excepthook__")


# --- ends -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["exit()", "quit()", "raise SystemExit", "import sys; sys.exit(0)"])
def test_exit_leaves_and_does_not_end_the_session(session: Session, code: str) -> None:
    reply = run(session, code)
    events = until(session, lambda event: event.cell == reply.cell and event.kind == "finished")
    assert reply.status == "ok" and [e.kind for e in events if e.cell == reply.cell].count("leave") == 1


@pytest.mark.parametrize("code", ["raise SystemExit(3)", "import sys; sys.exit('message')", "raise SystemExit([])"])
def test_an_exit_with_a_code_is_an_error(session: Session, code: str) -> None:
    reply = run(session, code)
    assert reply.status == "error" and reply.error is not None and reply.error.kind == "SystemExit"


def test_a_hostile_exit_code(session: Session) -> None:
    code = """
class Code:
    def __eq__(self, other): raise ValueError("asked")
    def __str__(self): raise SystemExit
raise SystemExit(Code())
"""
    reply = run(session, code)
    assert reply.status == "error" and reply.error is not None and reply.error.kind == "SystemExit"


# --- tracebacks ---------------------------------------------------------------------------------------------


def test_a_traceback_shows_the_cells_lines_and_none_of_ours(session: Session) -> None:
    defining = run(session, "def divide(a, b):\n    return a / b\n").cell
    reply = run(session, "x = 1\ndivide(x, 0)")
    text = traceback_of(reply)
    lines = [line.strip() for line in text.splitlines() if "^" not in line]
    assert lines == [
        "Traceback (most recent call last):",
        f'File "<In[{reply.cell}]>", line 2, in <module>',
        "divide(x, 0)",
        f'File "<In[{defining}]>", line 2, in divide',
        "return a / b",
        "ZeroDivisionError: division by zero",
    ]


@pytest.mark.parametrize("code", ["[0, 1 / 0]", "x = 1\n(x, nothing)", "é = 1; [é, 1 / 0]\n"])
def test_a_traceback_marks_what_failed(session: Session, code: str) -> None:
    line, marks = traceback_of(run(session, code)).splitlines()[-3:-1]
    at = len(marks) - len(marks.lstrip())
    assert line[at : at + len(marks.strip())] in ("1 / 0", "nothing")


WRONG_NAMES = {
    "total_sum = 1\ntotl_sum": ["'total_sum'"],
    "def f():\n    length = 1\n    return lenght\nf()": ["'length'"],
    "[].apend(1)": ["'append'"],
    "import math\nmath.sqr(2)": ["'sqrt'"],
    "class P:\n    @property\n    def value(self): print('run')\nP().valu": ["'value'"],
    "pritn(1)": ["'print'"],
    "nothing_like_it": [],
    "raise NameError('totl_sum')": [],
}


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
def test_a_wrong_name_is_told_with_the_right_one(pythons: dict[str, str], version: str) -> None:
    """Once: from 3.12 on Python's own traceback tells it."""
    if version not in pythons:
        pytest.skip(f"there is no python{version}")
    with live("names", python=pythons[version]) as session:
        for code, meant in WRONG_NAMES.items():
            reply = run(session, code)
            assert reply.output == "" and re.findall(r"Did you mean: (.*)\?", traceback_of(reply)) == meant, code


def test_lines_are_counted_as_the_compiler_does(session: Session) -> None:
    reply = run(session, "x = 'a\x0cb\u2028c\x1cd'\nraise ValueError('here')")
    assert "raise ValueError('here')" in traceback_of(reply)
    reply = run(session, "x = 1\r\ny = 2\rraise ValueError('there')")
    assert "line 3" in traceback_of(reply) and "raise ValueError('there')" in traceback_of(reply)


def test_chained_exceptions_have_their_lines_too(session: Session) -> None:
    code = """
def inner(): raise KeyError("inner")
try:
    inner()
except KeyError as exc:
    raise ValueError("outer") from exc
"""
    text = traceback_of(run(session, code))
    assert "inner()" in text and "direct cause" in text and "raise ValueError" in text and "worker" not in text
    text = traceback_of(run(session, "try: 1/0\nexcept Exception: undefined_name"))
    assert "During handling" in text and "worker" not in text


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups are new in 3.11")
def test_exception_groups_and_notes(session: Session) -> None:
    code = """
found = []
for number in range(3):
    try:
        1 / 0
    except ZeroDivisionError as exc:
        exc.add_note(f"note {number}")
        found.append(exc)
raise ExceptionGroup("several", found)
"""
    text = traceback_of(run(session, code))
    assert text.count("1 / 0") == 3 and "note 2" in text and "raise ExceptionGroup" in text and "worker" not in text


@pytest.mark.parametrize(
    "code, expected",
    [
        ("def f(", "'(' was never closed"),
        ("\tx = 1", "unexpected indent"),
        ("x = = 1", "invalid syntax"),
        ("return 5", "'return' outside function"),
        ("x = 1\ny = (", "'(' was never closed"),
        ("'''", "unterminated"),
        ("f'{'", "f-string"),
    ],
)
def test_a_syntax_error_shows_the_line_and_nothing_else(session: Session, code: str, expected: str) -> None:
    reply = run(session, code)
    text = traceback_of(reply)
    assert reply.error is not None and reply.error.kind in ("SyntaxError", "IndentationError")
    assert expected in text and f'File "<In[{reply.cell}]>"' in text
    assert "ast.py" not in text and "worker" not in text and "Traceback" not in text


def test_a_syntax_error_in_compiled_text_has_its_traceback(session: Session) -> None:
    text = traceback_of(run(session, "compile('x = = 1', 'mine', 'exec')"))
    assert text.startswith("Traceback") and "compile(" in text and 'File "mine"' in text


@pytest.mark.parametrize("code", ["x = '\0'", "(" * 10_000, "-" * 100_000 + "1", "x = " + "1+" * 50_000 + "1"])
def test_what_cannot_be_compiled_is_an_error_and_no_death(session: Session, code: str) -> None:
    assert run(session, code).status in ("error", "ok")


def test_hostile_exceptions_are_described(session: Session) -> None:
    code = """
class Hostile(Exception):
    def __str__(self): raise SystemExit("str")
    __repr__ = __str__
    @property
    def __class__(self): raise SystemExit("class")
    @property
    def __notes__(self): raise SystemExit("notes")
raise Hostile
"""
    reply = run(session, code)
    assert reply.status == "error" and reply.error is not None and reply.error.kind == "Hostile"
    reply = run(
        session, "class Text(str):\n    def __getitem__(self, k): raise SystemExit\nraise ValueError(Text('odd'))"
    )
    assert reply.error is not None and reply.error.message == "odd"
    reply = run(session, "class S(Exception):\n    def __str__(self): return Text('odd')\nraise S")
    assert reply.error is not None and reply.error.message == "odd"
    reply = run(session, "raise type('x' * 1_000_000, (Exception,), {})('y' * 10_000_000)")
    assert reply.error is not None and len(reply.error.kind) < 2000


def test_a_very_long_chain_of_exceptions(session: Session) -> None:
    code = """
exc = None
for i in range(2000):
    new = ValueError(i)
    new.__context__, exc = exc, new
raise exc
"""
    reply = run(session, code)
    assert reply.error is not None and reply.error.kind == "ValueError" and "ValueError: 1999" in traceback_of(reply)
    assert run(session, "def f(): f()\nf()").status == "error"
    run(session, "del exc, new")


def test_sources_can_be_asked_for(session: Session) -> None:
    run(session, "def documented():\n    '''It is.'''\n    return 1\n")
    code = "import inspect\ninspect.getsource(documented)"
    assert run(session, code).result == repr("def documented():\n    '''It is.'''\n    return 1\n")


# --- features and await ---------------------------------------------------------------------------------------


def test_future_features_hold_for_later_cells_and_only_once_asked_for(session: Session) -> None:
    assert run(session, "def f(a: undefined_thing): pass").status == "error"
    assert run(session, "'docstring'\nfrom __future__ import annotations\n1").result == "1"
    assert run(session, "def f(a: undefined_thing): pass\nf.__annotations__").result == "{'a': 'undefined_thing'}"
    assert run(session, "from __future__ import nonsense").status == "error"


def test_top_level_await(session: Session) -> None:
    run(session, "import asyncio\nasync def answer():\n    await asyncio.sleep(0)\n    return 42")
    assert run(session, "await answer()").result == "42"
    assert run(session, "await answer();").result is None
    assert run(session, "x = await answer()\nx + 1").result == "43"
    assert run(session, "async for_ = 1").status == "error"
    run(session, "async def numbers():\n    for i in range(3): yield i")
    code = "async for n in numbers(): print(n)\n[n async for n in numbers()]"
    reply = run(session, code)
    assert (reply.output, reply.result) == ("0\n1\n2\n", "[0, 1, 2]")
    assert run(session, "async with asyncio.timeout(5):\n    await answer()" if sys.version_info > (3, 11) else "1")
    assert run(session, "asyncio.run(answer())").result == "42"
    assert run(session, "await answer()").result == "42"


def test_tasks_live_on_between_cells(session: Session) -> None:
    run(
        session,
        "import asyncio\nevent = asyncio.Event()\nasync def waiter():\n    await event.wait()\n    return 'done'",
    )
    run(session, "async def start(): return asyncio.ensure_future(waiter())\ntask = await start()")
    run(session, "event.set()")
    assert run(session, "await task").result == "'done'"


def test_an_error_in_an_await_shows_the_users_frames(session: Session) -> None:
    run(session, "import asyncio\nasync def fail():\n    await asyncio.sleep(0)\n    raise ValueError('awaited')")
    text = traceback_of(run(session, "await fail()"))
    assert (
        "await fail()" in text
        and "raise ValueError('awaited')" in text
        and "asyncio" not in text.replace("import asyncio", "")
    )


def test_an_await_can_be_interrupted_and_cleans_up(session: Session) -> None:
    code = """
import asyncio
async def wait():
    try:
        asyncio.get_running_loop().call_soon(print, "waiting")  # by the loop: then this waits already
        await asyncio.sleep(60)
    finally:
        print("cleaned up")
await wait()
"""
    cell = session.execute(code)
    wait_for_output(session, cell, "waiting")
    session.interrupt()
    reply = session.wait(cell, PATIENCE)
    assert reply.status == "interrupted" and reply.output == "waiting\ncleaned up\n"
    assert "await asyncio.sleep(60)" in traceback_of(reply) and "select" not in traceback_of(reply)
    assert traceback_of(reply).endswith("KeyboardInterrupt\n")


# --- interrupts -------------------------------------------------------------------------------------------------


def test_an_interrupt_ends_the_cell_and_nothing_else(session: Session) -> None:
    for code in ("print('go')\nwhile True: pass", "import time\nprint('go')\ntime.sleep(60)"):
        cell = session.execute(code)
        wait_for_output(session, cell, "go")
        session.interrupt()
        reply = session.wait(cell, PATIENCE)
        assert reply.status == "interrupted" and reply.error is not None and reply.error.kind == "KeyboardInterrupt"
        assert "interrupts.py" not in traceback_of(reply)


def test_the_users_own_handler_is_kept_and_never_runs_between_cells(session: Session) -> None:
    run(session, "import os, signal, time\nhits = []\nsignal.signal(signal.SIGINT, lambda *a: hits.append(1));")
    cell = session.execute("print('go')\nwhile not hits: time.sleep(0.01)\nhits")
    wait_for_output(session, cell, "go")
    session.interrupt()
    assert session.wait(cell, PATIENCE).result == "[1]"
    code = (
        "signal.signal(signal.SIGINT, signal.default_int_handler)\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)"
    )
    assert run(session, code).status == "interrupted"
    run(session, "signal.signal(signal.SIGINT, signal.SIG_IGN);")
    assert run(session, "os.kill(os.getpid(), signal.SIGINT)\n5").result == "5"
    run(session, "signal.signal(signal.SIGINT, signal.default_int_handler);")


def test_storms_of_interrupts_never_hurt_the_worker(session: Session) -> None:
    """Signals at any moment, in prints, results, errors and between cells: one cell after the other ends."""
    begin_storm(session)
    cells = ("for i in range(100): print(i)\n'x' * 1000", "1/0", "[0] * 100", "import time; time.sleep(0.01)")
    for number in range(150):
        code = cells[number % len(cells)]
        assert run(session, code).status in ("ok", "error", "interrupted")
    end_storm(session)
    for number in range(20):
        assert run(session, f"print('line {number}')").output == f"line {number}\n"
