"""Nothing that looks at a value runs any of its code: every question about every animal of the zoo.

Runs in: tests.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pyshell.plain import plain
from pyshell.protocol import Message, to_wire
from pyshell.worker.introspection.completion import complete
from pyshell.worker.introspection.describing import children_of, list_variables, table_of
from pyshell.worker.introspection.inspection import inspect
from pyshell.worker.introspection.resolving import follow
from pyshell.worker.looking import UNKNOWN
from tests.sessions import started, until
from tests.worker.zoo import BEHAVIOURS, calls, science, text, traces, zoo

ENDINGS = (
    "", ".", "._", ".__", ".attr", ".attr.", ".prop", ".cached.", ".inside.", ".value.", ".model", ".__class__.", ".x(",
    ".__doc__", ".__wrapped__.", ".__init__", "(", "(1, ", "(key=", "[", "[0].", "[0]['in'].", "['key']", "['a'].",
    "[1", "['x'].", "['x2'].", "['same'].", "['knot'][0]", ".append", ".func.", ".__self__.", ".itself.itself.odd.",
)  # fmt: skip


def ask(variables: dict[str, Any], name: str, endings: Iterable[str] = ENDINGS) -> Iterator[Message]:
    """Every question there is about one name."""
    for ending in endings:
        code = name + ending
        yield complete(variables, code, len(code))
        for detail in (0, 1):
            yield inspect(variables, code, len(code), detail)
    value = follow(variables, name)
    page = children_of(value, name, 0, 12)
    yield page
    for child in page.children:
        if child.path:
            yield inspect(variables, child.path, len(child.path))
            yield children_of(follow(variables, child.path), child.path, 1, 12)
    yield table_of(value, range(10), range(10))
    yield table_of(value, range(1, 1 << 40), range(-5, 1 << 40))


def ask_everything(variables: dict[str, Any], endings: Iterable[str] = ENDINGS) -> int:
    """How many answers there were; each can be sent."""
    count = 0
    for name in list(variables):
        for answer in ask(variables, name, endings):
            wire = to_wire(answer)
            assert plain(wire) == wire
            assert calls == [], name
            count += 1
    listed = list_variables(variables, ())
    assert plain(to_wire(listed)) == to_wire(listed)
    assert {row.name for row in listed.variables} == set(variables) - {"__builtins__"}
    return count


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_nothing_is_run(behaviour: str) -> None:
    animals = zoo(behaviour)
    variables = {"__builtins__": __builtins__, **animals}
    assert len(animals) > 80
    # What is counted is the same whatever comes of it: once thoroughly is enough.
    endings = ENDINGS if behaviour in ("raise", "quiet") else ENDINGS[::6]
    assert ask_everything(variables, endings) > 1000
    assert calls == [] and traces(animals) == []


def test_arrays_and_frames_of_animals_run_nothing() -> None:
    pytest.importorskip("numpy")
    zoo("raise")
    animals = science()
    assert ask_everything(animals) > 500
    assert calls == []


def test_a_name_that_only_looks_like_another_is_not_compared() -> None:
    variables: dict[Any, Any] = {text("same"): 1, "other": 2}
    calls.clear()
    assert follow(variables, "same") is UNKNOWN and follow(variables, "other") == 2
    assert inspect(variables, "same", 4).found is False
    assert calls == []


def test_a_namespace_that_a_thread_changes_can_be_asked() -> None:
    animals = zoo("raise")
    variables: dict[str, Any] = {"numbers": [], "names": {}, **animals}
    stop = threading.Event()

    def change() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            variables[f"v{number % 100}"] = number
            variables.pop(f"v{(number + 50) % 100}", None)
            variables["numbers"].append(number)
            variables["names"][number % 1000] = number
            if number % 1000 == 0:
                variables["numbers"].clear()
                variables["names"].clear()

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(30):
            for name in ("numbers", "names", "v1", "v50", "space"):
                for answer in ask(variables, name):
                    to_wire(answer)
            list_variables(variables, ())
    finally:
        stop.set()
        thread.join()
    assert calls == []


WATCH = """
import sys
sys.path.insert(0, {place!r})
import zoo
globals().update(zoo.zoo({behaviour!r}))
zoo.calls.clear()
sys.path.remove({place!r})
"""


@pytest.mark.parametrize("behaviour", ["exit", "print", "sleep"])
def test_a_running_session_answers_and_runs_nothing(behaviour: str, xdg: Path) -> None:
    with started() as session:
        code = WATCH.format(place=str(Path(__file__).parent), behaviour=behaviour)
        # While the cell waits nothing is saved: what is counted is what the questions did.
        cell = session.execute(code + "input()\nzoo.calls, zoo.traces(globals())")
        until(session, lambda event: event.kind == "input_request" and event.cell == cell)
        listed = {row.name: row for row in session.variables()}
        assert len(listed) > 80 and listed["a_list"].type == "Sublist"
        for name in listed:
            for ending in (".", ".attr", "(", "['key'].", ""):
                session.complete(name + ending, len(name + ending))
                session.inspect(name + ending, len(name + ending), 1)
            session.children(name)
            session.table(name)
        session.input("")
        reply = session.wait(cell)
        assert (reply.status, reply.result, session.epoch) == ("ok", "([], [])", 1)
        assert "the zoo was fed" not in reply.output


@pytest.mark.slow
@pytest.mark.science
@pytest.mark.skipif(sys.maxsize < 1 << 40, reason="needs a gigabyte")
def test_ten_million_rows() -> None:
    pandas, numpy = pytest.importorskip("pandas"), pytest.importorskip("numpy")
    rows = 10_000_000
    frame = pandas.DataFrame({"a": numpy.arange(rows), "b": numpy.arange(rows) / 2, "c": ["x", "y"] * (rows // 2)})
    variables = {"frame": frame, "values": frame["a"], "array": frame["b"].to_numpy(), "many": list(range(rows))}
    assert inspect(variables, "frame", 5).shape == "(10000000, 3)"
    window = table_of(frame, range(rows - 2, rows + 100), range(9))
    assert [row.label for row in window.rows] == ["9999998", "9999999"]
    assert window.rows[1].cells == ("9999999", "4999999.5", "y")
    assert table_of(variables["values"], range(5_000_000, 5_000_001), range(1)).rows[0].cells == ("5000000",)
    assert {row.name: row.size >= 80_000_000 for row in list_variables(variables, ()).variables} == dict.fromkeys(
        variables, True
    )
    assert children_of(variables["many"], "many", rows - 1, 5).children[0].preview == str(rows - 1)
