"""An agent and a person share a session: the official client of the Model Context Protocol, over standard streams.

Runs in: tests, against a real server process, host and worker.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import pyshell
from pyshell import Session, starting
from pyshell.bridges.mcp_shown import MAX_CHARACTERS, Clip, Shown, clipped
from pyshell.bridges.mcp_tools import TOOLS, Agent
from pyshell.errors import UsageError
from pyshell.protocol import Event, Output
from tests.sessions import SECONDS, started, until

ROOT = Path(pyshell.__file__).parents[1]


def talk(talking: Callable[[Callable[..., Awaitable[str]], Any], Awaitable[None]]) -> None:
    """Let the official client start `pyshell mcp s`, and call its tools."""
    mcp = pytest.importorskip("mcp", reason="the library of the Model Context Protocol is not installed")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    arguments = ["-m", "pyshell", "mcp", "s", "--as", "robot"]
    server = mcp.StdioServerParameters(command=sys.executable, args=arguments, env=environment)

    async def run() -> None:
        async with mcp.Client(server, read_timeout_seconds=120) as client:

            async def call(tool: str, **given: Any) -> str:
                answer = await client.call_tool(tool, given)
                text = "".join([part.text for part in answer.content])
                return f"REFUSED {text}" if answer.is_error else text

            await talking(call, client)

    asyncio.run(run())


def test_an_agent_works_crashes_and_is_taken_back(tmp_path: Path) -> None:
    """Its cells are signed; a death costs it nothing but the cell; the person undoes what it did."""
    with started(cwd=str(tmp_path)) as session:
        session.wait_saved(session.run("data = [1, 2, 3]").cell, SECONDS)

        async def talking(call: Callable[..., Awaitable[str]], client: Any) -> None:
            assert {tool.name for tool in (await client.list_tools()).tools} == set(TOOLS)
            assert "data: list 3 = [1, 2, 3]" in await call("variables")
            done = await call("execute", code="data.append(4)\nprint('more')\nsum(data)")
            assert done.splitlines()[:2] == ["more", "Out[2]: 10"] and "In[2] ok" in done and "changed data" in done
            died = await call("execute", code="import os; os.kill(os.getpid(), 11)", timeout=60)
            assert "SIGSEGV" in died and "these names again: data" in died and "In[3] died" in died
            assert "REFUSED" in await call("execute", code="x" * 3_000_000)
            failed = await call("execute", code="data.clear()\n1 / 0")
            assert "ZeroDivisionError: division by zero" in failed and "In[4] error" in failed
            assert (await call("inspect", expression="data")).startswith("data\ntype: list")
            session.wait_saved(4, SECONDS)
            assert "of 'robot " in await call("status") and "In[4]" in await call("timeline")

        talk(talking)
        clients = [entry.client for entry in session.history()]
        assert clients[0] == session.client and all(client.startswith("robot ") for client in clients[1:])
        assert session.run("data").result == "[]"
        session.undo(SECONDS)
        assert session.run("data").result == "[1, 2, 3, 4]"


def test_what_lasts_is_waited_for_answered_and_stopped(tmp_path: Path) -> None:
    """While a call waits others are answered. A session that is not there is started."""

    async def talking(call: Callable[..., Awaitable[str]], client: Any) -> None:
        asked = await call("execute", code="name = input('name? ')\nprint('hello', name)")
        assert "asks for a line: 'name? '" in asked
        assert "hello Ann" in await call("answer", text="Ann")
        running = await call("execute", code="import signal; print('on', flush=True)\nsignal.pause()", timeout=1)
        assert "In[2] still runs after 1 s" in running
        waiting = asyncio.ensure_future(call("wait", cell=2, timeout=60))
        assert "Runs: In[2]" in await call("status")
        assert "In[2] was sent an interrupt" in await call("interrupt")
        assert "In[2] interrupted" in await waiting
        assert "REFUSED" in await call("wait", cell=99)

    talk(talking)
    with starting.connect("s") as session:
        session.kill()


def test_nothing_that_is_printed_is_lost_and_looking_is_answered_meanwhile(tmp_path: Path) -> None:
    """Lines beyond the size of an answer, up to the last before the death, are there page by page."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    prints = (
        "import sys\nfor n in range(4_000): print('line', n, '.' * (n % 9), file=(sys.stdout, sys.stderr)[n % 2])\n"
    )

    async def talking(call: Callable[..., Awaitable[str]], client: Any) -> None:
        await call("execute", code="known_rows = [1, 2, 3]")
        await asyncio.to_thread(lambda: session.wait_saved(1, SECONDS))
        await call(
            "execute", code=f"{prints}open({str(gate)!r}).close()\nimport os; os.kill(os.getpid(), 9)", timeout=0
        )
        # On a busy machine the first answers may be what was told before the cell.
        while await call("complete", code="known_") != "known_rows: list":
            continue
        assert "known_rows: list 3 = [1, 2, 3]" in await call("variables", pattern="known")
        assert (await call("inspect", expression="known_rows")).startswith("known_rows\ntype: list")
        assert "Runs: In[2]" in await call("status")
        await asyncio.to_thread(lambda: gate.open("w").close())
        died = await call("wait", cell=2, timeout=60)
        assert "SIGKILL" in died and "these names again: known_rows" in died and "In[2] died" in died
        assert await read_whole(call, 2) == "".join([f"line {n} {'.' * (n % 9)}\n" for n in range(4_000)])
        assert "Out[3]: 6" in await call("execute", code="sum(known_rows)")

    with started(cwd=str(tmp_path)) as session:
        talk(talking)


async def read_whole(call: Callable[..., Awaitable[str]], cell: int) -> str:
    """All that a cell has printed, as an agent reads it: as the end of each page says."""
    whole, start = "", "0"
    while start:
        page, mark, more = (await call("output", cell=cell, start=int(start))).partition("\n[… ")
        start = more.partition(f"output({cell}, ")[2].partition(")")[0] if mark else ""
        whole += page
    return whole


def test_another_clients_cell_that_is_saved_together_with_ones_own_is_not_taken_back() -> None:
    """Cells in quick succession share a state; what is not saved yet belongs to the next one."""
    with started() as session:
        agent = Agent(lambda: Session(session._paths, "robot"))
        try:
            for number in range(5):
                agent.execute(f"mine = {number}")
                session.run(f"theirs = {number}")
                with pytest.raises(UsageError, match="not yours"):
                    agent.undo()
            agent.execute("mine = 'again'")
            with suppress(UsageError):
                agent.undo()
            assert session.run("theirs").result == "4"
        finally:
            agent.close()


def test_a_cell_is_told_once_however_short_the_wait_for_it() -> None:
    with started() as session:
        agent = Agent(lambda: Session(session._paths, "robot"))
        try:
            for cell in range(1, 6):
                first = agent.execute("6 * 7", timeout=-5.0)
                assert "you were told" not in first
                assert ("42" in first) != ("42" in agent.wait(cell, SECONDS))
                assert "you were told how" in agent.wait(cell)
            assert agent.variables(start=-3) == agent.variables()
        finally:
            agent.close()


def test_what_is_another_clients_is_not_taken_back_by_mistake() -> None:
    with started() as session:
        agent = Agent(lambda: Session(session._paths, "robot"))
        try:
            session.wait_saved(session.run("y = 0").cell, SECONDS)
            session.wait_saved(session.run("x = 1").cell, SECONDS)
            with pytest.raises(UsageError, match=r"In\[2\] is of 'pid \d+', not yours: undo\(others=True\)"):
                agent.undo()
            running = session.execute("input()")
            until(session, lambda event: event.kind == "input_request")
            with pytest.raises(UsageError, match="not yours"):
                agent.interrupt()
            session.input("")
            session.wait(running, SECONDS)
            assert 'saved as "good"' in agent.checkpoint("good")
            agent.execute("x = 2")
            session.wait_saved(session.status().next_cell - 1, SECONDS)
            assert "takes it back to where it was" in agent.undo() and session.run("x").result == "1"
            assert "Removed: x" in agent.undo(others=True)
            good = next(state.checkpoint for state in session.checkpoints() if state.label == "good")
            assert "Loaded: x" in agent.restore(good)
        finally:
            agent.close()


def test_answers_have_a_size_and_say_what_is_cut() -> None:
    with started() as session:
        agent = Agent(lambda: Session(session._paths, "robot"))
        try:
            answer = agent.execute("print('a' * 50_000 + 'z')\n'b' * 50_000")
            assert len(answer) < 2 * MAX_CHARACTERS + 1000
            assert "[… 30,002 characters cut; output(1, START) reads all of it by part …]" in answer
            assert "look at a part of _1" in answer
            first = agent.output(1)
            assert "[… 30,002 more characters; output(1, 20000) goes on …]" in first
            assert agent.output(1, 40_000) == "a" * 10_000 + "z\n"
            assert "nothing from there on" in agent.output(1, 60_000)
            agent.execute("for n in range(120): globals()[f'name_{n}'] = n")
            assert "[21 more names; start=100 goes on]" in agent.variables("n")
            assert agent.variables("name_11", 1).startswith("name_110: int = 110")
        finally:
            agent.close()


def test_a_clip_keeps_both_ends_of_what_comes_in_pieces() -> None:
    for size in (1, 3, 10, 100):
        clip, whole = Clip(20), "".join(map(str, range(100)))
        for at in range(0, len(whole), size):
            clip.add(whole[at : at + size])
        assert clip.text("more") == f"{whole[:10]}\n[… {len(whole) - 20} characters cut; more …]\n{whole[-10:]}"
    assert clipped("short", "more") == "short"
    shown = Shown(1)
    shown.add(Event(1, 1, 1, "", 0.0, Output("10 %\r20 %\x1b[1m!\x1b[0m\nnext")))
    assert shown.told("end") == "20 %!\nnext\nend"


def test_without_the_library_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['mcp'] = None\nfrom pyshell.cli import main\nsys.exit(main(['mcp', 'lacking']))"
    with started("lacking"):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
    assert done.returncode == 2 and 'pip install "pyshell[mcp]"' in done.stderr
