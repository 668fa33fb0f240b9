"""The example of a debug adapter: what it answers is what the Debug Adapter Protocol's own schema asks for.

Runs in: tests. The schema is debugpy's copy, which ipykernel brings along.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from pyshell import Session
from pyshell.bridges.framing import Reader, framed
from tests.sessions import SECONDS, environment, started, until_output

jsonschema = pytest.importorskip("jsonschema", reason="nbformat has it, which the test extra brings along")

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "dap.py"
SCHEMA = "_vendored/pydevd/_pydevd_bundle/_debug_adapter/debugProtocol.json"
CODE = """
import numpy, pandas
class Loud:
    def __init__(self): self.inside = [1]
    def __repr__(self): raise RuntimeError('no')
loud = Loud()
nested = {'a': [1, {'deep': (2, 3)}], (1, 2): 'tuple', loud: 'no path'}
cyclic = [1]
cyclic.append(cyclic)
unique = {(1, 2)}
grid = numpy.arange(12.0).reshape(3, 4)
row = numpy.arange(5000)
frame = pandas.DataFrame({'x': range(3), 'y z': list('abc')})
globals().update({f'name_{n}': n for n in range(2500)})
"""


class Editor:
    """Speaks the protocol; whatever comes must be what the schema says."""

    def __init__(self, stdin: BinaryIO, stdout: BinaryIO) -> None:
        found = find_spec("debugpy")
        if found is None or not found.submodule_search_locations:
            pytest.skip("there is no debugpy, which ipykernel brings along")
        self._schema = json.loads(Path(found.submodule_search_locations[0], SCHEMA).read_text())
        self._stdin, self._reader = stdin, Reader(stdout)
        self._seq = 0
        self.events: list[str] = []

    def ask(self, command: str, **arguments: Any) -> Any:
        """The body of the answer; None if it was refused."""
        self._seq += 1
        request = {"seq": self._seq, "type": "request", "command": command, "arguments": arguments}
        kind = command[0].upper() + command[1:]
        self._check(f"{kind}Request", request)
        self._stdin.write(framed(json.dumps(request).encode(), True))
        self._stdin.flush()
        answer = self._next()
        while answer["type"] == "event":
            answer = self._next()
        assert answer["request_seq"] == self._seq
        self._check(f"{kind}Response" if answer["success"] else "Response", answer)
        return answer.get("body") if answer["success"] else None

    def wait_event(self, name: str) -> None:
        while name not in self.events:
            self._next()

    def variables(self, reference: int, **more: Any) -> dict[str, Any]:
        return {one["name"]: one for one in self.ask("variables", variablesReference=reference, **more)["variables"]}

    def _next(self) -> Any:
        data = self._reader.read()
        assert data is not None, "the adapter has ended"
        message = json.loads(data)
        if message["type"] == "event":
            name = message["event"]
            self._check(f"{name[0].upper()}{name[1:]}Event", message)
            self.events.append(name)
        return message

    def _check(self, kind: str, message: Any) -> None:
        jsonschema.Draft4Validator({**self._schema, "$ref": f"#/definitions/{kind}"}).validate(message)


@contextmanager
def attached(session: Session) -> Iterator[Editor]:
    """An editor that has opened its view, and the adapter ends with it."""
    command = [sys.executable, str(EXAMPLE), session.name]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=environment(session), **pipes) as adapter:
        try:
            assert adapter.stdin is not None and adapter.stdout is not None
            editor = Editor(adapter.stdin, adapter.stdout)
            editor.ask("initialize", adapterID="pyshell", supportsVariablePaging=True, supportsInvalidatedEvent=True)
            assert editor.ask("attach") == {}
            editor.wait_event("initialized")
            assert editor.ask("setBreakpoints", source={"path": "/tmp/x.py"}) == {"breakpoints": []}
            editor.ask("setExceptionBreakpoints", filters=[])
            editor.ask("configurationDone")
            editor.wait_event("stopped")
            yield editor
            editor.ask("disconnect")
            adapter.stdin.close()
            assert adapter.wait(SECONDS) == 0
        finally:
            adapter.kill()


def scope(editor: Editor) -> Any:
    """The way that an editor takes to the variables."""
    (thread,) = editor.ask("threads")["threads"]
    (frame,) = editor.ask("stackTrace", threadId=thread["id"])["stackFrames"]
    (found,) = editor.ask("scopes", frameId=frame["id"])["scopes"]
    return found


def test_an_editor_shows_the_variables_of_a_session() -> None:
    with started("dap") as session:
        assert session.run(CODE, SECONDS).status == "ok"
        with attached(session) as editor:
            top = scope(editor)
            names = editor.variables(top["variablesReference"])
            assert len(names) == top["namedVariables"] > 2500 and names["name_2499"]["value"] == "2499"
            assert names["loud"]["value"] == "<Loud>"
            page = editor.ask("variables", variablesReference=top["variablesReference"], start=20, count=3)["variables"]
            assert [one["name"] for one in page] == list(names)[20:23]
            look_into_containers(editor, names)
            look_into_arrays(editor, names)
            look_at_expressions(editor)


def look_into_containers(editor: Editor, names: dict[str, Any]) -> None:
    inside = editor.variables(names["nested"]["variablesReference"])
    assert list(inside) == ["['a']", "[(1, 2)]", "[<Loud>]"] and names["nested"]["namedVariables"] == 3
    assert "evaluateName" not in inside["[<Loud>]"] and inside["['a']"]["indexedVariables"] == 2
    assert editor.variables(names["nested"]["variablesReference"], filter="indexed") == {}
    deep = editor.variables(inside["['a']"]["variablesReference"])["[1]"]
    assert deep["evaluateName"] == "nested['a'][1]"
    assert editor.variables(names["loud"]["variablesReference"])["inside"]["evaluateName"] == "loud.inside"
    at = names["cyclic"]
    for _ in range(5):
        at = editor.variables(at["variablesReference"])["[1]"]
    assert at["evaluateName"] == "cyclic" + "[1]" * 5 and at["variablesReference"]
    assert editor.variables(names["unique"]["variablesReference"])["[0]"]["value"] == "(1, 2)"


def look_into_arrays(editor: Editor, names: dict[str, Any]) -> None:
    second = editor.variables(names["grid"]["variablesReference"])["[1]"]
    assert [one["value"] for one in editor.variables(second["variablesReference"]).values()] == [
        "4.0",
        "5.0",
        "6.0",
        "7.0",
    ]
    assert names["row"]["indexedVariables"] == 5000
    some = editor.variables(names["row"]["variablesReference"], filter="indexed", start=4000, count=100)
    assert list(some) == [f"[{n}]" for n in range(4000, 4100)] and some["[4000]"]["evaluateName"] == "row[4000]"
    assert len(editor.variables(names["row"]["variablesReference"])) == 5000
    columns = editor.variables(names["frame"]["variablesReference"])
    assert list(columns) == ["[x]", "[y z]"] and columns["[y z]"]["evaluateName"] == "frame['y z']"
    cells = editor.variables(columns["[y z]"]["variablesReference"])
    assert [one["value"] for one in cells.values()] == ["a", "b", "c"]


def look_at_expressions(editor: Editor) -> None:
    found = editor.ask("evaluate", expression="nested['a'][1]", context="hover")
    assert (found["type"], found["namedVariables"]) == ("dict", 1)
    assert editor.ask("evaluate", expression="nested['a'][1]['deep']", context="watch")["result"] == "(2, 3)"
    assert editor.ask("evaluate", expression="row[4000]", context="watch")["result"] == "4000"
    for refused in ("print(1)", "1 + 1", "nowhere"):
        assert editor.ask("evaluate", expression=refused, context="repl") is None
    assert editor.ask("continue", threadId=1) is None


def test_it_is_shown_while_a_cell_runs_and_again_when_it_has_ended() -> None:
    with started("dap") as session:
        session.run("seen = [1]", SECONDS)
        with attached(session) as editor:
            cell = session.execute(
                "import time\nseen = [1, 2]\nprint('runs', flush=True)\nwhile seen: time.sleep(0.01)"
            )
            until_output(session, "runs", cell)
            top = scope(editor)["variablesReference"]
            assert editor.variables(top)["seen"]["indexedVariables"] == 2
            editor.events.clear()
            session.interrupt()
            session.wait(cell, SECONDS)
            editor.wait_event("stopped")
            session.run("seen = 'other'", SECONDS)
            assert editor.variables(top)["seen"]["value"] == "'other'"
            session.kill()
            assert editor.ask("variables", variablesReference=top) is None
