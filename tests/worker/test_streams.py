"""Output and input of a real worker: complete, in order, and on a real terminal.

Runs in: tests.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyshell import Session
from pyshell.client import Reply
from pyshell.protocol import Finished, InputRequest, Output
from tests.live import PATIENCE, WAITS, live, wait_for_input, wait_for_output


@pytest.fixture(scope="module")
def shared() -> Iterator[Session]:
    with live("streams") as session:
        yield session


@pytest.fixture
def session(shared: Session) -> Iterator[Session]:
    """One worker for all of these tests: no test may end it, or leave its streams broken."""
    pid = shared.pid
    yield shared
    assert shared.pid == pid
    reply = shared.run("print('printed')\n6 * 7", PATIENCE)
    assert (reply.output, reply.result) == ("printed\n", "42")


def run(session: Session, code: str) -> Reply:
    return session.run(code, PATIENCE)


def output(session: Session, code: str) -> str:
    reply = run(session, code)
    assert (reply.status, reply.error) == ("ok", None)
    return reply.output


# --- what is printed -------------------------------------------------------------------------------------

PRINTED = {
    "print('a')": "a\n",
    "print('a', end='')": "a",
    "print('50%', end='\\r')": "50%\r",
    "print('a', end='\\r\\n')": "a\n",
    "print('\\x1b[31mred\\x1b[0m')": "\x1b[31mred\x1b[0m\n",
    "print('\u00e4\u20ac\U0001f600')": "\u00e4\u20ac\U0001f600\n",
    "import sys; sys.stdout.write('x' * 200_000);": "x" * 200_000,
    "import sys; sys.stdout.buffer.write(b'bytes\\n');": "bytes\n",
    "import sys; sys.stdout.buffer.write(memoryview(bytearray(b'view\\n')));": "view\n",
    "import sys; sys.stdout.writelines(['a\\n', 'b\\n'])": "a\nb\n",
    "import sys; sys.stdout.isatty(), sys.stderr.isatty(), sys.stdin.isatty()": "",
    "import os; os.isatty(0) and os.isatty(1) and os.isatty(2)": "",
    "print('\\0')": "\0\n",
    "for i in range(3): print(i, flush=True)": "0\n1\n2\n",
}


@pytest.mark.parametrize("code", PRINTED)
def test_what_is_printed_arrives(session: Session, code: str) -> None:
    reply = run(session, code)
    assert reply.output == PRINTED[code]
    assert "False" not in (reply.result or "")


def test_large_output_arrives_whole(session: Session) -> None:
    assert output(session, "for i in range(30_000): print(i)") == "".join([f"{i}\n" for i in range(30_000)])
    assert output(session, "print('y' * 1_000_000)") == "y" * 1_000_000 + "\n"


def test_stdout_and_stderr_keep_their_order(session: Session) -> None:
    code = "import sys\nfor i in range(500):\n    print('out', i)\n    print('err', i, file=sys.stderr)"
    assert output(session, code) == "".join([f"out {i}\nerr {i}\n" for i in range(500)])


def test_results_and_errors_come_after_what_was_printed_before(session: Session) -> None:
    """Not the other way round: what is printed after a result may come before it in the same breath."""
    burst = "for i in range(200): print(i)\n"
    reply = run(session, f"import sys\n{burst}sys.displayhook('middle')\n{burst}1/0")
    printed, order = 0, []
    for event in session.events(0, reply.cell):
        if event.kind == "output":
            printed += event.body.text.count("\n")
        else:
            order.append((event.kind, printed))
        if event.kind == "finished":
            break
    assert [kind for kind, _ in order] == ["queued", "started", "result", "error", "finished"]
    assert order[2][1] >= 200 and order[3][1] == order[4][1] == 400


OTHERS = {
    "subprocess.run": "subprocess.run(['echo', f'other {i}'])",
    "subprocess.Popen": "subprocess.Popen(f'echo other {i}', shell=True).wait()",
    "os.system": "os.system(f'echo other {i}')",
    "os.posix_spawn": "os.waitpid(os.posix_spawnp('echo', ['echo', f'other {i}'], os.environ), 0)",
    "os.spawnlp": "os.spawnlp(os.P_WAIT, 'echo', 'echo', f'other {i}')",
    "os.write": "os.write(1, f'other {i}\\n'.encode())",
    "os.write to stderr": "os.write(2, f'other {i}\\n'.encode())",
}


@pytest.mark.parametrize("name", OTHERS)
def test_programs_print_in_their_turn(session: Session, name: str) -> None:
    """Also after a burst, which is collected and not written at once."""
    code = f"import os, subprocess\nfor i in range(5):\n    for j in range(80): print(i, j)\n    {OTHERS[name]}\nNone"
    expected = "".join(["".join([f"{i} {j}\n" for j in range(80)]) + f"other {i}\n" for i in range(5)])
    assert output(session, code) == expected


def test_threads_print_whole_lines(session: Session) -> None:
    code = """
import threading
def work(name):
    for number in range(300):
        print(f"{name} {number}\\n", end="")
threads = [threading.Thread(target=work, args=(n,)) for n in "abcd"]
[t.start() for t in threads]
[t.join() for t in threads]
del threads
"""
    lines = output(session, code).splitlines()
    assert sorted(lines) == sorted(f"{name} {number}" for name in "abcd" for number in range(300))
    assert [line for line in lines if line[0] == "a"] == [f"a {number}" for number in range(300)]


def test_a_thread_that_goes_on_after_the_cell_is_heard(session: Session) -> None:
    run(session, "import threading\ngo = threading.Event()")
    cell = run(session, "threading.Thread(target=lambda: (go.wait(), print('late'))).start()").cell
    waiting = session.execute("go.set()\nimport time\nwhile 'go' in globals(): time.sleep(0.01)")
    wait_for_output(session, waiting, "late")
    session.interrupt()
    assert session.wait(waiting, PATIENCE).status == "interrupted"
    assert cell < waiting


def test_a_replaced_stdout_is_the_users(session: Session) -> None:
    run(session, "import sys, io\nkept = sys.stdout\nsys.stdout = captured = io.StringIO()")
    reply = run(session, "print('captured')\n7")
    assert (reply.output, reply.result) == ("", "7")
    assert run(session, "sys.stdout = kept\ncaptured.getvalue()").result == "'captured\\n'"


def test_without_a_stdout_a_session_goes_on_quietly(session: Session) -> None:
    run(session, "import sys\nkept = sys.stdout, sys.stderr")
    for stream in ("None", "open('/dev/null', 'w')"):
        reply = run(session, f"sys.stdout = sys.stderr = {stream}")
        assert reply.status == "ok"
        run(session, "sys.stdout and sys.stdout.close()")
        reply = run(session, "5")
        assert (reply.status, reply.result, reply.output) == ("ok", "5", "")
        assert [event.kind for event in events_of(session, reply.cell)] == ["queued", "started", "result", "finished"]
        run(session, "sys.stdout, sys.stderr = kept")
    run(session, "del sys.stdout, sys.stderr")
    assert run(session, "6").result == "6"
    run(session, "sys.stdout, sys.stderr = kept")


def events_of(session: Session, cell: int) -> list[object]:
    found: list[object] = []
    for event in session.events(0, cell):
        found.append(event)
        if event.kind == "finished":
            break
    return found


@pytest.mark.parametrize("body", ["raise ValueError('x')", "raise SystemExit", "raise KeyboardInterrupt", "return 5"])
def test_a_stdout_that_fails_is_told_and_hurts_nobody(session: Session, body: str) -> None:
    code = f"""
import sys
kept = sys.stdout
class Broken:
    def write(self, text): {body}
    def flush(self): {body}
sys.stdout = Broken()
"""
    run(session, code)
    reply = run(session, "8")
    assert reply.status == "ok" and reply.result == "8"
    kinds = {event.kind for event in events_of(session, reply.cell)}  # type: ignore[attr-defined]
    assert ("notice" in kinds) == ("raise" in body)
    run(session, "sys.stdout = kept")


def test_a_redirected_descriptor_gets_what_is_printed_after_and_not_before(session: Session, xdg: os.PathLike) -> None:
    path = os.path.join(xdg, "redirected")
    code = f"""
import os
for i in range(200): print("before", i)
kept = os.dup(1)
target = os.open({path!r}, os.O_WRONLY | os.O_CREAT)
os.dup2(target, 1)
print("inside")
os.system("echo inside too")
os.dup2(kept, 1)
os.close(kept); os.close(target)
print("after")
"""
    assert output(session, code) == "".join([f"before {i}\n" for i in range(200)]) + "after\n"
    with open(path) as file:
        assert file.read() == "inside\ninside too\n"


def test_the_streams_are_described_as_pythons_are(session: Session) -> None:
    code = """
import sys
[(s.name, s.mode, s.fileno(), s.encoding, s.readable(), s.writable()) for s in (sys.stdin, sys.stdout, sys.stderr)]
"""
    assert run(session, code).result == (
        "[('<stdin>', 'r', 0, 'utf-8', True, False), "
        "('<stdout>', 'w', 1, 'utf-8', False, True), ('<stderr>', 'w', 2, 'utf-8', False, True)]"
    )
    assert run(session, "sys.stdout.buffer.write(5)").status == "error"
    assert run(session, "print('\\ud800')").status == "error"


def test_what_we_replaced_is_still_named_as_before(session: Session) -> None:
    code = """
import builtins, getpass, inspect, os, pickle
functions = (input, os.system, os.write, os.dup2, getpass._raw_input)
[pickle.loads(pickle.dumps(f)) is f for f in functions], [f.__name__ for f in functions], str(inspect.signature(input))
"""
    expected = "([True, True, True, True, True], ['input', 'system', 'write', 'dup2', '_raw_input']"
    assert (run(session, code).result or "").startswith(expected)
    run(session, "del functions")


# --- input -----------------------------------------------------------------------------------------------


def test_input_asks_and_gets_a_line(session: Session) -> None:
    cell = session.execute("print('hello')\nname = input('name? ')\nname.upper()")
    request = wait_for_input(session, cell)
    assert (request.prompt, request.password) == ("name? ", False)
    assert session.status().waiting_for_input == request
    session.input("ann\u00e9")
    reply = session.wait(cell, PATIENCE)
    assert reply.result == "'ANN\u00c9'" and reply.output == "hello\nname? ann\u00e9\n"
    assert session.status().waiting_for_input is None


def test_a_prompt_stands_before_its_answer_however_late_the_worker_is(session: Session, tmp_path: Path) -> None:
    os.mkfifo(gate := tmp_path / "gate")
    code = f"""
import sys
def wait(event, arguments, late=[True]):
    if event == "builtins.input" and late and late.pop():
        open({str(gate)!r}).close()
sys.addaudithook(wait)
input("name? ")
"""
    cell = session.execute(code)
    wait_for_input(session, cell)
    wait_for_output(session, cell, "name? ")
    session.input("ann")
    gate.write_text("")
    reply = session.wait(cell, PATIENCE)
    assert (reply.result, reply.output) == ("'ann'", "name? ann\n")


READERS = {
    "sys.stdin.readline()": "'line\\n'",
    "sys.stdin.buffer.readline()": "b'line\\n'",
    "next(sys.stdin)": "'line\\n'",
    "input()": "'line'",
    "os.read(0, 100)": None,
}


@pytest.mark.parametrize("code", READERS)
def test_reading_stdin_asks_too(session: Session, code: str) -> None:
    cell = session.execute(f"import sys, os\nprint('go')\n{code}")
    if READERS[code] is not None:
        assert wait_for_input(session, cell).password is False
    else:
        wait_for_output(session, cell, "go")
    session.input("line")
    assert session.wait(cell, PATIENCE).result == (READERS[code] or "b'line\\n'")


@pytest.mark.parametrize("code", ["sys.stdin.read()", "sys.stdin.readlines()", "list(sys.stdin)", "input()"])
def test_the_end_of_input_can_be_typed(session: Session, code: str) -> None:
    cell = session.execute(f"import sys\n{code}")
    wait_for_input(session, cell)
    session.input_end()
    reply = session.wait(cell, PATIENCE)
    if code == "input()":
        assert reply.error is not None and reply.error.kind == "EOFError"
    else:
        assert reply.result in ("''", "[]")
    cell = session.execute("input('again? ')")
    wait_for_input(session, cell)
    session.input("yes")
    assert session.wait(cell, PATIENCE).result == "'yes'"


def test_everything_up_to_the_end_is_read(session: Session) -> None:
    cell = session.execute("import sys\nsys.stdin.read()")
    for line in ("one", "two"):
        wait_for_input(session, cell)
        session.input(line)
    session.input_end()
    assert session.wait(cell, PATIENCE).result == "'one\\ntwo\\n'"


def test_a_password_is_asked_for_and_not_shown(session: Session) -> None:
    cell = session.execute("import getpass\ngetpass.getpass('secret: ')")
    request = wait_for_input(session, cell)
    assert (request.prompt, request.password) == ("secret: ", True)
    wait_for_output(session, cell, "secret: ")
    session.input("hidden")
    reply = session.wait(cell, PATIENCE)
    assert reply.result == "'hidden'" and reply.output == "secret: \n"
    cell = session.execute("getpass.getpass(prompt='by name: ')")
    wait_for_output(session, cell, "by name: ")
    session.input("x")
    assert session.wait(cell, PATIENCE).result == "'x'"


def test_a_password_that_is_answered_at_once_is_not_thrown_away(session: Session) -> None:
    """getpass drops what was typed before the echo is off: so it asks after that, whoever gets the processor first."""
    run(session, "import getpass")
    for number in range(20):
        cell = session.execute("getpass.getpass('quick: ')")
        wait_for_input(session, cell)
        session.input(f"{number}")
        reply = session.wait(cell, PATIENCE)
        assert (reply.result, reply.output) == (f"'{number}'", "quick: \n")


def test_waiting_for_input_can_be_interrupted(session: Session) -> None:
    for code in ("input('? ')", "import sys; sys.stdin.readline()", "import getpass; getpass.getpass()"):
        cell = session.execute(code)
        wait_for_input(session, cell)
        session.interrupt()
        assert session.wait(cell, PATIENCE).status == "interrupted"
        assert session.status().waiting_for_input is None


def test_input_says_what_is_wrong_with_its_arguments(session: Session) -> None:
    reply = run(session, "input(prompt='x')")
    assert reply.error is not None and reply.error.kind == "TypeError"
    reply = run(session, "class P:\n    def __str__(self): raise ValueError('prompt')\ninput(P())")
    assert reply.error is not None and reply.error.message == "prompt"
    reply = run(session, "import sys\nkept, sys.stdout = sys.stdout, None\ntry: input('x')\nfinally: sys.stdout = kept")
    assert reply.error is not None and "lost sys.stdout" in reply.error.message


def debugged(session: Session, code: str, *commands: str) -> str:
    """What a cell shows in which a debugger is given these commands, and the last one until the cell has ended."""
    shown, left = "", list(commands)
    for event in session.events(session.status().last_event, session.execute(code)):
        if isinstance(event.body, InputRequest):
            session.input(left.pop(0) if len(left) > 1 else left[0])
        elif isinstance(event.body, Output):
            shown += event.body.text
        elif isinstance(event.body, Finished):
            return shown
    raise AssertionError("the session has ended")


@pytest.mark.parametrize(
    ("code", "command"),
    [("f(2)", "n"), ("f(2)", "s"), ("y = f(2)", "s"), ("f(2)\n'shown'", "s"), ("for n in range(2): f(n)\nf(3)", "n")],
)
def test_a_debugger_steps_to_the_end_of_the_cell_and_no_further(session: Session, code: str, command: str) -> None:
    run(session, "def f(x):\n    breakpoint()\n    return x + 1")
    shown = debugged(session, code, command)
    assert "return x + 1" in shown and "pyshell" not in shown
    reply = run(session, "6 * 7")
    assert (reply.result, reply.output) == ("42", "")


@pytest.mark.parametrize("code", ["breakpoint(); 1", "import asyncio\nbreakpoint(); await asyncio.sleep(0)"])
def test_a_debugger_shows_none_of_our_frames(session: Session, code: str) -> None:
    shown = debugged(session, code, "w", "c")
    assert "<module>()" in shown and "pyshell" not in shown and "base_events" not in shown


def test_a_breakpoint_stops_later_cells_until_it_is_cleared(session: Session) -> None:
    run(session, "def f(x):\n    y = x + 1\n    return y")
    debugged(session, "breakpoint()\n1", "b f", "n")
    assert "-> y = x + 1" in debugged(session, "f(1)", "cl 1", "c")
    assert run(session, "f(1)").output == ""


def test_the_debugger_works_in_a_cell(session: Session) -> None:
    code = "def buggy(x):\n    y = x * 2\n    breakpoint()\n    return y\nbuggy(21)"
    cell = session.execute(code)
    for command, expected in (("p y", "42"), ("l", "y = x * 2"), ("w", "buggy(21)")):
        wait_for_output(session, cell, "(Pdb) ")
        assert wait_for_input(session, cell).prompt == "(Pdb) "
        session.input(command)
        wait_for_output(session, cell, expected)
    session.input("c")
    assert session.wait(cell, PATIENCE).result == "42"
    looping = session.execute("print('looping')\nwhile True: pass")
    wait_for_output(session, looping, "looping")
    session.interrupt()
    assert session.wait(looping, PATIENCE).status == "interrupted"
    cell = session.execute("breakpoint()\n5")
    wait_for_input(session, cell)
    session.input("q")
    reply = session.wait(cell, PATIENCE)
    assert reply.error is not None and reply.error.kind == "BdbQuit"


def test_a_program_in_front_reads_the_terminal_and_gets_ctrl_c(session: Session) -> None:
    cell = session.execute("import subprocess\nsubprocess.run('read line; echo got $line', shell=True).returncode")
    session.input("something")
    reply = session.wait(cell, PATIENCE)
    assert reply.result == "0" and "got something" in reply.output
    code = f"try: subprocess.run({WAITS!r}, shell=True)\nexcept KeyboardInterrupt: print('both')"
    cell = session.execute(code)
    wait_for_output(session, cell, "begun")
    session.interrupt()
    assert session.wait(cell, PATIENCE).output.endswith("both\n")


# --- processes that cells fork -----------------------------------------------------------------------------


def test_a_forked_child_that_comes_back_ends(session: Session) -> None:
    code = """
import os, sys
pid = os.fork()
if pid:
    _, status = os.waitpid(pid, 0)
    print("child ended with", os.waitstatus_to_exitcode(status))
else:
    print("in the child")
"""
    assert output(session, code) == "in the child\nchild ended with 0\n"


@pytest.mark.parametrize(
    "end, code, says",
    [
        ("sys.exit(3)", 3, ""),
        ("sys.exit()", 0, ""),
        ("sys.exit('why')", 1, ""),
        ("1/0", 1, "ZeroDivisionError"),
        ("os._exit(7)", 7, ""),
        ("os.kill(os.getpid(), 9)", -9, ""),
    ],
)
def test_how_a_forked_child_ends_is_its_own_affair(session: Session, end: str, code: int, says: str) -> None:
    cell = f"""
import os, sys
for i in range(100): print(i)
pid = os.fork()
if not pid:
    print("child")
    {end}
_, status = os.waitpid(pid, 0)
os.waitstatus_to_exitcode(status)
"""
    reply = run(session, cell)
    assert reply.status == "ok" and reply.result == str(code)
    lines = reply.output.splitlines()
    assert lines[:101] == [*map(str, range(100)), "child"] and says in reply.output


def test_a_child_shows_its_result_as_text(session: Session) -> None:
    code = "import os\npid = os.fork()\nif pid: os.waitpid(pid, 0);\npid"
    reply = run(session, code)
    assert reply.output == "0\n" and reply.result not in (None, "0")


def test_children_and_parent_print_all_their_lines(session: Session) -> None:
    code = """
import os
pids = []
for n in range(4):
    pid = os.fork()
    if not pid:
        for i in range(200): print(f"child {n} {i}")
        os._exit(0)
    pids.append(pid)
for i in range(200): print(f"parent {i}")
for pid in pids: os.waitpid(pid, 0);
"""
    lines = output(session, code).splitlines()
    assert len(lines) == len(set(lines)) == 1000


def test_multiprocessing_by_fork(session: Session) -> None:
    code = """
import multiprocessing, os
context = multiprocessing.get_context("fork")
def square(x): return x * x
with context.Pool(2) as pool: result = pool.map(square, range(5))
def talk(): print("from the child", flush=True)
process = context.Process(target=talk); process.start(); process.join()
del pool, process
result
"""
    reply = run(session, code)
    assert reply.result == "[0, 1, 4, 9, 16]" and reply.output == "from the child\n"


def test_a_child_that_stays_does_not_keep_the_session_from_noticing_a_death() -> None:
    with live("survivor") as session:
        run(session, "import os, signal")
        # Not a pipe: that ends with the worker, and so would the child.
        code = "pid = os.fork()\nwhile not pid: signal.pause()\npid"
        reply = run(session, code)
        child = int(reply.result or "0")
        try:
            died = run(session, "os.kill(os.getpid(), 9)")
            assert died.status == "died" and died.died is not None and died.died.signal == "SIGKILL"
        finally:
            os.kill(child, signal.SIGKILL)


# --- the last words of a worker ------------------------------------------------------------------------------

DEATHS = {
    "os._exit": ("os._exit(3)", None),
    "SIGKILL": ("os.kill(os.getpid(), 9)", "SIGKILL"),
    "SIGSEGV": ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
    "abort": ("os.abort()", "SIGABRT"),
    "SIGTERM": ("os.kill(os.getpid(), 15)", "SIGTERM"),
    "exec": ("os.execvp('echo', ['echo', 'replaced'])", None),
}
LARGE = "".join([f"line {i} " * 5 + "\n" for i in range(9000)])
PRINTERS = {
    "one line": ("print('last words')", "last words\n"),
    "part of a line": ("print('last words', end='')", "last words"),
    "a burst": ("for i in range(3000): print(f'line {i}')", "".join([f"line {i}\n" for i in range(3000)])),
    "a large burst": ("for i in range(9000): print(f'line {i} ' * 5)", LARGE),
    "a block": ("print('z' * 300_000)", "z" * 300_000 + "\n"),
    "stderr": ("import sys; print('o'); print('e', file=sys.stderr, end='')", "o\ne"),
}


@pytest.fixture(scope="module")
def mortal() -> Iterator[Session]:
    with live("mortal") as session:
        yield session


@pytest.mark.parametrize("how", DEATHS)
@pytest.mark.parametrize("what", PRINTERS)
def test_everything_printed_before_a_death_is_shown(mortal: Session, how: str, what: str) -> None:
    death, name = DEATHS[how]
    printer, printed = PRINTERS[what]
    reply = run(mortal, f"import os\n{printer}\n{death}")
    assert reply.status == "died" and reply.died is not None and reply.died.signal == name
    assert reply.output.startswith(printed)
    assert reply.output.removeprefix(printed) in ("", "replaced\n")


def test_a_kill_in_the_middle_of_a_burst_loses_and_doubles_nothing(mortal: Session) -> None:
    """Killed from outside at any moment, also inside a write: what arrived is a beginning of what was printed."""
    for _ in range(5):
        code = "import os\nprint('go')\ni = 0\nwhile True:\n    print(f'{i} line'); i += 1"
        cell = mortal.execute(code)
        wait_for_output(mortal, cell, "2000 line")
        pid = mortal.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        reply = mortal.wait(cell, PATIENCE)
        expected = "go\n" + "".join([f"{i} line\n" for i in range(reply.output.count("\n") + 1)])
        assert reply.status == "died" and expected.startswith(reply.output)


def test_the_tables_are_not_empty() -> None:
    assert all((PRINTED, OTHERS, READERS, DEATHS, PRINTERS))
