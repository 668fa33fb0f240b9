"""The person's settings are read, and what cannot be meant is told with file, line and key.

Runs in: tests.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pyshell import config, starting
from pyshell.errors import UsageError
from pyshell.paths import config_file
from tests.sessions import started


@pytest.fixture
def file(xdg: Path) -> Path:
    path = xdg / "config" / "pyshell" / "config.toml"
    path.parent.mkdir()
    return path


def test_the_file_lies_where_the_xdg_specification_says() -> None:
    assert config_file({}, "/home/ann") == Path("/home/ann/.config/pyshell/config.toml")
    assert config_file({"XDG_CONFIG_HOME": "/c"}, "/home/ann") == Path("/c/pyshell/config.toml")


def test_without_a_file_nothing_is_limited(file: Path) -> None:
    assert config.read(file) == config.Config() == config.Config(config.Saving((), None, ""))


def test_what_the_file_says_is_taken(file: Path) -> None:
    file.write_text('[saving]\nexclude = ["tmp_*", "x"]\nmax_value_bytes = 500_000\n')
    assert config.read(file).saving == config.Saving(("tmp_*", "x"), 500_000, str(file))
    file.write_text('[keep]\nrecent = 9\nby_age = true\n[replay]\nafter_restore = "auto"\n')
    assert config.read(file).keep == config.Keep(9, 10, True, None)
    assert config.read(file).replay == "auto"
    file.write_text("")
    assert config.read(file).saving.exclude == ()


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[saving]\nexclude = [\n", None, "is no TOML: "),
        ("\n[savings]\n", 2, "savings is unknown; there can be: saving, keep, replay, console, keys"),
        ('exclude = ["x"]\n', 1, "exclude is unknown; there can be: saving, keep, replay, console, keys"),
        ("saving = 3\n", 1, "saving must be a table: write [saving]"),
        ("[saving]\n# text\nexclud = []", 3, "exclud is unknown; in [saving] there can be: exclude, max_value_bytes"),
        ('[saving]\nexclude = "tmp_*"\n', 2, "exclude must be a list of patterns"),
        ("[saving]\nexclude = [1]\n", 2, "exclude must be a list of patterns"),
        ("[saving]\n\nmax_value_bytes = 1.5\n", 3, "max_value_bytes must be a whole number of bytes"),
        ("[saving]\nmax_value_bytes = true\n", 2, "max_value_bytes must be a whole number of bytes"),
        ("[saving]\nmax_value_bytes = 0\n", 2, "max_value_bytes must be a whole number of bytes"),
        ('[console]\nprompt = "ps1"\n', 2, 'prompt must be "numbers" or "python"'),
        ('[console]\ntheme = 3\n', 2, 'theme must be "terminal", "dark", "light" or "contrast"'),
        ("[console]\nimages = 1\n", 2, "images must be true or false"),
        ("[console]\nnotify_after = -1\n", 2, "notify_after must be a number of seconds, 0 for never"),
        ("[console]\nnotify_after = true\n", 2, "notify_after must be a number of seconds, 0 for never"),
        ("[console]\nplain = 'no'\n", 2, "plain must be true or false"),
        ('[console]\nediting = "ed"\n', 2, 'editing must be "emacs" or "vi"'),
        ('[console]\ncompletion = true\n', 2, 'completion must be "typing" or "tab"'),
        ("[keep]\nrecent = 0\n", 2, "recent must be a whole number, at least 1"),
        ("[keep]\nevery = -1\n", 2, "every must be a whole number, at least 0"),
        ("[keep]\nmax_bytes = true\n", 2, "max_bytes must be a whole number, at least 1"),
        ("[keep]\nby_age = 1\n", 2, "by_age must be true or false"),
        ("[keep]\nold = 1\n", 2, "in [keep] there can be: recent, every, by_age, max_bytes"),
        ('[replay]\nafter_restore = "yes"\n', 2, 'after_restore must be "ask", "auto" or "never"'),
        ("[keys]\nundo = 7\n", 2, "undo must be a key or a list of keys"),
        ("saving.max_value_bytes = '1 MB'\n", None, "max_value_bytes must be a whole number of bytes"),
    ],
)
def test_what_cannot_be_meant_is_told_with_its_place(file: Path, text: str, line: int | None, words: str) -> None:
    file.write_text(text)
    with pytest.raises(UsageError) as info:
        config.read(file)
    place = f"{file}, line {line}: " if line else str(file)
    assert str(info.value).startswith(place) and words in str(info.value)


def test_what_cannot_be_read_is_told(file: Path) -> None:
    file.write_bytes(b"\xff")
    with pytest.raises(UsageError, match="cannot be read"):
        config.read(file)


def test_what_is_documented_as_being_so_by_itself_is_so(file: Path) -> None:
    keys = [("undo", ("ctrl _", "ctrl -"), "undo"), ("mouse", (), 'a "mouse" \\')]
    text = config.document(keys)
    file.write_text(text)
    assert config.read(file) == config.Config(config.Saving((), None, str(file)))
    # With everything said it is the same, but for the keys, which the console compares with its own.
    file.write_text(re.sub(r"(?m)^# (\w+ = )", r"\1", text))
    read = config.read(file)
    assert read.saving == config.Saving((), 500_000_000, str(file))
    assert (read.keep, read.replay) == (config.Keep(max_bytes=20_000_000_000), "ask")
    assert replace(read.console, keys={}, places={}) == config.Console()
    assert read.console.keys == {"undo": ("ctrl _", "ctrl -"), "mouse": ()}
    assert read.console.places["undo"] == f"{file}, line {text[: text.index('# undo =')].count(chr(10)) + 1}"


def test_what_the_file_says_is_documented_as_said(file: Path) -> None:
    file.write_text(
        '[saving]\nexclude = ["a\\"b\\\\", "\\u0007"]\n'
        '[console]\nplain = true\nnotify_after = 2.5\n[keys]\nundo = "f9"\n'
    )
    text = config.document([("undo", ("ctrl _",), "undo")], config.said(file))
    before = config.read(file)
    file.write_text(text)
    assert replace(config.read(file).console, places={}) == replace(before.console, places={})
    assert config.read(file).saving == before.saving
    assert '\nundo = "f9"\n' in text and "\n# theme = " in text


def test_every_setting_has_a_field_with_its_default() -> None:
    for setting in config.SETTINGS:
        table = getattr(config.Config(), setting.table)
        value = table if setting.table == "replay" else getattr(table, setting.name)
        assert (list(value) if isinstance(value, tuple) else value) == setting.default, setting.name


def test_a_session_does_not_start_with_a_mistake_in_the_file(file: Path) -> None:
    file.write_text("[saving]\nexclud = []\n")
    with pytest.raises(UsageError, match="exclud is unknown"):
        starting.start("s")
    assert starting.names() == []


def test_a_session_heeds_the_file_from_its_start_on(file: Path) -> None:
    file.write_text('[saving]\nexclude = ["tmp_*"]\nmax_value_bytes = 100_000\n')
    with started() as session:
        session.wait_saved(session.run("x = 1; tmp_1 = 2; large = 'a' * 200_000").cell)
        reasons = {unsaved.name: unsaved.reason for unsaved in session.status().unsaved}
        assert reasons.keys() == {"tmp_1", "large"}
        assert all(str(file) in reason for reason in reasons.values())
        # Another worker has the same limits.
        reply = session.run("import os; os.kill(os.getpid(), 9)")
        assert reply.restored == ("x",)
        session.wait_saved(session.run("tmp_2 = 3").cell)
        assert [unsaved.name for unsaved in session.status().unsaved] == ["tmp_2"]
        session.kill()
    file.unlink()
    with started() as session:
        session.wait_saved(session.run("tmp_3 = 3").cell)
        assert session.status().unsaved == ()
