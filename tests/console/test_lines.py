"""The log of lines: bounded, numbered for good, and cheap to take back from.

Runs in: tests.
"""

from __future__ import annotations

import pytest

from pyshell.console import lines as module
from pyshell.console.lines import CHUNK, Line, Log


def numbered(first: int, count: int) -> list[Line]:
    return [Line("output", str(n), 1) for n in range(first, first + count)]


@pytest.mark.parametrize("step", [1, 7, CHUNK, 3 * CHUNK + 5])
def test_every_line_is_found_by_its_number(step: int) -> None:
    log = Log()
    for first in range(0, 10 * step, step):
        log = log.extend(numbered(first, step))
    assert log.end == 10 * step
    assert [log.line(n).text for n in range(log.end)] == [str(n) for n in range(10 * step)]
    assert [line.text for line in log.backwards()] == [str(n) for n in reversed(range(10 * step))]
    for beyond in (log.end, -1):
        with pytest.raises(IndexError):
            log.line(beyond)


def test_an_old_version_stays_what_it_was() -> None:
    old = Log().extend(numbered(0, 1000))
    old.extend(numbered(1000, 1000))
    old.without_last(600)
    assert old.end == 1000
    assert old.line(999).text == "999"


@pytest.mark.parametrize("count", [0, 1, CHUNK, 700, 1000])
def test_lines_can_be_taken_back(count: int) -> None:
    log = Log().extend(numbered(0, 1000)).without_last(count)
    assert log.end == 1000 - count
    log = log.extend(numbered(log.end, 5))
    assert log.line(log.end - 1).text == str(log.end - 1)


def test_the_oldest_go_and_numbers_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LINES", 4 * CHUNK)
    log = Log()
    for first in range(0, 5000, 100):
        log = log.extend(numbered(first, 100))
    assert log.end == 5000
    assert 0 < log.end - log.first <= 7 * CHUNK
    assert log.line(log.first).text == str(log.first)
    assert log.line(4999).text == "4999"


def test_long_lines_count_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CHARACTERS", 1_000_000)
    log = Log()
    for _ in range(100):
        log = log.extend([Line("output", "x" * 1000, 1)] * 100)
    assert log.characters <= 1_000_000
    assert log.end == 10_000
