"""The key table, and how a person changes it.

Runs in: tests.
"""

from __future__ import annotations

import pytest

from pyshell.console.keymap import Keymap, control_byte, label
from pyshell.errors import UsageError


def test_a_command_gets_other_keys_and_loses_its_own() -> None:
    keymap = Keymap({"search_history": ("F5", "alt-r"), "redo": ()})
    assert keymap.command("f5") == keymap.command("meta r") == "search_history"
    assert keymap.command("ctrl r") is None
    assert keymap.command("meta _") is None


def test_a_key_that_is_given_away_is_taken_from_who_had_it() -> None:
    keymap = Keymap({"undo": ("ctrl r",)})
    assert keymap.command("ctrl r") == "undo"
    assert keymap.command("ctrl _") is None


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("ctrl r", "ctrl r"), ("Ctrl-R", "ctrl r"), ("C-r", "ctrl r"), ("M-f", "meta f"), ("Alt+F", "meta F"),
        ("alt-enter", "meta enter"), ("Shift-Tab", "shift tab"), ("PgUp", "page up"),
        ("ctrl page down", "ctrl page down"),
        ("F12", "f12"), ("ctrl shift left", "shift ctrl left"), ("ctrl _", "ctrl _"), ("ctrl -", "ctrl -"), ("é", "é"),
    ],
)  # fmt: skip
def test_how_keys_may_be_written(written: str, key: str) -> None:
    assert Keymap({"redo": (written,)}).command(key) == "redo"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"serch_history": ("f5",)}, "serch_history in [keys] is no command; did you mean search_history?"),
        ({"undo": ("ctrl banana",)}, '"ctrl banana" is no key; write them as "ctrl r"'),
        ({"undo": ("",)}, '"" is no key'),
        ({"undo": ("f5",), "redo": ("f5",)}, "F5 is given to undo and redo in [keys]; a key does one thing"),
        ({"variables_sort": ("S",), "panel_next": ("S",)}, "S is given to variables_sort and panel_next in [keys]"),
        ({"raw_end": ("f5",)}, "raw_end in [keys] needs one key, with Ctrl and a letter"),
        ({"raw_end": ()}, "raw_end in [keys] needs one key"),
        ({"undo": ("ctrl ]",)}, "raw_end in [keys] needs one key"),
    ],
)
def test_what_cannot_be_meant_is_told_with_its_place(changes: dict[str, tuple[str, ...]], words: str) -> None:
    with pytest.raises(UsageError) as info:
        Keymap(changes, dict.fromkeys(changes, "config.toml, line 3"))
    assert str(info.value).startswith("config.toml")
    assert words in str(info.value)


def test_keys_as_a_person_writes_them() -> None:
    assert [label(key) for key in ("ctrl r", "meta page up", "f1", "meta <", "g", "G", " ")] == [
        "Ctrl-R", "Alt-PgUp", "F1", "Alt-<", "g", "G", "Space",
    ]  # fmt: skip


def test_the_keys_of_panels_and_of_the_transcript_are_changed_by_their_names() -> None:
    keymap = Keymap({"browse_fold": ("f",), "variables_sort": ("j",), "raw_end": ("ctrl t",)})
    assert {binding.command: binding.keys for binding in keymap.inside("browse")}["fold"] == ("f",)
    inside = {binding.command: binding.keys for binding in keymap.inside("variables")}
    assert (inside["sort"], inside["next"]) == (("j",), ("down", "ctrl n"))
    assert "j" in {binding.command: binding.keys for binding in keymap.inside("queue")}["next"]
    assert keymap.command("j") is None
    assert (keymap.raw_end, control_byte(keymap.raw_end)) == ("ctrl t", 0x14)
