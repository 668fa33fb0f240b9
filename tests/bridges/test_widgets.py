"""Widgets of the real ipywidgets in a session, as a frontend sees and moves them.

Runs in: tests.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyshell.bridges.jupyter_comms import ENDED
from tests.notebooks import SECONDS, Notebook, install, only_session, text
from tests.sessions import becomes_true

pytest.importorskip("ipywidgets", reason="the test extra has it")

VIEW = "application/vnd.jupyter.widget-view+json"
Message = dict[str, Any]


@pytest.fixture
def notebook(xdg: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    install(xdg, monkeypatch)
    made = Notebook()
    yield made
    made.close()


def shown(notebook: Notebook, code: str) -> list[Message]:
    """Run a cell that ends well; what everybody is told of it."""
    reply, messages = notebook.run(code)
    assert reply["status"] == "ok", reply
    return messages


def model(messages: list[Message]) -> str:
    """The widget that was shown last."""
    views = [one["content"]["data"][VIEW] for one in messages if VIEW in one["content"].get("data", {})]
    return str(views[-1]["model_id"])


def send(notebook: Notebook, kind: str, comm: str, data: object = None, **options: Any) -> str:
    """Say something as a frontend does; the message's id."""
    session = notebook.client.session
    content = {"comm_id": comm, "data": data or {}, **{k: v for k, v in options.items() if k == "target_name"}}
    message = session.msg(kind, content, metadata={"version": "1.0.0"})
    message["header"]["msg_id"] = uuid.uuid4().hex  # the one who interrupts counts from the same number on
    session.send(notebook.client.shell_channel.socket, message, buffers=options.get("buffers"))
    return str(message["header"]["msg_id"])


def heard(notebook: Notebook, message: str) -> list[Message]:
    """Wait until the kernel has done with that; what everybody is told of it, without the states."""
    found = []
    while True:
        told = notebook.client.get_iopub_msg(timeout=SECONDS)
        if told["parent_header"].get("msg_id") != message:
            continue
        found.append(told)
        if told["content"].get("execution_state") == "idle":
            states = [one["content"]["execution_state"] for one in found if one["msg_type"] == "status"]
            assert states == ["busy", "idle"]
            return [one for one in found if one["msg_type"] != "status"]


def closes(notebook: Notebook, *sent: str) -> list[str]:
    """The comms that are closed until the kernel has done with all of these, in whatever order it does."""
    found, waiting = [], set(sent)
    while waiting:
        told = notebook.client.get_iopub_msg(timeout=SECONDS)
        if told["msg_type"] == "comm_close":
            found.append(told["content"]["comm_id"])
        elif told["content"].get("execution_state") == "idle":
            waiting.discard(told["parent_header"].get("msg_id"))
    return found


def say(notebook: Notebook, comm: str, data: object, **options: Any) -> list[Message]:
    return heard(notebook, send(notebook, "comm_msg", comm, data, **options))


def move(notebook: Notebook, comm: str, value: object) -> list[Message]:
    return say(notebook, comm, {"method": "update", "state": {"value": value}, "buffer_paths": []})


CLICK = {"method": "custom", "content": {"event": "click"}}


def captured(messages: list[Message]) -> list[Message]:
    """What an Output widget takes: what is told of the message that it names, while it does."""
    taken, wanted = [], ""
    for one in messages:
        state = one["content"].get("data", {}).get("state", {}) if one["msg_type"].startswith("comm_") else {}
        wanted = state.get("msg_id", wanted)
        if not one["msg_type"].startswith("comm_") and wanted and wanted == one["parent_header"]["msg_id"]:
            taken.append(one)
    return taken


def test_a_slider_that_is_moved_has_its_value(notebook: Notebook) -> None:
    messages = shown(notebook, "import ipywidgets, sys\nslider = ipywidgets.IntSlider(value=3)\nslider")
    (opened,) = [one for one in messages if one["content"].get("comm_id") == model(messages)]
    assert (opened["msg_type"], opened["content"]["target_name"]) == ("comm_open", "jupyter.widget")
    assert opened["content"]["data"]["state"]["value"] == 3 and opened["metadata"]["version"]
    shown(notebook, "slider.observe(lambda change: print('now', change.new), 'value')")
    messages = move(notebook, model(messages), 7)
    assert text(messages) == "now 7\n"
    assert [one["content"]["data"]["state"]["value"] for one in messages if one["msg_type"] == "comm_msg"] == [7]
    assert shown(notebook, "slider.value")[-1]["content"]["data"]["text/plain"] == "7"
    moved = [one for one in shown(notebook, "slider.value = 9") if one["msg_type"] == "comm_msg"]
    assert moved[-1]["content"]["data"]["state"] == {"value": 9}
    assert shown(notebook, "'ipykernel' in sys.modules")[-1]["content"]["data"]["text/plain"] == "False"


def test_output_goes_where_an_output_widget_wants_it(notebook: Notebook) -> None:
    messages = shown(notebook, (
        "import ipywidgets\nout = ipywidgets.Output()\nbutton = ipywidgets.Button()\n"
        "def click(_):\n    with out:\n        print('inside')\n    print('outside')\n    1 / 0\n"
        "button.on_click(click)\nclick.__call__ and button"
    ))  # fmt: skip
    messages = say(notebook, model(messages), CLICK)
    assert text(captured(messages)) == "inside\n"
    assert text(messages) == "inside\noutside\n"
    assert messages[-1]["content"]["ename"] == "ZeroDivisionError"  # it is told, and not only logged
    messages = shown(notebook, "with out:\n    print('in')\n    1 / 0\nprint('after')")
    taken = captured(messages)
    assert text(taken) == "in\n" and taken[-1]["content"]["ename"] == "ZeroDivisionError"
    assert text(messages) == "in\nafter\n"


@pytest.mark.science
def test_interact_shows_what_its_function_draws_and_prints(notebook: Notebook) -> None:
    messages = shown(notebook, (
        "import ipywidgets\nimport matplotlib.pyplot as plt\n"
        "def draw(x):\n    plt.plot([0, x])\n    print('x is', x)\n    if x > 8: raise ValueError('too far')\n"
        "    return x * 2\n"
        "ipywidgets.interact(draw, x=(0, 10))\ndraw.widget.children[0]"
    ))  # fmt: skip
    slider = model(messages)
    taken = captured(move(notebook, slider, 2))
    assert taken[0]["msg_type"] == "clear_output" and text(taken) == "x is 2\n"
    displays = [one["content"]["data"] for one in taken if one["msg_type"] == "display_data"]
    assert any("image/png" in data for data in displays) and {"text/plain": "4"} in displays
    failed = [one for one in move(notebook, slider, 9) if one["msg_type"] == "error"]
    assert [one["content"]["evalue"] for one in failed] == ["too far"]


def test_a_message_waits_for_the_cell_that_runs(notebook: Notebook) -> None:
    slider = model(shown(notebook, "import ipywidgets\nslider = ipywidgets.IntSlider()\nslider"))
    shown(notebook, "slider.observe(lambda change: print('now', change.new), 'value')")
    running = notebook.client.execute("print('runs', flush=True)\nwhile True: pass")
    notebook.message("stream")
    message = send(notebook, "comm_msg", slider, {"method": "update", "state": {"value": 5}, "buffer_paths": []})
    notebook.client.comm_info(reply=True, timeout=SECONDS)  # answered after the message was handed on
    notebook.manager.interrupt_kernel()
    seen = []
    while not (seen and seen[-1][:2] == (message, "idle")):
        told = notebook.client.get_iopub_msg(timeout=SECONDS)
        if told["msg_type"] in ("status", "stream"):
            content = told["content"]
            seen.append((told["parent_header"]["msg_id"], content.get("execution_state") or content["text"]))
    assert seen.index((message, "busy")) > seen.index((running, "idle"))
    assert (message, "now 5\n") in seen


def test_what_a_widget_called_can_be_interrupted(notebook: Notebook) -> None:
    code = "def click(_):\n    print('runs', flush=True)\n    while True: pass\nbutton.on_click(click)\nbutton"
    button = model(shown(notebook, f"import ipywidgets\nbutton = ipywidgets.Button()\n{code}"))
    message = send(notebook, "comm_msg", button, CLICK)
    assert notebook.message("stream")["parent_header"]["msg_id"] == message
    notebook.manager.interrupt_kernel()
    assert notebook.message("error")["content"]["ename"] == "KeyboardInterrupt"
    assert notebook.run("'goes on'")[0]["status"] == "ok"


def test_what_a_widget_changed_comes_back_and_the_widget_is_told_to_be_gone(notebook: Notebook) -> None:
    code = "slider = ipywidgets.IntSlider()\nbox = {'slider': slider, 'number': 1}\nseen = []\n"
    observed = "slider.observe(lambda change: seen.append(change.new), 'value')\nslider"
    slider = model(shown(notebook, f"import ipywidgets\n{code}{observed}"))
    with only_session() as session:
        assert becomes_true(lambda: session.status().verified_cell == 1)
        before = session.status().checkpoint
        move(notebook, slider, 5)
        assert becomes_true(lambda: session.status().checkpoint != before and session.status().verified_cell == 1)
    reply, messages = notebook.run("import os; os.kill(os.getpid(), 9)")
    assert reply["ename"] == "WorkerDied" and ENDED in reply["traceback"]
    assert any("slider (IntSlider)" in line for line in reply["traceback"])
    assert slider in [one["content"]["comm_id"] for one in messages if one["msg_type"] == "comm_close"]
    assert notebook.client.comm_info(reply=True, timeout=SECONDS)["content"]["comms"] == {}
    assert shown(notebook, "seen, box['number']")[-1]["content"]["data"]["text/plain"] == "([5], 1)"
    assert notebook.run("slider")[0]["ename"] == "NameError"
    assert notebook.run("box['slider'].value")[0]["ename"] == "NotSavedError"
    (told,) = move(notebook, slider, 6)  # of a view that has not heard of it
    assert (told["msg_type"], told["content"]["comm_id"]) == ("comm_close", slider)


def test_a_widget_that_ends_the_worker_costs_no_cell(notebook: Notebook) -> None:
    code = "button.on_click(lambda _: os.kill(os.getpid(), 9))\nkept = 1\nbutton"
    button = model(shown(notebook, f"import ipywidgets, os\nbutton = ipywidgets.Button()\n{code}"))
    with only_session() as session:
        session.wait_saved(1, SECONDS)
    heard(notebook, send(notebook, "comm_msg", button, CLICK))
    messages = shown(notebook, "kept")
    assert messages[-1]["content"]["data"] == {"text/plain": "1"}
    assert "SIGKILL" in text(messages, "stderr") and ENDED in text(messages, "stderr")


def test_a_page_that_is_loaded_again_gets_all_states(notebook: Notebook) -> None:
    slider = model(shown(notebook, "import ipywidgets\nslider = ipywidgets.IntSlider(value=4)\nslider"))
    heard(notebook, send(notebook, "comm_open", "again", target_name="jupyter.widget.control"))
    (states,) = say(notebook, "again", {"method": "request_states"})
    assert states["content"]["data"]["states"][slider]["state"]["value"] == 4
    known = notebook.client.comm_info("jupyter.widget", reply=True, timeout=SECONDS)["content"]["comms"]
    assert known[slider] == {"target_name": "jupyter.widget"} and "again" not in known


ECHO = """\
import comm
def opened(made, message):
    made.on_msg(lambda said: made.send({'got': said['content']['data']}, buffers=[bytes(b) for b in said['buffers']]))
    made.on_close(lambda said: print('closed'))
comm.get_comm_manager().register_target('echo', opened)
"""


def test_bytes_go_both_ways_as_far_as_a_message_holds_them(notebook: Notebook) -> None:
    heard(notebook, send(notebook, "comm_open", "early", target_name="echo"))  # nobody there knows of comms
    shown(notebook, ECHO)
    opened, more = send(notebook, "comm_open", "a", target_name="other"), send(notebook, "comm_msg", "a")
    assert closes(notebook, opened, more) == ["a"]
    assert say(notebook, "a", "more") == []  # JupyterLab takes a second one for an error
    assert heard(notebook, send(notebook, "comm_open", "b", target_name="echo")) == []
    (answer,) = say(notebook, "b", [1, {"x": None}], buffers=[b"\0\xff" * 1000, b""])
    assert answer["content"]["data"] == {"got": [1, {"x": None}]}
    assert [bytes(buffer) for buffer in answer["buffers"]] == [b"\0\xff" * 1000, b""]
    (refused,) = say(notebook, "b", {}, buffers=[bytes(4 << 20)])
    assert "up to 4 MB" in text([refused], "stderr")
    assert text(heard(notebook, send(notebook, "comm_close", "b"))) == "closed\n"
    reply, _ = notebook.run("comm.create_comm(target_name='x', buffers=[bytes(4 << 20)])")
    assert reply["ename"] == "UsageError" and "up to 4 MB" in reply["evalue"]


def test_a_thread_shows_what_it_does_after_its_cell(notebook: Notebook) -> None:
    shown(notebook, (
        "import ipywidgets, threading\nbar = ipywidgets.IntProgress()\ngo = threading.Event()\n"
        "def work():\n    go.wait()\n    bar.value = 8\n    print('done', flush=True)\n"
        "threading.Thread(target=work, daemon=True).start()"
    ))  # fmt: skip
    cell = notebook.client.execute("threading.Timer(0.2, go.set).start()")
    notebook.reply(cell)
    moved = notebook.message("comm_msg")
    assert moved["content"]["data"]["state"] == {"value": 8}
    said = notebook.message("stream")
    assert (said["content"]["text"], said["parent_header"]["msg_id"]) == ("done\n", cell)


def test_another_client_moves_a_widget(notebook: Notebook) -> None:
    shown(notebook, "import ipywidgets\nslider = ipywidgets.IntSlider()\nout = ipywidgets.Output()")
    with only_session() as console:
        cell = console.execute("slider.value = 6\nwith out: print('from the console')")
        messages = []
        while not (messages and messages[-1]["content"].get("execution_state") == "idle"):
            messages.append(notebook.client.get_iopub_msg(timeout=SECONDS))
        assert {"value": 6} in [
            one["content"]["data"].get("state") for one in messages if one["msg_type"] == "comm_msg"
        ]
        assert text(captured([one for one in messages if one["msg_type"] != "status"])) == "from the console\n"
        assert console.wait(cell).status == "ok"


def test_nbclient_keeps_the_widgets_of_a_notebook(xdg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    install(xdg, monkeypatch)
    cells = [
        "import ipywidgets\nout = ipywidgets.Output()\nout",
        "with out:\n    print('inside')\n    display({'text/html': '<b>'}, raw=True)\nprint('outside')",
        "[kept['output_type'] for kept in out.outputs]",
    ]
    whole = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(whole, kernel_name="pyshell", timeout=SECONDS).execute()
    widgets = whole.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    state = widgets[whole.cells[0]["outputs"][0]["data"][VIEW]["model_id"]]["state"]
    assert [one["output_type"] for one in state["outputs"]] == ["stream", "display_data"]
    assert [one["text"] for one in whole.cells[1]["outputs"]] == ["outside\n"]
    assert whole.cells[2]["outputs"][0]["data"]["text/plain"] == "['stream', 'display_data']"


def test_a_package_that_is_installed_later_is_heard_of_then(notebook: Notebook) -> None:
    """As after `%pip install ipywidgets`."""
    shown(notebook, "import sys")
    hide = (
        "paths, sys.path[:] = sys.path[:], []\ntry: import comm\nexcept ImportError: print('none')\nsys.path[:] = paths"
    )
    assert text(shown(notebook, hide)) == "none\n"
    messages = shown(
        notebook, "import importlib, comm\nimportlib.invalidate_caches()\ncomm.create_comm(target_name='x')"
    )
    assert "comm_open" in [one["msg_type"] for one in messages]


def test_a_cell_in_the_background_shows_under_its_own_message(notebook: Notebook) -> None:
    reply, _ = notebook.run("%%bg\nimport threading\ngo = threading.Event()\ngo.wait()\nprint('shown')\n6 * 7")
    assert reply["status"] == "ok"
    sent = notebook.client.execute("1 + 1")
    notebook.reply(sent)
    let_go = notebook.client.execute("go.set()")
    parents = {}
    for kind in ("stream", "execute_result"):
        told = notebook.message(kind)
        while told["parent_header"]["msg_id"] in (sent, let_go):
            told = notebook.message(kind)
        parents[kind] = told["parent_header"]["msg_id"]
    assert parents["stream"] == parents["execute_result"]
