"""Who is told of a cell's end, and how.

Runs in: tests.
"""

from __future__ import annotations

import time

import pytest

from pyshell import protocol as p
from pyshell.console.keyboard import Keyboard, Listeners
from pyshell.console.known import Cell, Model
from pyshell.console.notifying import Notifier, sentence, sequence


class Person:
    def __init__(self) -> None:
        self.keyboard = Keyboard(Listeners(*[lambda _: None] * 3))
        self.told: list[str] = []
        self.notifier = Notifier(self.keyboard, 10.0, lambda title, text: self.told.append(text))
        self.now = time.time()

    def sees_the_end(self, seconds: float = 20.0, client: str = "me", ago: float = 0.0) -> bool:
        self.told.clear()
        model = Model(cells={7: Cell(7, "", "me", "running", self.now - seconds)})
        event = p.Event(9, 1, 7, client, self.now - ago, p.Finished("ok", seconds))
        self.notifier.follow(model, event, "me")
        return bool(self.told)


def test_who_looks_elsewhere_is_told() -> None:
    person = Person()
    person.keyboard.is_focused = False
    assert person.sees_the_end()
    assert person.told == ["In [7] has ended after 20 s"]
    assert not person.sees_the_end(seconds=9.0)
    assert not person.sees_the_end(client="somebody else")
    assert not person.sees_the_end(ago=60.0)
    person.keyboard.is_focused = True
    assert not person.sees_the_end()


def test_where_the_terminal_does_not_tell_who_has_typed_is_there() -> None:
    person = Person()
    assert person.sees_the_end()
    person.keyboard.pressed = person.now - 5
    assert not person.sees_the_end()
    person.keyboard.pressed = person.now - 20  # the Enter that ran it
    assert person.sees_the_end()


def test_nobody_is_told_who_does_not_want_it() -> None:
    person = Person()
    person.keyboard.is_focused = False
    person.notifier = Notifier(person.keyboard, 0, lambda *_: person.told.append(""))
    assert not person.sees_the_end()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"TERM": "xterm-kitty"}, "\x1b]9;pyshell: a,b\x07\x07"),
        ({"TERM": "rxvt-unicode"}, "\x1b]777;notify;pyshell;a,b\x07\x07"),
        ({"VTE_VERSION": "7800"}, "\x1b]777;notify;pyshell;a,b\x07\x07"),
        ({"TMUX": "/tmp/t"}, "\x1bPtmux;\x1b\x1b]9;pyshell: a,b\x07\x1b\\\x07"),
    ],
)
def test_each_terminal_in_its_own_way(environ: dict[str, str], expected: str) -> None:
    assert sequence("pyshell", "a;b\x1b\n", environ) == expected


def test_what_is_said() -> None:
    assert sentence(3, p.Finished("error", 125.0)) == "In [3] has failed after 2:05"
