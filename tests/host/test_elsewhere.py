"""The cells of other sessions are read from their journals, whatever state these are in.

Runs in: tests.
"""

from __future__ import annotations

from pathlib import Path

from pyshell.host.journals.elsewhere import cells_elsewhere
from pyshell.host.journals.journal import Journal


def submit(root: Path, session: str, *codes: str) -> Journal:
    directory = root / session
    directory.mkdir()
    journal = Journal(directory / "journal", directory)
    for number, code in enumerate(codes, 1):
        journal.submit(number, "me", code, 1)
    journal.commit()
    return journal


def test_others_are_read_whether_they_run_or_not(tmp_path: Path) -> None:
    own = submit(tmp_path, "own", "mine")
    running = submit(tmp_path, "running", "one", "two")
    submit(tmp_path, "ended", "three").close()
    found = cells_elsewhere(own.path, 10, "")
    assert {(entry.session, entry.code) for entry in found} == {
        ("running", "one"), ("running", "two"), ("ended", "three"),
    }  # fmt: skip
    assert [entry.time for entry in found] == sorted(entry.time for entry in found)
    assert [entry.code for entry in cells_elsewhere(own.path, 10, "t")] == ["two", "three"]
    assert [entry.code for entry in cells_elsewhere(own.path, 1, "")] == ["three"]
    running.close()
    own.close()


def test_a_damaged_journal_hides_only_its_own_cells(tmp_path: Path) -> None:
    own = submit(tmp_path, "own")
    submit(tmp_path, "good", "kept").close()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "journal").write_bytes(b"no database at all" * 100)
    assert [entry.code for entry in cells_elsewhere(own.path, 10, "")] == ["kept"]
    own.close()
