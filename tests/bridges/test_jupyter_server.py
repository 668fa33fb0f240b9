"""The kernel as JupyterLab drives it: through Jupyter's server, by its REST interface and its websocket.

Runs in: tests.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.notebooks import SECONDS, install
from tests.sessions import becomes_true

pytest.importorskip("jupyter_server", reason="JupyterLab's server is not installed here")
tornado = pytest.importorskip("tornado.websocket")

Object = dict[str, Any]
TOKEN = "token"


class Server:
    """Jupyter's own. Owner: the test's event loop."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def ask(self, method: str, path: str, content: Object | None = None) -> Any:
        from tornado.httpclient import AsyncHTTPClient

        body = None if content is None else json.dumps(content)
        headers = {"Authorization": f"token {TOKEN}", "Content-Type": "application/json"}
        answer = await AsyncHTTPClient().fetch(
            f"http://{self.address}/api/{path}", method=method, headers=headers, body=body,
            allow_nonstandard_methods=True, request_timeout=SECONDS,
        )  # fmt: skip
        return json.loads(answer.body) if answer.body else None

    @asynccontextmanager
    async def kernel(self) -> AsyncIterator[Object]:
        """The kernel of a notebook that is opened."""
        wanted = {"path": "fit.ipynb", "name": "fit", "type": "notebook", "kernel": {"name": "pyshell"}}
        session = await self.ask("POST", "sessions", wanted)
        yield session["kernel"]
        await self.ask("DELETE", f"sessions/{session['id']}")

    async def connect(self, kernel: Object, frontend: str = "") -> Frontend:
        """As a page does; under the name of one that has left it gets what that one has missed."""
        frontend = frontend or uuid.uuid4().hex
        where = f"ws://{self.address}/api/kernels/{kernel['id']}/channels?session_id={frontend}&token={TOKEN}"
        return Frontend(await tornado.websocket_connect(where), frontend)


class Frontend:
    """A page that shows the notebook."""

    def __init__(self, socket: Any, name: str) -> None:
        self.socket = socket
        self.name = name

    async def send(self, kind: str, content: Object, channel: str = "shell") -> str:
        header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "session": self.name, "username": "", "version": "5.3"}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": channel}
        await self.socket.write_message(json.dumps({**message, "buffers": []}))
        return str(header["msg_id"])

    async def execute(self, code: str) -> str:
        return await self.send("execute_request", {"code": code, "silent": False, "allow_stdin": False})

    async def hear(self) -> Object:
        found: Object = json.loads(await asyncio.wait_for(self.socket.read_message(), SECONDS))
        return found

    async def until(self, request: str, kind: str) -> list[Object]:
        """What belongs to a request, up to a message of that kind; `idle` is the end of it."""
        found = []
        while not (found and kind in (found[-1]["msg_type"], found[-1]["content"].get("execution_state"))):
            message = await self.hear()
            if message["parent_header"].get("msg_id") == request:
                found.append(message)
        return found

    async def answer(self, kind: str, content: Object, channel: str = "shell") -> Object:
        request = await self.send(f"{kind}_request", content, channel)
        answer: Object = (await self.until(request, f"{kind}_reply"))[-1]["content"]
        return answer

    async def value(self, code: str) -> str:
        """What a cell shows as its result, or the name of its error."""
        told = await self.until(await self.execute(code), "idle")
        (shown,) = [one["content"] for one in told if one["msg_type"] in ("execute_result", "error")]
        return str(shown["data"]["text/plain"] if "data" in shown else shown["ename"])


@contextmanager
def serving(directory: Path) -> Iterator[Server]:
    """A server for that directory, which takes connections."""
    runtime = Path(os.environ["JUPYTER_RUNTIME_DIR"])
    command = [
        sys.executable, "-m", "jupyter_server", "--no-browser", "--port=0", "--allow-root", "--ip=127.0.0.1",
        f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={directory}", "--ServerApp.log_level=WARN",
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=directory)
    try:
        yield Server(wait_address(runtime / f"jpserver-{process.pid}.json", process))
    finally:
        process.terminate()
        process.wait(SECONDS)


def wait_address(file: Path, process: subprocess.Popen[bytes]) -> str:
    def is_there() -> bool:
        assert process.poll() is None, "the server has ended"
        return file.exists() and file.read_text().endswith("}")

    def listens() -> bool:  # which it does some time after it has chosen its port and written the file
        with socket.socket() as probe:
            return probe.connect_ex((said["hostname"], said["port"])) == 0

    assert becomes_true(is_there)
    said = json.loads(file.read_text())
    assert becomes_true(listens)
    return f"{said['hostname']}:{said['port']}"


def test_a_notebook_in_a_browser(xdg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(xdg, monkeypatch)
    os.mkfifo(tmp_path / "gate")
    with serving(tmp_path) as server:
        asyncio.run(walk(server, tmp_path / "gate"))


async def walk(server: Server, gate: Path) -> None:
    """Run, complete while busy, interrupt, crash, miss something, move a slider, restart, and open it again."""
    async with server.kernel() as kernel:
        page = await server.connect(kernel)
        assert (await page.answer("kernel_info", {}))["implementation"] == "pyshell"
        assert await page.value("known = [1, 2]; known") == "[1, 2]"
        running = await page.execute("print('runs', flush=True)\nwhile True: pass")
        await page.until(running, "stream")
        while (await page.answer("complete", {"code": "kno", "cursor_pos": 3}))["matches"] != ["known"]:
            continue  # on a busy machine the first answer may be what was told before the cell
        await server.ask("POST", f"kernels/{kernel['id']}/interrupt", {})
        assert (await page.until(running, "execute_reply"))[-1]["content"]["ename"] == "KeyboardInterrupt"
        assert await page.value("import os; os.kill(os.getpid(), 9)") == "WorkerDied"
        assert await page.value("known") == "[1, 2]"
        page = await come_back(server, kernel, page, gate)
        await move_a_slider(page)
        await server.ask("POST", f"kernels/{kernel['id']}/restart", {})
        page = await server.connect(kernel)
        await page.answer("kernel_info", {})
        assert await page.value("known") == "NameError"
        assert await page.value("kept = 3; kept") == "3"
    async with server.kernel() as kernel:  # another day
        page = await server.connect(kernel)
        assert await page.value("kept") == "3"


async def come_back(server: Server, kernel: Object, page: Frontend, gate: Path) -> Frontend:
    """A page that lost its connection in the middle of a cell gets the rest."""
    running = await page.execute("print('before', flush=True)\nopen('gate').close()\nprint('after')")
    await page.until(running, "stream")
    page.socket.close()
    while (await server.ask("GET", f"kernels/{kernel['id']}"))["connections"]:
        continue
    await asyncio.to_thread(lambda: gate.open("w").close())
    again = await server.connect(kernel, page.name)
    told = await again.until(running, "execute_reply")
    assert [one["content"]["text"] for one in told if one["msg_type"] == "stream"] == ["after\n"]
    return again


async def move_a_slider(page: Frontend) -> None:
    pytest.importorskip("ipywidgets", reason="the test extra has it")
    code = "import ipywidgets\nslider = ipywidgets.IntSlider()\n"
    observed = "slider.observe(lambda change: print('now', change.new), 'value')\nslider"
    told = await page.until(await page.execute(code + observed), "idle")
    (shown,) = [one["content"]["data"] for one in told if one["msg_type"] == "execute_result"]
    model = shown["application/vnd.jupyter.widget-view+json"]["model_id"]
    data = {"method": "update", "state": {"value": 7}, "buffer_paths": []}
    told = await page.until(await page.send("comm_msg", {"comm_id": model, "data": data}), "idle")
    assert [one["content"]["text"] for one in told if one["msg_type"] == "stream"] == ["now 7\n"]
    assert await page.value("slider.value") == "7"
