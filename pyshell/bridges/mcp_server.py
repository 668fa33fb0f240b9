"""`pyshell mcp NAME`: a session for AI agents, by the Model Context Protocol on standard input and output.

Runs in: clients (Python 3.11 and newer). The protocol is the library's (`pyshell[mcp]`), the tools are mcp_tools.py's.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from inspect import cleandoc

from pyshell import choosing, starting
from pyshell.bridges.mcp_tools import LOOKING, TOOLS, Agent, lost
from pyshell.client import Session
from pyshell.errors import ConnectionLost, PyshellError, SessionNotFound, UsageError
from pyshell.paths import check_name

INSTRUCTIONS = """\
A Python session that is shared with people and survives crashes: code that kills its process costs nothing but the
cell. Every cell is recorded under your name and can be undone, by you and by the people. Look before you change what
you have not made (variables, status), say what you change, and prefer undo over repairing by hand.
"""


def main(arguments: list[str]) -> int:
    """The command."""
    parser = choosing.parser("mcp", "Offer a session to an AI agent, by the Model Context Protocol on stdio.")
    parser.add_argument("name", metavar="NAME", help="the session; it is started if it does not run")
    parser.add_argument("--as", metavar="AGENT", dest="agent", default="agent", help="what its cells are signed with")
    parser.add_argument("--attach", action="store_true", help="only if there is such a session")
    parser.add_argument("--python", metavar="EXE", help="the interpreter, or its environment, of one that is started")
    options = parser.parse_args(arguments)
    client = f"{options.agent} {os.getpid()}"
    agent = Agent(lambda: _open(check_name(options.name), client, options.attach, options.python))
    try:
        serve(agent)
    finally:
        agent.close()
    return 0


def _open(name: str, client: str, must_be: bool, python: str | None) -> Session:
    try:
        return starting.connect_or_start(name, client=client)
    except SessionNotFound:
        if must_be:
            raise
    return starting.start_or_connect(name, python=python, client=client)


def serve(agent: Agent) -> None:
    """Until standard input ends."""
    try:
        from mcp.server.mcpserver import MCPServer  # an optional extra
        from mcp.server.mcpserver.exceptions import ToolError  # the same
        from mcp.types import ToolAnnotations  # the same
    except ImportError as exc:
        raise UsageError(f'the MCP server needs the library "mcp" ({exc}): pip install "pyshell[mcp]"') from None

    def guarded(method: Callable[..., str]) -> Callable[..., str]:
        @wraps(method)
        def tool(**given: object) -> str:
            try:
                return method(**given)
            except ConnectionLost as exc:
                raise ToolError(lost(agent, exc)) from None
            except PyshellError as exc:
                raise ToolError(str(exc)) from None

        return tool

    server = MCPServer("pyshell", instructions=INSTRUCTIONS, log_level="WARNING")
    for name in TOOLS:
        method = getattr(agent, name)
        hints = ToolAnnotations(read_only_hint=name in LOOKING, open_world_hint=name == "execute")
        server.add_tool(guarded(method), name=name, description=cleandoc(method.__doc__), annotations=hints)
    server.run()
