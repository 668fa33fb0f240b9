"""What is not to be saved by the person's wish: by name, by size; told with the reason and how to change it.

Runs in: tests.
"""

from __future__ import annotations

from typing import Any

import pytest

from pyshell.worker.pickles.leaves import Unsavable
from pyshell.worker.pickles.limits import CRASHED, NO_LIMITS, Limits, new_file

EXCLUDED = 'excluded by "tmp_*" in [saving] exclude of config.toml'
LARGE = "it is larger than max_value_bytes = 10000 in [saving] of config.toml; raise that to have it saved"


def test_nothing_is_limited_by_itself() -> None:
    assert NO_LIMITS.reason_against("x") == ""
    NO_LIMITS.check_size(1 << 60)
    assert new_file(NO_LIMITS).write(b"1" * 100_000) == 100_000


def test_a_file_takes_no_more_than_the_limit() -> None:
    file = new_file(Limits(max_value_bytes=10))
    file.write(b"12345")
    file.write(b"67890")
    with pytest.raises(Unsavable, match="max_value_bytes = 10"):
        file.write(b"1")


def test_patterns_are_the_shells_and_heed_case() -> None:
    limits = Limits(("tmp_*", "[xy]?"), source="config.toml", crashed=frozenset({"bad"}))
    assert limits.reason_against("tmp_1") == EXCLUDED
    assert limits.reason_against("x1") and limits.reason_against("y2")
    assert not limits.reason_against("Tmp_1") and not limits.reason_against("x12")
    assert limits.reason_against("bad") == CRASHED


@pytest.mark.parametrize("small", [True, False], ids=["small", "incremental"])
def test_excluded_names_are_unsaved_with_the_reason_and_the_others_are_saved(session: Any, small: bool) -> None:
    if not small:
        session.call("incremental")
    session.call("limit", ["tmp_*"], None)
    session.run("x = [1]\ntmp_a = x\ntmp_b = 2")
    assert session.save() == {"tmp_a": EXCLUDED, "tmp_b": EXCLUDED}
    session.run("y = 3")
    assert session.save() == {"tmp_a": EXCLUDED, "tmp_b": EXCLUDED}
    session.run("tmp_a.append(2); tmp_b = 4")
    assert session.save() == {"tmp_a": EXCLUDED, "tmp_b": EXCLUDED}
    session.run("del tmp_b")
    assert session.save() == {"tmp_a": EXCLUDED}
    session.restart()
    assert session.ask("x, y, 'tmp_a' in dir()") == "([1, 2], 3, False)"


def test_what_needs_an_excluded_definition_says_so(session: Any) -> None:
    session.call("limit", ["tmp_*"], None)
    session.run("class tmp_C: pass\nc = tmp_C()")
    missing = session.save()
    assert missing["tmp_C"] == EXCLUDED
    assert missing["c"] == f"it needs tmp_C, which is not saved: {EXCLUDED}"


@pytest.mark.parametrize(
    "value",
    ["'a' * 20_000", "[str(n) for n in range(20_000)]", "[lambda: 0, 'a' * 20_000]", "[(i for i in []), 'a' * 20_000]"],
    ids=["text", "list", "with a function", "with what cannot be saved"],
)
def test_values_above_the_size_are_unsaved_and_the_others_are_saved(session: Any, value: str) -> None:
    session.call("limit", [], 10_000)
    session.run(f"x = 'a' * 9_000\nlarge = {value}\nsmall = [1]")
    assert session.save() == {"large": LARGE}
    session.run("large = 1")
    assert session.save() == {}
    session.restart()
    assert session.ask("large, len(x), small") == "(1, 9000, [1])"


def test_the_limit_is_for_values_not_for_what_they_make_together(session: Any) -> None:
    session.call("limit", [], 10_000)
    session.run("shared = [1]\na = [shared, 'a' * 6_000]\nb = [shared, 'b' * 6_000]")
    assert session.save() == {}
    session.restart()
    assert session.ask("a[0] is b[0]") == "True"


@pytest.mark.science
def test_buffers_count(session: Any) -> None:
    session.call("limit", [], 10_000)
    session.run("import numpy\nlarge = numpy.zeros(100_000)\nsmall = numpy.zeros(10)")
    assert session.save() == {"large": LARGE}
