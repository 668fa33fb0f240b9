"""Suggestions from the history, and searching it.

Runs in: tests.
"""

from __future__ import annotations

import random

import pytest

from pyshell.console.buffer import Buffer, filled
from pyshell.console.history import Entry, History
from pyshell.console.searching import Search, pressed, searched


def history(*codes: str, elsewhere: tuple[str, ...] = ()) -> History:
    known = History()
    for code in codes:
        known.add(code)
    known.put_elsewhere(Entry(code, "other", 1.0) for code in elsewhere)
    return known


@pytest.mark.parametrize(
    ("text", "rest"),
    [("im", "port sys"), ("import o", "s"), ("import sys", ""), ("x", ""), ("", ""), ("fa", "r"), ("import", " sys")],
)
def test_the_newest_that_begins_so_is_suggested(text: str, rest: str) -> None:
    known = history("import os", "import sys", elsewhere=("far", "import far"))
    assert known.suggestion(filled(text)) == rest
    assert known.suggestion(Buffer(text + " ", 0)) == ""


def test_what_is_remembered_from_key_to_key_changes_no_answer() -> None:
    monkey = random.Random(1)
    codes = ["".join(monkey.choices("ab", k=monkey.randint(1, 6))) for _ in range(60)]
    known, text = history(*codes), ""
    for _ in range(2000):
        text = text[:-1] if monkey.random() < 0.3 else (text + monkey.choice("ab"))[:7]
        if monkey.random() < 0.02:
            known.add("".join(monkey.choices("ab", k=5)))
        fresh = History()
        fresh._entries = known._entries
        assert known.suggestion(filled(text)) == fresh.suggestion(filled(text))


def test_every_word_must_be_there_and_capitals_count_if_there_are_any() -> None:
    known = history("import Os", "x = 1", "import os", "import os", elsewhere=("for n in os: pass",))
    assert [entry.code for entry in searched("os", known.newest_first()).found] == [
        "import os", "import Os", "for n in os: pass",
    ]  # fmt: skip
    assert [entry.code for entry in searched("os imp", known.newest_first()).found] == ["import os", "import Os"]
    assert [entry.code for entry in searched("Os", known.newest_first()).found] == ["import Os"]
    assert searched("", known.newest_first()).found == ()


def test_a_search_is_typed_on_and_walked() -> None:
    known = history("aa", "ab", "b")
    search: Search | None = Search()
    for key, command in [("a", None), ("", "search_history"), ("", "search_history"), ("", "search_newer")]:
        assert search is not None
        search = pressed(search, key, command, known.newest_first())
    assert search is not None and search.shown() == Buffer("ab", 0)
    search = pressed(search, "", "backspace", known.newest_first())
    assert search == Search("")
    assert pressed(Search(), "left", "left", ()) is None
