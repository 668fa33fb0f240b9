"""Everything that a cell has shown, as lines.

Runs in: tests.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyshell import protocol
from pyshell.console import outputs
from tests.console.scripted import ScriptedSession


def events(*bodies: protocol.EventBody) -> list[protocol.Event]:
    return [protocol.Event(seq, 1, 1, "me", 0.0, body) for seq, body in enumerate(bodies, 1)]


def test_progress_bars_are_as_they_were_at_last_and_nothing_is_lost() -> None:
    shown = [protocol.Output(f"{n}%\r") for n in range(101)] + [protocol.Output("\n")]
    many = [protocol.Output(f"line {n}\n") for n in range(2000)]
    error = protocol.Error(protocol.ErrorInfo("E", "no", "Traceback\nE: no\n"), False)
    found = list(outputs.lines(events(*shown, *many, protocol.Result("[1,\n 2]", "list"), error)))
    assert found[0] == "100%"
    assert found[1:2001] == [f"line {n}" for n in range(2000)]
    assert found[2001:] == ["[1,", " 2]", "Traceback", "E: no"]


def test_a_result_after_half_a_line_is_on_a_line_of_its_own() -> None:
    assert list(outputs.lines(events(protocol.Output("half"), protocol.Result("1", "int")))) == ["half", "1"]


def test_what_a_program_has_drawn_is_not_there() -> None:
    drawn = [protocol.TerminalUsed("screen"), protocol.Output("\x1b[?1049hX"), protocol.TerminalUsed("lines")]
    assert list(outputs.lines(events(protocol.Output("a\n"), *drawn, protocol.Output("b\n")))) == ["a", "b"]


def session_with(text: str) -> Any:
    session = ScriptedSession()
    session.execute(f"write({text!r})")
    session.until(lambda: any(isinstance(event.body, protocol.Finished) for event in session._events))
    return session


def test_it_is_saved_without_colours_and_never_over_another_file(tmp_path: Path) -> None:
    session, path = session_with("\x1b[31mred\x1b[0m\nend"), tmp_path / "out.txt"
    assert outputs.save(session, 1, path) == f"2 lines are in {path}."
    assert path.read_text() == "red\nend\n"
    assert "there already" in outputs.save(session, 1, path)
    assert "could not be written" in outputs.save(session, 1, tmp_path / "missing" / "out.txt")
    assert outputs.text(session, 1) == "red\nend"
    spooled = outputs.spool(session, 1)
    assert isinstance(spooled, Path)
    assert spooled.read_text() == "\x1b[31mred\x1b[0m\nend\n"
    spooled.unlink()
