"""Jupyter's own clients against our kernel: real kernels, real sessions, real deaths.

Runs in: tests.
"""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import sys
import unittest
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyshell import starting
from pyshell.bridges import jupyter as bridge
from pyshell.bridges.jupyter_showing import Showing, travel
from pyshell.bridges.jupyter_sockets import MAX_TURNS, Letter, joined, place
from pyshell.protocol import (
    CheckedOut,
    CheckoutFailed,
    Died,
    Display,
    Evaluated,
    ExitInfo,
    Finished,
    InputRequest,
    Leave,
    MimeData,
    Output,
    Restored,
    Result,
    Unsaved,
)
from tests.notebooks import SECONDS, Notebook, install, manager, only_session, text
from tests.sessions import becomes_true, kill, until

kernel_test = pytest.importorskip("jupyter_kernel_test", reason="the test extra has it")


@pytest.fixture
def notebook(xdg: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    install(xdg, monkeypatch)
    made = Notebook()
    yield made
    made.close()


class Conformance(kernel_test.KernelTests):  # type: ignore[misc, name-defined]
    """All that Jupyter's own suite can ask of a kernel."""

    __test__ = False
    kernel_name = "pyshell"
    language_name = "python"
    file_extension = ".py"
    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('test', file=sys.stderr)"
    completion_samples = [{"text": "zi", "matches": {"zip"}}]
    complete_code_samples = ["1", "print('hello')", "def f(x):\n  return x*2\n\n\n"]
    incomplete_code_samples = ["print('''hello", "def f(x):\n  x*2"]
    invalid_code_samples = ["import = 7q"]
    code_page_something = "zip?"
    code_generate_error = "raise ValueError('wrong')"
    code_execute_result = [
        {"code": "6*7", "result": "42"},
        {"code": "class H:\n    def _repr_html_(self): return '<b>h</b>'\nH()", "mime": "text/html"},
    ]
    code_display_data = [{"code": "display({'text/html': '<i>h</i>'}, raw=True)", "mime": "text/html"}]
    code_history_pattern = "6?7"
    supported_history_operations = ("tail", "range", "search")
    code_inspect_sample = "zip"
    code_clear_output = "from IPython.display import clear_output; clear_output()"


def test_jupyters_own_suite_passes_whole(xdg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(xdg, monkeypatch)
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Conformance)
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    assert result.testsRun >= 12
    assert (result.errors, result.failures, result.skipped) == ([], [], [])


def test_a_notebook_runs_to_its_end_over_the_death_of_the_worker(xdg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    install(xdg, monkeypatch)
    cells = [
        "rows = [1, 2, 3]\nlock = __import__('threading').Thread(target=print)",
        "%checkpoint rows",  # the next cell waits for that, as for nothing else
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
        "from IPython.display import display, HTML\ndisplay(HTML('<b>rows</b>'))\nsum(rows)",
    ]
    whole = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(whole, kernel_name="pyshell", allow_errors=True, timeout=SECONDS).execute()
    first, _, died, last = [cell["outputs"] for cell in whole.cells]
    assert first == []
    assert [output["output_type"] for output in died] == ["error"]
    report = "\n".join(died[0]["traceback"])
    assert died[0]["ename"] == "WorkerDied" and "SIGKILL" in died[0]["evalue"]
    assert "Restored in" in report and "rows" in report and "Not restored: lock (Thread)" in report
    assert last[0]["data"]["text/html"] == "<b>rows</b>"
    assert last[1]["data"]["text/plain"] == "6"
    assert starting.names() == []  # it was the kernel's own, and has gone with it


def test_nbclient_has_all_that_a_dying_cell_has_printed(xdg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of lines on both streams, up to the last one."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    install(xdg, monkeypatch)
    cells = [
        "import os, signal, sys\nkept = [*range(3_000)]",
        "%checkpoint kept",  # the next cell waits for that, as for nothing else
        "for n in kept: print('out', n), print('err', n, file=sys.stderr)\nos.kill(os.getpid(), signal.SIGKILL)",
        "len(kept)",
    ]
    whole = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(whole, kernel_name="pyshell", allow_errors=True, timeout=SECONDS).execute()
    *_, died, last = [cell["outputs"] for cell in whole.cells]
    for stream, word in (("stdout", "out"), ("stderr", "err")):
        printed = "".join([output["text"] for output in died if output.get("name") == stream])
        assert printed == "".join([f"{word} {n}\n" for n in range(3_000)])
    assert (died[-1]["ename"], last[-1]["data"]["text/plain"]) == ("WorkerDied", "3000")


def test_nbclient_completes_while_its_cell_runs(xdg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    install(xdg, monkeypatch)
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    cells = ["answer = 42", f"open({str(gate)!r}).close()\nanswer"]
    whole = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])

    async def complete(cell: Any, cell_index: int) -> None:
        """When the cell is sent, and before its reply is waited for."""
        matches: list[str] = []
        while cell_index == 1 and matches != ["answer"]:  # on a busy machine the first may be of before the cell
            reply = await client.kc.complete("answ", 4, reply=True, timeout=SECONDS)
            matches = reply["content"]["matches"]
        if cell_index == 1:
            await asyncio.to_thread(lambda: gate.open("w").close())

    client = nbclient.NotebookClient(whole, kernel_name="pyshell", timeout=SECONDS, on_cell_complete=complete)
    client.execute()
    assert whole.cells[1]["outputs"][0]["data"]["text/plain"] == "42"


def test_what_is_typed_and_shown(notebook: Notebook) -> None:
    _, shown = notebook.run("name = input('name: ')\nprint('hello', name)", answer="Ada")
    assert text(shown) == "hello Ada\n"
    _, shown = notebook.run("import getpass\nsecret = getpass.getpass()\nprint(len(secret))", answer="four")
    assert text(shown).strip() == "4"
    reply, _ = notebook.run("input('nobody: ')")
    assert reply["ename"] == "EOFError"
    _, shown = notebook.run("bar = display('begun', display_id='bar')\nbar.update('half')")
    kinds = [(one["msg_type"], one["content"]["transient"]["display_id"]) for one in shown[1:]]
    assert kinds == [("display_data", "bar"), ("update_display_data", "bar")]
    reply, shown = notebook.run("print('unseen')", silent=True)
    assert (reply["status"], shown) == ("ok", [])


def test_a_worker_dies_at_a_question_and_shows_in_its_old_places_afterwards(notebook: Notebook) -> None:
    """Who answers too late answers nobody; a display keeps its name; what is sent to run all the same runs restored."""
    client = notebook.client
    notebook.run("bar = display('begun', display_id='bar')")
    with only_session() as session:
        session.wait_saved(1, SECONDS)
        asking = client.execute("name = input('name: ')", allow_stdin=True)
        after = [client.execute(code, stop_on_error=False) for code in ("bar.update('half')", "bar.update('whole')")]
        assert client.get_stdin_msg(timeout=SECONDS)["content"]["prompt"] == "name: "
        kill(session.pid or 0)
    died = notebook.reply(asking)
    assert died["ename"] == "WorkerDied" and "bar" in died["traceback"][1]
    client.input("Ada")
    assert [notebook.reply(request)["status"] for request in after] == ["aborted", "aborted"]
    _, shown = notebook.run("bar.update('whole')")
    (update,) = [one["content"] for one in shown if one["msg_type"] == "update_display_data"]
    assert (update["data"], update["transient"]) == ({"text/plain": "'whole'"}, {"display_id": "bar"})
    _, shown = notebook.run("name = input('name: ')\nname", answer="Bob")
    assert shown[-1]["content"]["data"] == {"text/plain": "'Bob'"}
    # Cells that are to run also behind an error run behind a death, too.
    requests = [client.execute(code, stop_on_error=False) for code in ("import os; os.kill(os.getpid(), 9)", "bar")]
    assert [notebook.reply(request)["status"] for request in requests] == ["error", "ok"]


@pytest.mark.science
def test_a_figure_is_shown_in_its_cell(notebook: Notebook) -> None:
    pytest.importorskip("matplotlib", reason="the test extra has it")
    _, shown = notebook.run("%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nprint('drawn')")
    (figure,) = [one["content"]["data"] for one in shown if one["msg_type"] == "display_data"]
    assert base64.b64decode(figure["image/png"]).startswith(b"\x89PNG") and text(shown) == "drawn\n"


def test_expressions_are_evaluated_after_the_cell(notebook: Notebook) -> None:
    page = "class Page:\n    def _repr_html_(self): return '<b>page</b>'\n    def __repr__(self): return 'page'\n"
    asked = {"sum": "sum(rows)", "page": "Page()", "wrong": "1 / 0", "none": "rows = 3", "again": "sum(rows)"}
    values = notebook.run(page + "rows = [1, 2]", user_expressions=asked)[0]["user_expressions"]
    assert list(values) == list(asked)
    assert values["sum"] == values["again"] == {"status": "ok", "data": {"text/plain": "3"}, "metadata": {}}
    assert values["page"]["data"] == {"text/plain": "page", "text/html": "<b>page</b>"}
    assert (values["wrong"]["status"], values["wrong"]["ename"]) == ("error", "ZeroDivisionError")
    assert values["none"]["ename"] == "SyntaxError"
    # As frontends look at a value without anybody's notice.
    reply, shown = notebook.run("", silent=True, user_expressions={"rows": "rows"})
    assert (reply["user_expressions"]["rows"]["data"]["text/plain"], shown) == ("[1, 2]", [])
    assert "user_expressions" not in notebook.run("1 / 0", user_expressions={"rows": "rows"})[0]


def test_history_comes_with_the_values_of_the_cells(notebook: Notebook) -> None:
    for code in ("'value'", "print('printed')", "1 / 0", "None"):
        notebook.run(code)

    def history(**asked: object) -> list[list[object]]:
        found: list[list[object]] = notebook.client.history(reply=True, timeout=SECONDS, **asked)["content"]["history"]
        return found

    whole = [[0, 1, ["'value'", "'value'"]], [0, 2, ["print('printed')", None]], [0, 3, ["1 / 0", None]]]
    assert history(hist_access_type="tail", n=4, output=True) == [*whole, [0, 4, ["None", None]]]
    assert history(hist_access_type="range", start=1, stop=4, output=True) == whole
    assert history(hist_access_type="search", pattern="'val*", output=True) == whole[:1]
    assert history(hist_access_type="tail", n=1, output=False) == [[0, 4, "None"]]


def test_questions_are_answered_and_cells_stopped_while_one_runs(notebook: Notebook) -> None:
    client = notebook.client
    running = client.execute("answer = 42\nprint('runs', flush=True)\nwhile True: pass")
    waiting = client.execute("answer")
    while notebook.message("stream")["content"]["text"].strip() != "runs":
        pass
    # On a busy machine the first answer may be what was told before the cell.
    assert becomes_true(lambda: notebook.completions("answ") == ["answer"])
    client.inspect("answer", reply=True, timeout=SECONDS)
    notebook.manager.interrupt_kernel()
    assert notebook.reply(running)["ename"] == "KeyboardInterrupt"
    assert notebook.reply(waiting)["status"] == "aborted"


def test_a_travel_says_where_to() -> None:
    assert travel(CheckoutFailed("CheckpointNotFound", "there is nothing to undo")) == [
        "Not done: there is nothing to undo."
    ]
    lost = Unsaved("g", "generator", "cannot be saved", 2)
    assert travel(CheckedOut(4, 5, 3, ("x", "_2"), ("y",), (lost,), 0.1)) == [
        "The state is that after In[3] (checkpoint 4). back: x; removed: y.",
        "Not restored: g (generator): cannot be saved. In[2] made it.",
    ]


def test_a_signal_interrupts_as_the_message_does(notebook: Notebook) -> None:
    running = notebook.client.execute("print('runs', flush=True)\nwhile True: pass")
    notebook.message("stream")
    os.kill(notebook.pid, signal.SIGINT)
    assert notebook.reply(running)["ename"] == "KeyboardInterrupt"


def test_a_killed_kernel_comes_back_to_its_session_and_a_restart_is_fresh(
    xdg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(xdg, monkeypatch)
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/me/fit.ipynb")
    notebook = Notebook()
    notebook.run("kept = 1")
    kill(notebook.pid)
    notebook.manager.restart_kernel(now=True)
    notebook.client.wait_for_ready(timeout=SECONDS)
    assert notebook.run("kept")[1][-1]["content"]["data"] == {"text/plain": "1"}
    notebook.manager.restart_kernel()
    notebook.client.wait_for_ready(timeout=SECONDS)
    assert notebook.run("kept")[0]["ename"] == "NameError"
    notebook.run("%undo")
    with only_session() as session:  # where it has gone to is not awaited by the cell
        until(session, lambda event: event.kind == "checked_out")
    reply, shown = notebook.run("kept")
    assert reply["status"] == "ok" and "back: kept" in text(shown, "stderr")
    notebook.run("again = 2")
    notebook.close()
    (name,) = starting.names()
    assert name.startswith("fit-")
    notebook = Notebook()  # the notebook is opened again another day
    assert notebook.run("again")[0]["status"] == "ok"
    notebook.close()


def test_a_console_and_a_notebook_share_a_session(notebook: Notebook) -> None:
    with only_session() as console:
        notebook.run("shared = [1]")
        cell = console.execute("print('from the console'); shared.append(2); shared")
        said = notebook.message("execute_input")
        assert (said["content"]["execution_count"], said["parent_header"]["username"]) == (cell, "console")
        assert notebook.message("stream")["parent_header"]["msg_id"] == said["parent_header"]["msg_id"]
        assert notebook.message("execute_result")["content"]["data"]["text/plain"] == "[1, 2]"
        assert notebook.message("status")["content"]["execution_state"] == "idle"
        assert notebook.run("shared")[1][-1]["content"]["data"]["text/plain"] == "[1, 2]"
        notebook.close()  # somebody else is there: the session goes on
        assert console.run("len(shared)").result == "2"
        console.kill()


# --- without a kernel -----------------------------------------------------------------------------------------


def test_which_session_a_kernel_belongs_to() -> None:
    file = Path("/run/kernel-3f2a9c1e.json")
    assert bridge.session_of("fit", "/home/me/a.ipynb", file) == ("fit", "named")
    assert bridge.session_of(None, None, file) == ("jupyter-3f2a9c1e", "kernel")
    one, owner = bridge.session_of(None, "/home/me/My notes.ipynb", file)
    other, _ = bridge.session_of(None, "/home/you/My notes.ipynb", file)
    assert one.startswith("My-notes-") and one != other and owner == "notebook"


def test_a_kernel_runs_the_interpreter_that_was_chosen(xdg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(xdg, monkeypatch, "--python", sys.executable, "-s", "fit", "--name", "other")
    spec = manager.KernelManager(kernel_name="other").kernel_spec
    assert spec.argv[-4:] == ["--python", sys.executable, "-s", "fit"]
    assert spec.interrupt_mode == "message"


def messages(code: str, *bodies: Any) -> tuple[list[tuple[str, Any]], Any]:
    showing = Showing(3, code)
    return [(kind, content) for body in bodies for kind, content in showing.take(body)], showing.reply


def test_a_result_comes_with_all_that_it_says_of_itself() -> None:
    whole = Display("", (MimeData("text/html", "<b>"), MimeData("application/json", "[1]")), "{}", "", False, True)
    (said, *rest), _ = messages("x", Result("x", "T"), whole, Finished("ok", 0.1))
    assert said == ("execute_result", {
        "execution_count": 3, "data": {"text/plain": "x", "text/html": "<b>", "application/json": [1]}, "metadata": {},
    })  # fmt: skip
    assert rest == []


def test_a_widget_is_its_text() -> None:
    """A frontend that is given the widget looks for its model, and shows that there is none."""
    widget = (MimeData("application/vnd.jupyter.widget-view+json", '{"model_id": "a"}'),)
    (result,), _ = messages("x", Result("IntSlider()", "IntSlider"), Display("", widget, "{}", "", False, True))
    assert result[1]["data"] == {"text/plain": "IntSlider()"}
    (shown,), _ = messages("x", Display("IntSlider()", widget, "{}", "", False, False))
    assert shown[1]["data"] == {"text/plain": "IntSlider()"}


def test_expressions_of_another_client_are_its_own() -> None:
    value = Display("7", (), "{}", "", False, False)
    said, reply = messages("x", Evaluated("x", value, None), Finished("ok", 0.1))
    assert (said, reply["user_expressions"]) == ([], {})


def test_an_exit_stops_a_notebook_and_leaves_a_console() -> None:
    ended = Finished("ok", 0.1)
    for code, is_attended in (("import sys; sys.exit()", True), ("exit()", False)):
        showing = Showing(1, code, is_attended=is_attended)
        said = [one for body in (Leave(), ended) for one in showing.take(body)]
        assert [(kind, content["ename"]) for kind, content in said] == [("error", "SystemExit")]
        assert showing.reply is not None and (showing.reply["status"], showing.reply["evalue"]) == ("error", "")
    said, reply = messages("exit()", Leave(), ended)
    assert (said, reply["payload"]) == ([], [{"source": "ask_exit", "keepkernel": True}])


def test_a_prompt_and_its_answer_are_shown_once() -> None:
    showing = Showing(1, "input('a? ')")
    assert list(showing.take(InputRequest("a? ", False))) == []
    assert list(showing.take(Output("a? "))) == []
    showing.typed("yes")
    assert list(showing.take(Output("yes\nand"))) == [("stream", {"name": "stdout", "text": "and"})]


def test_an_answer_that_comes_before_its_prompt_is_not_shown() -> None:
    showing = Showing(1, "input('a? ')")
    assert list(showing.take(InputRequest("a? ", False))) == []
    showing.typed("yes")
    assert list(showing.take(Output("ye"))) == []
    assert list(showing.take(Output("s\na? and"))) == [("stream", {"name": "stdout", "text": "and"})]


def test_pieces_of_a_text_are_one_output() -> None:
    def letter(text: str, name: str = "stdout", parent: str = "a", kind: str = "stream") -> Letter:
        return Letter("iopub", kind, {"name": name, "text": text}, {"msg_id": parent}, ())

    assert joined(letter("a"), letter("\n")) == letter("a\n")
    for other in (letter("b", "stderr"), letter("b", parent="b"), letter("b", kind="error"), letter("b" * (1 << 20))):
        assert joined(letter("a"), other) is None


def test_streams_that_take_turns_keep_their_order_until_they_are_a_flood() -> None:
    def placed(turns: int) -> list[tuple[str, str]]:
        letters: deque[Letter] = deque([Letter("iopub", "status", {}, {}, ())])
        for n in range(turns):
            place(letters, Letter("iopub", "stream", {"name": ("out", "err")[n % 2], "text": f"{n} "}, {}, ()))
        place(letters, Letter("iopub", "status", {}, {}, ()))
        assert [letters.popleft().kind, letters.pop().kind] == ["status", "status"]
        return [(one.content["name"], one.content["text"]) for one in letters]

    assert placed(5) == [("out", "0 "), ("err", "1 "), ("out", "2 "), ("err", "3 "), ("out", "4 ")]
    flood = placed(100)
    assert len(flood) == MAX_TURNS
    for stream, first in (("out", 0), ("err", 1)):
        text = "".join([text for name, text in flood if name == stream])
        assert text == "".join([f"{n} " for n in range(first, 100, 2)])


def test_a_death_says_what_is_back() -> None:
    exit_info = ExitInfo("It died.", "SIGKILL", None, False, 0, "", 3)
    lost = Unsaved("g", "generator", "cannot be saved", 2)
    said, reply = messages(
        "x", Died(exit_info), Restored(1, ("a", "_", "_1", "b"), (lost,), 0.5), Finished("died", 1.0)
    )  # fmt: skip
    assert said[-1][0] == "error" and reply["status"] == "error"
    assert reply["traceback"] == [
        "It died.", "Restored in 0.50 s: a, b.", "Not restored: g (generator): cannot be saved. In[2] made it.",
    ]  # fmt: skip
