"""Show what is saved, case by case: `python -m tests.catalogue [--only pyshell] [--sections WORD …] [--write]`.

Runs in: the developer's terminal, in an interpreter with as many of the libraries as are wanted.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from tests.catalogue import cases, others, ours, page
from tests.catalogue.cases import ABSENT, Case, Outcome
from tests.catalogue.page import Results

METHODS: dict[str, Callable[[Sequence[Case]], dict[str, Outcome]]] = {
    "pyshell": ours.run,
    **{method: partial(others.run, method=method) for method in (*others.METHODS, others.NOWHERE)},
}


def main(arguments: list[str]) -> int:
    """Run the catalogue; the table goes to standard output, or into the page, the progress to standard error."""
    parser = argparse.ArgumentParser(prog="python -m tests.catalogue", description=main.__doc__)
    parser.add_argument("--only", nargs="*", default=["pyshell", "dill", "cloudpickle"], choices=METHODS)
    parser.add_argument("--sections", nargs="*", default=[], metavar="WORD", help="sections whose title has the word")
    parser.add_argument("--cases", nargs="*", default=[], metavar="NAME", help="these cases only")
    parser.add_argument("--write", action="store_true", help=f"write {page.PAGE.name} (of all sections)")
    parser.add_argument("--results", type=Path, help="a file to add the outcomes to: the table is then of all in it")
    options = parser.parse_args(arguments)
    chosen = {
        title: [case for case in some if not options.cases or case.name in options.cases]
        for title, some in cases.everything().items()
        if not options.sections or any(word in title for word in options.sections)
    }
    with tempfile.TemporaryDirectory(prefix="catalogue-") as directory:
        for kind in ("STATE_HOME", "CONFIG_HOME", "DATA_HOME", "CACHE_HOME", "RUNTIME_DIR"):
            os.environ[f"XDG_{kind}"] = f"{directory}/{kind}"
            Path(directory, kind).mkdir(mode=0o700)
        results = {title: _results(title, some, options.only) for title, some in chosen.items()}
    if options.results:
        results = page.merge(options.results, results)
    print(page.details(results, only_odd=True))
    print(page.summary(results))
    if options.write:
        page.PAGE.write_text(page.text(results))
    return 0


def _results(title: str, some: list[Case], methods: list[str]) -> Results:
    found: Results = {case.name: {} for case in some}
    there = [case for case in some if cases.can_run(case)]
    for method in methods:
        print(f"{title}: {method} …", file=sys.stderr, flush=True)
        outcomes = METHODS[method](there)
        for case in some:
            found[case.name][method] = outcomes.get(case.name, Outcome(ABSENT))
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
