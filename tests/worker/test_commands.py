"""Commands in cells of a real session: what they show, bind and refuse.

Runs in: tests.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyshell import Session
from pyshell.client import Reply
from pyshell.protocol import Draft
from tests.live import PATIENCE, WAITS, live, wait_for, wait_for_input, wait_for_output


@pytest.fixture(scope="module")
def shared() -> Iterator[Session]:
    with live("commands") as session:
        yield session


@pytest.fixture
def session(shared: Session, tmp_path: Path) -> Iterator[Session]:
    """One worker for all of these tests, in a directory of the test's own."""
    pid = shared.pid
    shared.run(f"import os; os.chdir({str(tmp_path)!r})", PATIENCE)
    yield shared
    assert shared.pid == pid
    assert shared.run("6 * 7", PATIENCE).result == "42"


def run(session: Session, code: str) -> Reply:
    return session.run(code, PATIENCE)


def ok(session: Session, code: str) -> Reply:
    reply = run(session, code)
    assert reply.status == "ok", reply
    return reply


def refused(session: Session, code: str) -> str:
    reply = run(session, code)
    assert reply.error is not None, reply
    return f"{reply.error.kind}: {reply.error.message}"


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[\d;]*[A-Za-z]", "", text)


# --- programs ---------------------------------------------------------------------------------------------


def test_a_program_runs_on_the_terminal_and_its_status_is_kept(session: Session) -> None:
    assert ok(session, "!test -t 0 && test -t 1 && echo terminal").output == "terminal\n"
    assert ok(session, "_exit_code").result == "0"
    ok(session, "!exit 3")
    assert ok(session, "_exit_code").result == "3"
    ok(session, "!kill -9 $$")
    assert ok(session, "_exit_code").result == "-9"


def test_what_is_printed_keeps_its_order(session: Session) -> None:
    assert ok(session, "for i in range(3):\n    print(i)\n    !echo program {i}\n").output == "".join(
        f"{i}\nprogram {i}\n" for i in range(3)
    )


def test_the_lines_of_a_program_are_taken(session: Session) -> None:
    assert ok(session, "x = !echo a b; echo c >&2\nx").result == "['a b', 'c']"
    assert ok(session, "!!echo a").result == "['a']"
    ok(session, "def f(n):\n    got = !echo {n} $n $$n {n:03d} {{n}} | cat\n    return got")
    assert ok(session, "f(7)").result == "['7 7 007 {n}']"
    assert ok(session, "y = !printf 'a b\\n' | awk '{print $2}'\ny").result == "['b']"
    assert ok(session, "y = !test -t 0 && echo {[i for i in range(2)]}\ny").result == "['[0, 1]']"


def test_ctrl_c_reaches_the_program_and_ends_the_cell(session: Session) -> None:
    cell = session.execute(f"for i in range(9):\n    !{WAITS}\n")
    wait_for_output(session, cell, "begun")
    assert session.interrupt() == "signal"
    reply = session.wait(cell, PATIENCE)
    assert (reply.status, reply.output.count("begun")) == ("interrupted", 1)


def test_a_program_that_takes_ctrl_c_for_itself_goes_on(session: Session, tmp_path: Path) -> None:
    (tmp_path / "hears.py").write_text(
        # No `print`: the signal may come before the first one is over, and a second one inside of it is an error.
        "import os, signal, sys\ndef hear(*_):\n    os.write(1, b'heard')\n    sys.exit(5)\n"
        "signal.signal(signal.SIGINT, hear)\nos.write(1, b'begun')\nsignal.pause()\n"
    )
    # exec: dash, where that is the shell, would stay, hear the interrupt too, and end of it.
    cell = session.execute(f"!exec {sys.executable} hears.py\n_exit_code")
    wait_for_output(session, cell, "begun")
    assert session.interrupt() == "signal"
    reply = session.wait(cell, PATIENCE)
    assert (reply.status, "heard" in reply.output, reply.result) == ("ok", True, "5")


def test_a_program_that_stops_itself_goes_on(session: Session) -> None:
    assert ok(session, "!kill -STOP $$; echo on").output == "on\n"


def test_the_terminal_is_the_workers_again_afterwards(session: Session) -> None:
    ok(session, "!true")
    assert ok(session, "import os\nos.tcgetpgrp(0) == os.getpgrp()").result == "True"
    cell = session.execute("input('name? ')")
    wait_for_input(session, cell)
    session.input("Ada")
    assert session.wait(cell, PATIENCE).result == "'Ada'"


def test_a_program_that_reads_keys_gets_them(session: Session) -> None:
    cell = session.execute("!stty -icanon -echo; echo ready; head -c 3 | od -c; kill -9 $$")
    wait_for_output(session, cell, "ready")
    session.keys(b"abc")
    assert "a   b   c" in session.wait(cell, PATIENCE).output
    modes = ok(session, "!stty -a | tr ' ;' '\\n\\n' | grep -x -e icanon -e echo").output
    assert modes.split() == ["icanon", "echo"]


def test_a_cell_for_bash(session: Session) -> None:
    assert ok(session, "%%bash one\nfor x in a b; do\n  echo $x $1\ndone\n").output == "a one\nb one\n"
    assert ok(session, "%%bash --out got\necho a\n").output == ""
    assert ok(session, "got").result == "'a\\n'"
    assert "status 4" in refused(session, "%%sh\nexit 4\n")
    assert ok(session, "%%sh --no-raise-error\nexit 4\n").status == "ok"
    assert "no option --nonsense" in refused(session, "%%bash --nonsense\n")


def test_directories_and_environment(session: Session, tmp_path: Path) -> None:
    (tmp_path / "sub dir").mkdir()
    assert ok(session, "%pwd").result == repr(str(tmp_path))
    assert ok(session, "%cd sub dir").output == f"{tmp_path}/sub dir\n"
    assert ok(session, "%cd -").output == f"{tmp_path}\n"
    assert "No such file" in refused(session, "%cd nowhere")
    assert "sub dir" in plain(ok(session, "%ls").output)
    assert ok(session, "%env A_TEST=5").output == "env: A_TEST=5\n"
    assert ok(session, "x = %env A_TEST\nx").result == "'5'"
    assert ok(session, "!echo $A_TEST").output == "5\n"
    assert ok(session, "os.environ['A_TOKEN'] = 'x'\ne = %env\ne['A_TOKEN']").result == "'<hidden>'"
    assert "no NOT_SET" in refused(session, "%env NOT_SET")


# --- names ------------------------------------------------------------------------------------------------


def test_names_are_listed_and_removed() -> None:
    with live("names") as session:
        assert ok(session, "%who").output == "Interactive namespace is empty.\n"
        ok(session, "a = 1; text = 'x'; _hidden = 2; numbers = [1, 2]")
        assert ok(session, "%who").output == "a\ttext\tnumbers\n"
        assert ok(session, "%who int").output == "a\n"
        assert ok(session, "%who_ls list").result == "['numbers']"
        lines = ok(session, "%whos").output.splitlines()
        assert lines[0].split() == ["Variable", "Type", "Data/Info"]
        rows = [["a", "int", "1"], ["text", "str", "'x'"], ["numbers", "list", "n=2"]]
        assert [line.split() for line in lines[2:]] == rows
        ok(session, "import os; from decimal import Decimal as D")
        shown = ok(session, "%whos module type").output
        assert "<module 'os'>" in shown and "<class 'decimal.Decimal'>" in shown
        cell = session.execute("%reset")
        wait_for_input(session, cell)
        session.input("n")
        assert "Nothing done." in session.wait(cell, PATIENCE).output
        ok(session, "5")
        ok(session, "%reset -f")
        assert ok(session, "%who").output == "Interactive namespace is empty.\n"
        assert ok(session, "'_hidden' in globals(), '_' in globals(), Out").result == "(False, False, {})"
        assert ok(session, "5 + 1").result == "6"
        assert ok(session, "_").result == "6"


# --- time -------------------------------------------------------------------------------------------------


def test_timed_code_binds_and_shows_as_without(session: Session) -> None:
    reply = ok(session, "%time y = 6 * 7")
    assert re.fullmatch(r"CPU times: user .*, sys: .*, total: .*\nWall time: .*\n", reply.output)
    assert (reply.result, ok(session, "%time y").result) == (None, "42")
    assert ok(session, "%time y;").result is None
    reply = ok(session, "%%time\nz = y + 1\nz")
    assert (reply.result, "Wall time" in reply.output) == ("43", True)
    assert ok(session, "x = %time z\nx").result == "43"
    assert "Wall time" in run(session, "%time 1 / 0").output


def test_timeit_measures_and_binds_nothing(session: Session) -> None:
    reply = ok(session, "%timeit -n 10 -r 3 not_bound = 1")
    runs = r"\(mean ± std. dev. of 3 runs, 10 loops each\)"
    assert re.fullmatch(rf"\S+ .s ± \S+ .?s per loop {runs}\n.*", reply.output, re.S)
    assert "NameError" in refused(session, "not_bound")
    assert ok(session, "%%timeit -n 2 -r 2 k = 3\nassert k == 3\n").status == "ok"
    assert ok(session, "t = %timeit -o -q -n 1 -r 2 pass\nt.loops, t.repeat, len(t.timings)").result == "(1, 2, 2)"


# --- files and the past -----------------------------------------------------------------------------------


def test_a_file_is_run_apart_and_leaves_its_names(session: Session, tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text(
        "import sys\nprint(__name__, __file__, sys.argv[1:], 'mine' in globals())\n"
        "mine = 'theirs'\ndef f(): return mine, later\n"
    )
    reply = ok(session, "mine = 'own'; kept = [1]; was = id(kept)\n%run job.py a 'b c'")
    assert reply.output == f"__main__ {tmp_path}/job.py ['a', 'b c'] False\n"
    after = ok(session, "later = 2\nf(), kept, id(kept) == was, __name__").result
    assert after == "(('theirs', 2), [1], True, '__main__')"
    assert ok(session, "'__file__' in globals()").result == "False"
    assert ok(session, "%run -i job").output.endswith("True\n")
    (tmp_path / "bad.py").write_text("half = 1\n1 / 0\n")
    reply = run(session, "%run bad.py")
    assert reply.error is not None and 'bad.py", line 2' in reply.error.traceback
    assert ok(session, "half, kept").result == "(1, [1])"
    (tmp_path / "arguments.py").write_text("import sys\nprint(sys.argv[1:])\n")
    assert ok(session, "%run -m arguments -n -t x").output == "['-n', '-t', 'x']\n"
    assert "no file nowhere" in refused(session, "%run nowhere")


def test_past_cells_are_shown_saved_loaded_and_run_again(session: Session, tmp_path: Path) -> None:
    first = ok(session, "n = 1").cell
    ok(session, "%time n += 1")
    assert ok(session, f"%history {first}-{first + 1}").output == "n = 1\n%time n += 1\n"
    assert ok(session, f"%history -n {first}").output == f"{first:>4}: n = 1\n"
    assert f"{first:>4}: n = 1" in ok(session, "%history -g n = 1").output
    assert ok(session, f"In[{first + 1}]").result == "'%time n += 1'"
    ok(session, f"%rerun {first} {first + 1}")
    assert ok(session, "n").result == "2"
    ok(session, f"%save out {first}-{first + 1}")
    assert (tmp_path / "out.py").read_text() == "n = 1\n%time n += 1\n"
    assert ok(session, "n = 5\n%run out.py\nn").result == "2"
    cell = ok(session, "%load out.py").cell
    draft = wait_for(session, lambda event: event.kind == "draft", cell).body
    assert draft == Draft("n = 1\n%time n += 1\n")
    assert "newest is" in refused(session, "%rerun 99999")
    assert "no number of a cell" in refused(session, "%load nothing_of_that")


def test_a_cell_is_written_to_a_file(session: Session, tmp_path: Path) -> None:
    assert ok(session, "%%writefile a.txt\none\n  two\n").output == "Writing a.txt\n"
    assert ok(session, "%%writefile -a a.txt\n{x}\n").output == "Appending to a.txt\n"
    assert (tmp_path / "a.txt").read_text() == "one\n  two\n{x}\n"


def test_an_editor_writes_what_is_run(session: Session, tmp_path: Path) -> None:
    editor = tmp_path / "ed.sh"
    editor.write_text("#!/bin/sh\necho 'edited = 5' > \"$1\"\n")
    editor.chmod(0o755)
    ok(session, f"%env EDITOR={editor}")
    ok(session, "%edit")
    assert ok(session, "edited").result == "5"


def test_what_a_cell_prints_is_kept(session: Session) -> None:
    reply = ok(session, "%%capture got\nprint('a')\nimport sys\nprint('b', file=sys.stderr)\n42\n")
    assert (reply.output, reply.result) == ("", None)
    assert ok(session, "got.stdout, got.stderr, got.outputs").result == "('a\\n', 'b\\n', [42])"
    assert ok(session, "got.show()").output == "a\nb\n"
    ok(session, "%%capture\nprint('nothing')\n")
    assert ok(session, "'shown'").result == "'shown'"


# --- looking up -------------------------------------------------------------------------------------------


def test_what_is_known_of_an_object_is_told(session: Session) -> None:
    ok(session, "def f(a, b=2):\n    'Adds.'\n    return a + b\n\nclass C:\n    x = 1\n")
    shown = ok(session, "f?").output
    assert "Signature:   f(a, b=2)" in shown and "Docstring:\nAdds." in shown and "return a" not in shown
    assert "return a + b" in ok(session, "f??").output
    assert "Type:        list" in ok(session, "[1].__class__\nx = [1, 2]\nx?").output
    assert "os.path.basename" in ok(session, "os.path.*name?").output
    assert "no object nothing_there" in refused(session, "nothing_there?")


def test_help_tells_of_every_command(session: Session) -> None:
    shown = ok(session, "%help").output
    for name in ("%time", "%who", "%%bash", "%undo"):
        assert name in shown
    assert "%time STATEMENT" in ok(session, "%time?").output
    assert ok(session, "%help time").output == ok(session, "%time?").output


# --- what is Python stays Python --------------------------------------------------------------------------


def test_what_compiles_is_python(session: Session) -> None:
    assert ok(session, "a = 7; b = 4\nx = (a\n%b)\nx").result == "3"
    assert ok(session, "'''\n!ls\n'''").result == "'\\n!ls\\n'"


def test_a_traceback_shows_what_was_typed(session: Session) -> None:
    reply = run(session, "x = 1\n!true\n%time fail(x)\n")
    assert reply.error is not None
    assert reply.error.traceback.splitlines()[1:] == [
        f'  File "<In[{reply.cell}]>", line 3, in <module>',
        "    %time fail(x)",
        f'  File "<In[{reply.cell}]>", line 3, in <module>',
        "    %time fail(x)",
        "NameError: name 'fail' is not defined",
    ]
    reply = run(session, "%%time\nx = 2\n\nfail(x)\n")
    assert reply.error is not None
    assert f'File "<In[{reply.cell}]>", line 4, in <module>\n    fail(x)' in reply.error.traceback
    reply = run(session, "!true\nx = = 3\n")
    assert reply.error is not None and "line 2" in reply.error.traceback and "During" not in reply.error.traceback
    reply = run(session, "\t!ls\n")
    assert reply.error is not None and "!ls" in reply.error.traceback and "__command__" not in reply.error.traceback


def test_an_unknown_command_says_what_to_do(session: Session) -> None:
    assert "%help lists what there is" in refused(session, "%nothing_like_it")
    assert "%time takes one line" not in refused(session, "%%who\nx\n")
    assert "begins a cell" in refused(session, "%bash ls")
    assert "first line" in refused(session, "x = 1\n%%time\nx")
    assert "%replay has no option -z" in refused(session, "%replay -z")
    assert "no option -z" in refused(session, "%reset -z")


def test_the_debugger_opens_where_it_was_raised(session: Session) -> None:
    run(session, "def g(secret):\n    raise ValueError('no')\ng(42)")
    cell = session.execute("%debug")
    wait_for_input(session, cell)
    session.input("p secret")
    wait_for_output(session, cell, "42")
    session.input("q")
    assert session.wait(cell, PATIENCE).status == "ok"
    ok(session, "%pdb on")
    cell = session.execute("g(43)")
    wait_for_input(session, cell)
    session.input("q")
    assert session.wait(cell, PATIENCE).status == "error"
    ok(session, "%pdb off")
    refused(session, "%cd /not/there")
    cell = session.execute("%debug")
    wait_for_input(session, cell)
    session.input("q")
    assert "-> %cd /not/there" in session.wait(cell, PATIENCE).output, "the cell's line, not the command's own code"


def test_a_command_in_a_thread_works(session: Session) -> None:
    ok(session, "import threading\ndef work():\n    global got\n    got = !echo a")
    ok(session, "t = threading.Thread(target=work); t.start(); t.join()")
    assert ok(session, "got").result == "['a']"


def test_any_other_command_is_ipythons(tmp_path: Path) -> None:
    python = os.environ.get("PYSHELL_TEST_IPYTHON", sys.executable)
    if subprocess.run([python, "-c", "import IPython"], capture_output=True).returncode:
        pytest.skip("IPython is not installed for the worker's interpreter")
    (tmp_path / "module.py").write_text("def f(): return 1\n")
    with live("ipython", python=python, cwd=str(tmp_path)) as session:
        ok(session, "a = 1")
        assert ok(session, "%precision 3").result == "'%.3f'"
        ok(session, "%load_ext autoreload\n%autoreload 2")
        assert ok(session, "import module\nmodule.f()").result == "1"
        ok(session, "with open('module.py', 'w') as file: file.write('def f():\\n    return 22\\n')")
        assert ok(session, "module.f()").result == "22"
        assert ok(session, "%%python3\nprint(5)\n").output == "5\n"
        assert ok(session, "In[1], Out[6], 'get_ipython' in globals()").result == "('a = 1', 22, False)"
        assert "IPython has none of that name" in refused(session, "%nothing_like_it")
        assert "%prun is IPython's" in ok(session, "%prun?").output
        ok(session, "%pushd /\n%popd")
        shown = ok(session, "%%html\n<b>hi</b>").displays
        assert [(data.mime, data.data) for data in shown[0].data] == [("text/html", "<b>hi</b>")] and shown[0].text
        ok(session, "from IPython.display import display as show\nhandle = show({'a': 1}, display_id='one')")
        (changed,) = ok(session, "handle.update(2)").displays
        assert (changed.text, changed.display_id, changed.update) == ("2", "one", True)
        assert ok(session, "'_dh' in globals()").result == "False"
        session.wait_saved(ok(session, "b = 2").cell, PATIENCE)
        assert session.run("import os; os.kill(os.getpid(), 9)", PATIENCE).died
        assert ok(session, "a, b, module.f()").result == "(1, 2, 22)"
