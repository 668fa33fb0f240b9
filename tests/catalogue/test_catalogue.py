"""The catalogue's pyshell column, with the libraries that the tests have; and that its page lists every case.

Runs in: tests.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.catalogue import cases, others, ours, page
from tests.catalogue.cases import HANG, REPORTED, RIGHT, UNSAVABLE, WRONG, Outcome

EVERYTHING = cases.everything()
PACKAGES = {"numpy", "pandas", "polars", "pyarrow", "matplotlib", "scipy", "sklearn"}
"""The rest, which is too large for the tests' environment, is for the command."""
SHARE = 0.95
"""Of what can be saved at all, so much must come back right."""


@pytest.fixture(scope="module")
def outcomes() -> dict[str, dict[str, Outcome]]:
    chosen = {
        title: [case for case in some if cases.can_run(case) and PACKAGES.issuperset(case.needs)]
        for title, some in EVERYTHING.items()
    }
    return {title: ours.run(some) for title, some in chosen.items() if some}


def test_there_are_enough_cases() -> None:
    kinds = [title for title in EVERYTHING if title not in (UNSAVABLE, "Over several cells")]
    assert sum(len(EVERYTHING[title]) for title in kinds) >= 100
    assert len(EVERYTHING["Over several cells"]) >= 60


@pytest.mark.timeout(600)
def test_nothing_is_lost_silently(outcomes: dict[str, dict[str, Outcome]]) -> None:
    everything = {name: outcome for some in outcomes.values() for name, outcome in some.items()}
    assert {name: outcome for name, outcome in everything.items() if outcome.word in (WRONG, HANG)} == {}
    assert [name for name, outcome in everything.items() if outcome.word == REPORTED and not outcome.detail] == []


@pytest.mark.timeout(600)
def test_nearly_everything_comes_back(outcomes: dict[str, dict[str, Outcome]]) -> None:
    savable = [some for title, some in outcomes.items() if title != UNSAVABLE]
    counted = Counter(outcome.word for some in savable for outcome in some.values())
    assert counted[RIGHT] >= SHARE * counted.total(), counted
    assert {outcome.word for outcome in outcomes[UNSAVABLE].values()} == {REPORTED}


def test_a_case_that_is_wrong_is_called_wrong() -> None:
    wrong = cases.Case("bad", "", (), "alone", ("bad_v = 1",), "bad_v == 2")
    assert others.run([wrong], others.NOWHERE) == {"bad": Outcome(WRONG, "False")}
    assert ours.run([wrong]) == {"bad": Outcome(WRONG, "False")}


def test_the_page_lists_every_case() -> None:
    assert page.names_in(page.PAGE.read_text()) == page.expected_names()
