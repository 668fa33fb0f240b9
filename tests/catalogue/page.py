"""The page docs/what-is-saved.md, made of the catalogue's results.

Runs in: the catalogue's command, and a test that compares the page's cases with the catalogue's.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

from tests.catalogue.cases import ABSENT, REPORTED, RIGHT, SECTIONS, UNSAVABLE, Outcome

PAGE = Path(__file__).parents[2] / "docs" / "what-is-saved.md"

Results = dict[str, dict[str, Outcome]]
"""Case -> method -> what became of it."""

HEAD = """\
<!-- Written by `python -m tests.catalogue --write`. Change the cases in tests/catalogue/, then run it again. -->

# What is saved

Each line is a case of `tests/catalogue/`: some cells are run, the process is killed with `SIGKILL`, and a check is
evaluated in what came back. *right*: the check holds. *reported*: it does not, but the user was told so, with a reason,
before anything died (of dill and cloudpickle: saving raised, and nothing at all was saved). *wrong*: it does not hold,
and nobody said so before. *hang*: no answer. *not there*: the library was not installed for this run, or the Python too
old for the case.

pyshell runs the cases of a section in one session, as a person would; dill (`dump_module`), cloudpickle (a dict of the
names) and Kishu (its hooks in an IPython shell; a checkout in another process) get a process for each case, or the
first that fails would cost all the others. *not run*: Kishu takes seconds for a case, and was asked for some sections.
"""


def merge(file: Path, results: dict[str, Results]) -> dict[str, Results]:
    """Add outcomes to those that a file has, in the order of the sections and cases; what was not run is `not run`."""
    known = json.loads(file.read_text()) if file.exists() else {}
    for title, cases in results.items():
        for name, outcomes in cases.items():
            found = {method: [outcome.word, outcome.detail] for method, outcome in outcomes.items()}
            known.setdefault(title, {}).setdefault(name, {}).update(found)
    file.write_text(json.dumps(known))
    methods = list(dict.fromkeys(m for cases in known.values() for outcomes in cases.values() for m in outcomes))
    return {
        title: {
            name: {method: Outcome(*known[title][name].get(method, ("not run", ""))) for method in methods}
            for name in re.findall(r"^== (\w+)", path.read_text(), re.MULTILINE)
            if name in known[title]
        }
        for title, path in SECTIONS.items()
        if title in known
    }


def text(results: dict[str, Results]) -> str:
    """The whole page."""
    return f"{HEAD}\n{summary(results)}\n\n{details(results)}\n"


def summary(results: dict[str, Results]) -> str:
    """How often which outcome, for each section."""
    methods = _methods(results)
    rows = [["section", "cases", *methods]]
    for title, cases in results.items():
        rows.append([title, str(len(cases)), *(_counts(cases, method) for method in methods)])
    return _table(rows)


def details(results: dict[str, Results], only_odd: bool = False) -> str:
    """Every case; `only_odd`: without those where all is as it should be."""
    methods = _methods(results)
    blocks = []
    for title, cases in results.items():
        rows = [["case", *methods, "pyshell says"]]
        for name, outcomes in cases.items():
            if only_odd and all(_is_best(title, outcome) for outcome in outcomes.values()):
                continue
            ours = outcomes.get("pyshell", Outcome(RIGHT))
            detail = ours.detail.replace("|", "\\|").replace("\n", " ")[:100] if ours.word != RIGHT else ""
            rows.append([f"`{name}`", *(outcomes[method].word for method in methods), detail])
        blocks.append(f"## {title}\n\n{_table(rows)}")
    return "\n\n".join(blocks)


def names_in(page: str) -> set[str]:
    """The cases that the page lists."""
    return set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))


def expected_names() -> set[str]:
    """The cases that it must list: all, whatever this Python can run."""
    titles = (re.findall(r"^== (\w+)", path.read_text(), re.MULTILINE) for path in SECTIONS.values())
    return {name for some in titles for name in some}


def _methods(results: dict[str, Results]) -> list[str]:
    outcomes = next(outcomes for cases in results.values() for outcomes in cases.values())
    return list(outcomes)


def _is_best(title: str, outcome: Outcome) -> bool:
    return outcome.word == (REPORTED if title == UNSAVABLE else RIGHT)


def _counts(cases: Results, method: str) -> str:
    counted = Counter(outcomes[method].word for outcomes in cases.values())
    for word in (ABSENT, "not run"):
        counted.pop(word, 0)
    return ", ".join(f"{number} {word}" for word, number in counted.most_common())


def _table(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "| " + " | ".join("---" for _ in rows[0]) + " |")
    return "\n".join(lines)
